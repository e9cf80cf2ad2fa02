"""The healthy parts of a frontal chest film, PA or AP, with the proportions that findings change."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from mgll_data.phantoms.chest_film import (
    Bytes,
    Film,
    Finding,
    Floats,
    Frame,
    Lung,
    Rib,
    View,
    clouds,
    enlarged,
    filled,
    paint,
    rounded,
    soft_small,
    strokes,
)

_APEX = 0.125  # distance of the apex from the midline
_SIDES = {-1: "right", 1: "left"}  # the patient's side of a frontal film by direction from the midline


def _pose(side: int, rng: np.random.Generator) -> Frame:
    zoom = rng.uniform(0.86, 1.10)
    return Frame(
        side,
        (zoom * rng.uniform(0.92, 1.08), zoom * rng.uniform(0.92, 1.08)),
        rng.uniform(-0.10, 0.10),
        (rng.uniform(-0.07, 0.07), rng.uniform(-0.07, 0.05)),
    )


def frontal(side: int, view: View, found: Mapping[str, Finding], rng: np.random.Generator) -> Film:
    """A frontal film without findings, except that its proportions already fit them (heart, diaphragm, spine)."""

    def grade(name: str) -> int:
        return found[name].grade if name in found else 0

    def concerns(name: str, lung: str) -> int:
        return grade(name) if name in found and found[name].side in (lung, "both") else 0

    frame = _pose(side, rng)
    portable = view == "ap"
    half = rng.uniform(0.335, 0.375) - 0.008 * grade("emphysema")
    apex = rng.uniform(0.10, 0.135) - 0.01 * grade("emphysema")
    floor = rng.uniform(0.81, 0.85) - 0.04 * portable + 0.015 * grade("emphysema")
    domes = {
        lung: floor
        - rng.uniform(0.10, 0.135) * (1 - 0.27 * grade("emphysema"))
        + (0.022 if lung == "left" else 0.0)
        - (0.03 + 0.025 * concerns("atelectasis", lung) if concerns("atelectasis", lung) else 0.0)
        - 0.012 * grade("fibrosis")
        for lung in ("right", "left")
    }
    bend = rng.uniform(-0.006, 0.006)
    if "scoliosis" in found:
        bend = (0.018 + 0.02 * grade("scoliosis")) * (-1 if found["scoliosis"].side == "right" else 1)

    def middle(v: Floats) -> Floats:
        return np.asarray(0.5 + bend * np.sin(np.pi * (v - 0.12) / 0.62), np.float32)

    lungs = {}
    for name, sign in (("right", -1), ("left", 1)):
        outline, wall = _lung_outline(sign, half, apex, floor, domes[name])
        hilum = frame.px([[0.5 + sign * 0.075, 0.43 + (0.0 if name == "right" else -0.02)]])[0]
        px = frame.px(outline)
        dome = float(frame.px([[0.5 + sign * 0.19, domes[name]]])[0, 1])
        lungs[name] = Lung(name, sign, px, frame.px(wall), hilum, dome, filled(side, px))

    ratio = rng.uniform(0.40, 0.47) + 0.05 * portable - 0.02 * grade("emphysema")
    if "cardiomegaly" in found:
        ratio = (0.56, 0.61, 0.67)[grade("cardiomegaly") - 1] + rng.uniform(-0.01, 0.01) + 0.04 * portable
    heart_px = frame.px(_heart(2 * half * ratio, max(domes.values())))
    x, y, w, h = cv2.boundingRect(heart_px)

    lung = cv2.blur(np.maximum(lungs["right"].mask, lungs["left"].mask), (5, 5))
    knob = rng.uniform(0.062, 0.078)
    great = filled(
        side,
        heart_px,
        frame.px(rounded([(0.46, 0.06), (0.452, 0.3), (0.445, 0.5), (0.56, 0.52), (0.548, 0.3), (0.54, 0.06)])),
        frame.px(rounded([(0.5, 0.24), (0.5 + knob, 0.26), (0.505 + knob, 0.32), (0.55, 0.37), (0.5, 0.4)])),
    )
    centre = cv2.blur(great, (3, 3))

    # What has no sharp edge is drawn at a quarter of the size.
    small = Frame(side // 4, frame.zoom, frame.turn, frame.shift)
    soft, belly = _soft_tissue(side, frame, floor, domes, rng)
    spine_v = np.linspace(-0.1, 1.1, 40, dtype=np.float32)
    spine = small.px(np.stack([middle(spine_v), spine_v], 1))
    disc_v = np.arange(-0.04, 1.1, 0.052, dtype=np.float32)
    disc_x = middle(disc_v)
    discs = small.px(np.stack([disc_x - 0.028, disc_v, disc_x + 0.028, disc_v], 1)).reshape(-1, 2, 2)
    quarter = small.side
    soft += 0.09 * strokes(quarter, [spine], 0.062 * quarter) - 0.05 * strokes(quarter, discs, 0.010 * quarter)
    trachea_v = np.linspace(-0.1, 0.37, 12, dtype=np.float32)
    trachea = np.stack([0.5 + (middle(trachea_v) - 0.5) * 0.6 - 0.004, trachea_v], 1)
    bronchi = [small.px([(0.496, 0.365), (0.5 + s * 0.07, 0.43)]) for s in (-1, 1)]
    soft -= 0.19 * cv2.blur(strokes(quarter, [small.px(trachea)], 0.034 * quarter), (2, 2))
    soft -= 0.08 * strokes(quarter, bronchi, 0.02 * quarter)
    tissue = enlarged(soft, side)
    tissue += centre * enlarged(0.19 * (1 - belly), side)
    canvas = np.zeros((side, side), np.uint8)
    for entry in lungs.values():
        vessels(entry, rng, (-1.35, 1.25), canvas)
    markings = finished_vessels(canvas)
    film = Film(
        side=side,
        view=view,
        frame=frame,
        lungs=lungs,
        soft=tissue,
        air=lung * (1 - 0.92 * centre),
        markings=markings,
        trachea=frame.px(trachea),
        heart=(x, y, x + w, y + h),
        midline=float(frame.px([[0.5, 0.5]])[0, 0]),
    )
    film.ribs = _ribs(film, half, apex, middle, rng)
    return film


def _lung_outline(sign: int, half: float, apex: float, floor: float, dome: float) -> tuple[Floats, Floats]:
    """Outline of a lung and its lateral wall in frame coordinates; sign is +1 at the viewer's right."""
    s = np.linspace(0, 1, 36, dtype=np.float32) ** np.float32(1.5)
    v = apex + (floor - apex) * s
    lateral = _APEX + (half - _APEX) * np.sqrt(1 - (1 - np.minimum(s / 0.8, 1)) ** 2.3)
    medial = _APEX - (_APEX - 0.05) * np.sqrt(1 - (1 - np.minimum(s / 0.3, 1)) ** 2)
    wall = np.stack([lateral, v], 1)
    across = np.linspace(half, 0.05, 20, dtype=np.float32)
    outside = np.clip((across - 0.18) / (half - 0.18), 0, 1) ** 2.3 * (floor - dome)
    inside = np.clip((0.18 - across) / 0.13, 0, 1) ** 2 * 0.035
    base = np.stack([across, dome + outside + inside], 1)
    rim = np.stack([medial, v], 1)[::-1]
    rim = rim[rim[:, 1] < base[-1, 1]]
    outline = np.concatenate([wall, base[1:], rim])
    flip = np.array([sign, 1], np.float32)
    return outline * flip + np.array([0.5, 0], np.float32), wall * flip + np.array([0.5, 0], np.float32)


def _heart(width: float, dome: float) -> Floats:
    """Outline of the heart in frame coordinates: a third of `width` at the patient's right, the rest at the left."""
    right, left = 0.33 * width, 0.67 * width
    points = [(-0.045, 0.38), (-0.6 * right - 0.015, 0.48), (-right, 0.58), (-right, 0.68), (-0.8 * right, dome + 0.03)]
    points += [(0.4 * left, dome + 0.045), (0.85 * left, dome + 0.03), (1.02 * left, dome - 0.03), (left, 0.65)]
    points += [(0.75 * left, 0.55), (0.06 + 0.1 * width, 0.46), (0.045, 0.36)]
    curve = rounded(points, passes=3)
    # Corner cutting pulls the borders in: stretch them back to the asked width.
    curve[:, 0] *= np.where(curve[:, 0] < 0, -right / curve[:, 0].min(), left / curve[:, 0].max())
    return np.asarray(curve + np.array([0.5, 0], np.float32), np.float32)


def _soft_tissue(
    side: int, frame: Frame, floor: float, domes: Mapping[str, float], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Density of chest wall, shoulders, arms, breasts and abdomen with the gastric bubble; and the abdomen's mask.

    Both are (side / 4, side / 4).
    """
    unit = side / 512
    flank = rng.uniform(0.385, 0.45)
    arm = rng.uniform(0.46, 0.62)
    edge = [(0.075, -0.2), (0.08, 0.03), (0.19, 0.06), (0.36, 0.085), (arm, 0.14), (arm + 0.02, 0.30)]
    edge += [(flank + 0.02, 0.33), (flank - 0.012, 0.46), (flank - 0.005, 0.72), (flank, 1.3)]
    body = soft_small(side, 5 * unit, frame.px(_mirrored(edge)))
    soft = np.float32(0.56) * np.sqrt(body)
    if rng.random() < 0.6:  # arms beside the chest
        reach = rng.uniform(0.50, 0.60)
        limbs = [
            frame.px([(0.5 + s * 0.50, 0.15), (0.5 + s * (reach + 0.03), 0.9)]) * np.float32(0.25) for s in (-1, 1)
        ]
        soft = np.maximum(soft, 0.5 * cv2.blur(strokes(body.shape[0], limbs, 0.11 * side / 4), (5, 5)))
    shoulders = [
        [(0.5 + s * 0.16, 0.09), (0.5 + s * 0.6, 0.11), (0.5 + s * 0.6, 0.28), (0.5 + s * 0.33, 0.17)] for s in (-1, 1)
    ]
    soft += 0.14 * soft_small(side, 14 * unit, *(frame.px(points) for points in shoulders)) * body
    below = [(0.5 - flank, floor), (0.31, domes["right"]), (0.5, domes["right"] + 0.03), (0.69, domes["left"])]
    below += [(0.5 + flank, floor), (0.5 + flank, 1.4), (0.5 - flank, 1.4)]
    belly = soft_small(side, 8 * unit, frame.px(below)) * body
    soft += (0.19 + rng.uniform(0.02, 0.06) * np.minimum(clouds(belly.shape[0], 9, rng), 0.3)) * belly  # with bowel gas
    bubble = np.array([0.64 + rng.uniform(-0.03, 0.03), domes["left"] + rng.uniform(0.06, 0.09)], np.float32)
    angles = np.linspace(0, 2 * np.pi, 24)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    size = rng.uniform(0.02, 0.045)
    soft -= 0.26 * soft_small(side, 5 * unit, frame.px(bubble + circle * np.array([1.5, 1], np.float32) * size))
    if rng.random() < 0.5:  # breasts
        low = rng.uniform(0.60, 0.74) - 0.60
        breasts = [frame.px(circle * np.array([0.15, 0.12]) + np.array([0.5 + s * 0.21, low + 0.6])) for s in (-1, 1)]
        soft += rng.uniform(0.03, 0.08) * soft_small(side, 7 * unit, *breasts)
    return np.asarray(soft, np.float32), np.asarray(belly, np.float32)


def _mirrored(edge: list[tuple[float, float]]) -> Floats:
    points = np.array(edge, np.float32)
    both = np.concatenate([points, points[::-1] * np.array([-1, 1], np.float32)])
    return rounded(both + np.array([0.5, 0], np.float32), passes=2)


def vessels(lung: Lung, rng: np.random.Generator, fan: tuple[float, float], canvas: Bytes) -> None:
    """Paints a lung's branching vessels, finer towards its wall, onto `canvas` (side, side): 255 is the densest."""
    side = canvas.shape[0]
    angle = np.linspace(*fan, 10) + rng.uniform(-0.14, 0.14, 10)
    start = np.repeat(lung.hilum[None], 10, 0)
    length = 0.13 * side * rng.uniform(0.5, 1.3, 10)
    for width, density in ((6, 255), (3.6, 220), (2.0, 185), (1.2, 150)):
        half_way = angle + rng.uniform(-0.2, 0.2, angle.size)
        step = np.stack([np.cos(half_way) * lung.outer, np.sin(half_way)], 1) * length[:, None] * 0.5
        end = start + step + np.stack([np.cos(angle) * lung.outer, np.sin(angle)], 1) * length[:, None] * 0.5
        paint(canvas, np.stack([start, start + step, end], 1), width * side / 512, density)
        start = np.repeat(end, 2, 0)
        spread = rng.uniform(0.2, 0.6, angle.size)
        angle = np.stack([angle - spread, angle + spread * 0.8], 1).reshape(-1)
        length = np.repeat(length, 2) * rng.uniform(0.5, 0.8, angle.size)


def finished_vessels(canvas: Bytes) -> Floats:
    """Density (side, side) of the vessels painted on a canvas."""
    return np.asarray(cv2.blur(canvas, (3, 3)).astype(np.float32) * np.float32(0.11 / 255))


def _ribs(
    film: Film, half: float, apex: float, middle: Callable[[Floats], Floats], rng: np.random.Generator
) -> list[Rib]:
    t = np.linspace(0, 1, 16, dtype=np.float32)
    gap = rng.uniform(0.066, 0.074)
    width = round(13 * film.unit)
    runs: list[Floats] = []
    kinds: list[tuple[float, str]] = []
    for order in range(10):
        root = apex - 0.015 + gap * order
        s = np.clip((root + 0.05 - apex) / 0.7, 0.02, 1)
        reach = _APEX + 0.015 + (half - _APEX) * np.sqrt(1 - (1 - np.minimum(s / 0.8, 1)) ** 2.3)
        axis = float(middle(np.array([root], np.float32))[0]) - 0.5
        bow = root - 0.035 * np.sin(np.pi * t * 0.85) + 0.075 * t**2.2
        front = root + 0.12 + 0.10 * t**1.1
        for sign in (-1, 1):
            x = axis * (1 - t) + sign * (0.035 + (reach - 0.035) * np.sin(t * np.pi / 2) ** 0.9)
            runs.append(np.stack([0.5 + x, bow], 1))
            kinds.append((0.085, _SIDES[sign]))
            if order < 7:
                runs.append(np.stack([0.5 + sign * (reach - (reach - 0.11) * t**1.3), front], 1))
                kinds.append((0.045, ""))
    points = film.frame.px(np.concatenate(runs)).reshape(-1, t.size, 2)
    ribs = [Rib(run, density, width, side) for run, (density, side) in zip(points, kinds, strict=True)]
    lift = rng.uniform(-0.02, 0.015)
    for sign in (-1, 1):
        collar = [(0.5 + sign * 0.035, 0.18 + lift), (0.5 + sign * 0.14, 0.165 + lift)]
        collar += [(0.5 + sign * 0.26, 0.125 + lift), (0.5 + sign * 0.40, 0.13 + lift)]
        ribs.append(Rib(film.frame.px(rounded(collar, closed=False)), 0.13, round(16 * film.unit)))
        blade = [(0.5 + sign * 0.46, 0.17), (0.5 + sign * 0.37, 0.24)]
        blade += [(0.5 + sign * 0.355, 0.38), (0.5 + sign * 0.40, 0.44)]
        ribs.append(Rib(film.frame.px(rounded(blade, closed=False)), 0.04, round(7 * film.unit)))
    return ribs
