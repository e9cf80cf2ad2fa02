"""Bones that findings change, and tubes, lines and implants."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike

from mgll_data.phantoms.chest_film import Film, Finding, Floats, Rib, filled, rounded, stroke, strokes


def rib_fracture(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Neighbouring ribs broken and displaced, with callus at the breaks."""
    whole = [rib for rib in film.ribs if rib.side in (finding.side, "both")]
    first = int(rng.integers(2, 5))
    callus = np.zeros((film.side, film.side), np.float32)
    for rib in whole[first : first + 1 + finding.grade]:
        cut = int(len(rib.points) * rng.uniform(0.55, 0.75))
        way = 1 if rib.points[-1, 0] > rib.points[0, 0] else -1
        step = np.array([way * 3, 15], np.float32) * np.float32(film.unit)
        film.ribs.remove(rib)
        film.ribs.append(Rib(rib.points[:cut], rib.density, rib.width))
        film.ribs.append(Rib(rib.points[cut:] + step, rib.density, rib.width))
        for stump in (rib.points[cut - 1], rib.points[cut] + step):
            cv2.circle(callus, (int(stump[0]), int(stump[1])), round(11 * film.unit), (1.0,), -1)
    film.extra += 0.20 * cv2.blur(callus, (5, 5))
    film.mark("rib_fracture", callus, 0.5)


def scoliosis(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Only marks the finding as drawn: the anatomy bends the spine."""
    spine = float(film.frame.px([[0.72, 0.5]])[0, 0]) if film.view == "lateral" else film.midline
    left, right = int(spine - 0.1 * film.side), int(spine + 0.1 * film.side)
    film.boxes["scoliosis"] = [(max(left, 0), 0, min(right, film.side), film.side)]


def _wire(film: Film, name: str, points: Floats, width: float, density: float) -> None:
    line = strokes(film.side, [points], width * film.unit)
    film.extra += np.float32(density) * line
    film.mark(name, line, 0.3)


def _tube(film: Film, name: str, points: Floats, width: float) -> None:
    """A tube: two dense walls, a clear lumen, and a stripe that X-rays do not pass."""
    tube = np.zeros((film.side, film.side), np.float32)
    stroke(tube, points, width * film.unit, 0.34)
    stroke(tube, points, (width - 5) * film.unit, 0.02)
    film.mark(name, tube, 0.01)
    stripe = strokes(film.side, [points + np.array([1.5, 0], np.float32) * film.unit], 2.6 * film.unit)
    film.extra += cv2.blur(tube, (3, 3)) + 0.45 * stripe


def _path(film: Film, points: ArrayLike) -> Floats:
    return film.frame.px(rounded(points, closed=False))


def ett(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Endotracheal tube, its tip above the carina."""
    tip = int(len(film.trachea) * rng.uniform(0.72, 0.9))
    _tube(film, "ett", film.trachea[: max(tip, 2)], 15)


def ngt(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Nasogastric tube down the midline into the stomach."""
    if film.view == "lateral":
        path = _path(film, [(0.54, -0.1), (0.57, 0.2), (0.60, 0.55), (0.56, 0.75), (0.50, 0.86)])
    else:
        x = rng.uniform(0.508, 0.52)
        path = _path(film, [(x, -0.1), (x, 0.4), (x + 0.01, 0.74), (0.58, 0.84), (0.66, rng.uniform(0.80, 0.9))])
    _wire(film, "ngt", path, 5, 0.42)


def central_line(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Central venous catheter: from below the clavicle to the superior vena cava."""
    if film.view == "lateral":
        path = _path(film, [(0.36, 0.10), (0.42, 0.16), (0.44, 0.30), (0.43, 0.44)])
    elif finding.side == "right":
        path = _path(film, [(0.19, 0.17), (0.30, 0.14), (0.41, 0.165), (0.455, 0.22), (0.455, rng.uniform(0.38, 0.44))])
    else:
        path = _path(film, [(0.81, 0.17), (0.70, 0.14), (0.60, 0.17), (0.50, 0.225), (0.455, 0.27), (0.455, 0.41)])
    _wire(film, "central_line", path, 4, 0.48)


def pacemaker(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """A generator below the clavicle and two leads to the right heart."""
    x0, y0, x1, y1 = film.heart
    lateral = film.view == "lateral"
    sign = -1 if finding.side == "right" else 1
    spot = film.frame.px([(0.22, 0.26)] if lateral else [(0.5 + sign * 0.27, 0.215)])[0]
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    size = np.array([9 if lateral else 30, 32 if lateral else 25]) * film.unit
    # A superellipse: the rounded square of a generator's can.
    shape = np.stack(
        [np.sign(np.cos(angles)) * abs(np.cos(angles)) ** 0.6, np.sign(np.sin(angles)) * abs(np.sin(angles)) ** 0.6], 1
    )
    can = filled(film.side, (spot + shape * size).astype(np.float32))
    film.extra += 0.55 * can
    film.mark("pacemaker", can, 0.5)
    vein = film.frame.px([(0.44, 0.22)] if lateral else [(0.46, 0.23)])[0]
    shoulder = film.frame.px([(0.36, 0.14)] if lateral else [(0.5 + sign * 0.15, 0.15)])[0]
    atrium = np.array([x0 + 0.35 * (x1 - x0), y0 + 0.55 * (y1 - y0)])
    apex = np.array([x0 + 0.80 * (x1 - x0), y0 + 0.85 * (y1 - y0)])
    for end in (atrium, apex):
        bend = np.array([vein[0] - 4 * film.unit, y0 + 0.6 * (y1 - y0)])
        lead = rounded(np.stack([spot, shoulder, vein, bend, end]), closed=False)
        film.extra += 0.34 * strokes(film.side, [lead], 3 * film.unit)


def sternotomy(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Wire loops around the sternum, one below the other."""
    loops = []
    angles = np.linspace(0, 2 * np.pi, 12)
    for order in range(6):
        v = 0.25 + 0.085 * order
        u = 0.25 - 0.03 * order**0.5 if film.view == "lateral" else 0.5 + rng.uniform(-0.006, 0.006)
        centre = film.frame.px([(u, v)])[0]
        wide = (4 if film.view == "lateral" else 13) * film.unit
        loops.append((centre + np.stack([np.cos(angles) * wide, np.sin(angles) * 9 * film.unit], 1)).astype(np.float32))
        tail = centre + np.array([[0, 8], [5, 14], [-2, 18]]) * film.unit
        loops.append(tail.astype(np.float32))
    wires = strokes(film.side, loops, 3 * film.unit)
    film.extra += 0.50 * wires
    film.mark("sternotomy", wires, 0.3)


def chest_tube(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """A drain that enters between the lower ribs and ends at the apex."""
    for lung in film.chosen(finding.side):
        entry = lung.at(0.82, 1.0) + np.array([lung.outer * 45, 12], np.float32) * film.unit
        points = np.stack([entry, lung.at(0.80, 0.9), lung.at(0.5, 0.75), lung.at(0.18, 0.6)])
        _tube(film, "chest_tube", rounded(points, closed=False), 14)
