"""The healthy parts of a lateral chest film: sternum at the viewer's left, spine at the right."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from mgll_data.phantoms.chest_anatomy import finished_vessels, vessels
from mgll_data.phantoms.chest_film import (
    Film,
    Finding,
    Frame,
    Lung,
    Rib,
    enlarged,
    filled,
    rounded,
    soft_small,
    strokes,
)


def lateral(side: int, found: Mapping[str, Finding], rng: np.random.Generator) -> Film:
    """A lateral film without findings, except that its proportions already fit them. Both lungs share one outline."""

    def grade(name: str) -> int:
        return found[name].grade if name in found else 0

    zoom = rng.uniform(0.92, 1.06)
    frame = Frame(
        side,
        (zoom * rng.uniform(0.92, 1.08), zoom * rng.uniform(0.95, 1.05)),
        rng.uniform(-0.07, 0.07),
        (rng.uniform(-0.06, 0.06), rng.uniform(-0.05, 0.04)),
    )
    dome = rng.uniform(0.68, 0.73) + 0.02 * grade("emphysema") - 0.015 * grade("fibrosis") - 0.02 * grade("atelectasis")
    depth = rng.uniform(-0.02, 0.02) + 0.012 * grade("emphysema")
    flat = 0.03 * grade("emphysema")
    front = rounded(
        [(0.50, 0.10), (0.36, 0.20), (0.27 - depth, 0.36), (0.22 - depth, 0.56), (0.215 - depth, dome + 0.06 - flat)],
        closed=False,
    )
    base = rounded(
        [
            (0.215 - depth, dome + 0.06 - flat),
            (0.28, dome + 0.015),
            (0.36, dome),
            (0.50, dome + 0.015),
            (0.62, dome + 0.08),
            (0.71, dome + 0.18 - flat),
        ],
        closed=False,
    )
    back = rounded(
        [(0.755 + depth, 0.80), (0.79 + depth, 0.62), (0.785 + depth, 0.42), (0.73, 0.24), (0.60, 0.10)], closed=False
    )
    outline = frame.px(np.concatenate([front, base, back]))
    mask = filled(side, outline)
    hilum = frame.px([[0.50, 0.44]])[0]
    dome_row = float(frame.px([[0.5, dome + 0.02]])[0, 1])
    lungs = {name: Lung(name, 1, outline, frame.px(back[::-1]), hilum, dome_row, mask) for name in ("right", "left")}
    body = [(0.40, -0.2), (0.38, 0.06), (0.24, 0.17), (0.17 - depth, 0.36), (0.13 - depth, 0.6), (0.14 - depth, 0.8)]
    body += [(0.13, 1.3), (0.85, 1.3), (0.86, 0.85), (0.89 + depth, 0.62), (0.885 + depth, 0.36), (0.80, 0.14)]
    body += [(0.68, 0.04), (0.66, -0.2)]
    wall = soft_small(side, 6 * side / 512, frame.px(rounded(body)))
    small = 0.60 * np.sqrt(wall)
    belly = [(0.1, dome + 0.02), (0.4, dome), (0.9, dome + 0.16), (0.95, 1.4), (0.05, 1.4)]
    small += 0.17 * soft_small(side, 8 * side / 512, frame.px(belly)) * wall
    neck = [(0.3, -0.1), (0.8, -0.1), (0.85, 0.16), (0.28, 0.2)]
    small += 0.12 * soft_small(side, 12 * side / 512, frame.px(neck)) * wall
    small += 0.12 * soft_small(side, 8 * side / 512, frame.px(hilum_shape()))
    soft = enlarged(np.asarray(small, np.float32), side)

    size = rng.uniform(0.95, 1.05) * (1 + 0.15 * grade("cardiomegaly"))
    angles = np.linspace(0, 2 * np.pi, 40)
    long, short = 0.155 * size * np.cos(angles), 0.112 * size * np.sin(angles)
    # The long axis falls from the great vessels to the front of the diaphragm.
    x, y = 0.62 * long - 0.78 * short, -0.78 * long - 0.62 * short
    heart_px = frame.px(np.stack([0.22 + 0.125 * size - x, dome + 0.02 - 0.085 * size + y], 1))
    heart = cv2.blur(filled(side, heart_px) * cv2.blur(np.maximum(mask, 0), (9, 9)), (7, 7))
    aorta = rounded([(0.38, 0.50), (0.40, 0.32), (0.52, 0.25), (0.64, 0.32), (0.67, 0.6)], closed=False)
    arch = strokes(side, [frame.px(aorta)], 0.055 * side)
    soft += 0.12 * heart + 0.07 * cv2.blur(arch, (5, 5))
    spine_v = np.linspace(-0.05, 1.1, 24)
    spine_x = 0.69 + 0.055 * np.sin(np.pi * (spine_v - 0.02) / 0.95)
    # A twisted spine looks wavy from the side.
    spine_x += 0.011 * grade("scoliosis") * np.sin(2 * np.pi * spine_v / 0.55)
    spine = frame.px(np.stack([spine_x, spine_v], 1))
    discs = frame.px(np.stack([spine_x - 0.04, spine_v, spine_x + 0.04, spine_v + 0.012], 1)).reshape(-1, 2, 2)
    soft += cv2.blur(0.09 * strokes(side, [spine], 0.085 * side) - 0.07 * strokes(side, discs, 0.011 * side), (5, 5))
    trachea = frame.px(np.stack([np.linspace(0.495, 0.52, 12), np.linspace(-0.1, 0.38, 12)], 1))
    soft -= 0.11 * cv2.blur(strokes(side, [trachea], 0.036 * side), (7, 7))
    canvas = np.zeros((side, side), np.uint8)
    vessels(lungs["right"], rng, (-1.5, 1.2), canvas)
    mirrored = Lung("left", -1, outline, lungs["left"].wall, hilum, dome_row, mask)
    vessels(mirrored, rng, (-1.2, 0.6), canvas)
    markings = finished_vessels(canvas)
    left, top, width, height = cv2.boundingRect(heart_px)
    film = Film(
        side=side,
        view="lateral",
        frame=frame,
        lungs=lungs,
        soft=np.asarray(soft, np.float32),
        air=cv2.blur(mask, (5, 5)) * (1 - 0.55 * heart),
        markings=markings,
        trachea=trachea,
        heart=(left, top, left + width, top + height),
        midline=float(frame.px([[0.5, 0.5]])[0, 0]),
    )
    t = np.linspace(0, 1, 12)
    for order in range(12):
        root = 0.06 + 0.058 * order
        run = np.stack([0.80 + depth - (0.50 + depth) * t, root - 0.02 + 0.20 * t**1.2 + 0.02 * np.sin(np.pi * t)], 1)
        film.ribs.append(Rib(frame.px(run), 0.04, round(11 * film.unit), ("right", "left")[order % 2]))
    sternum = rounded([(0.33, 0.19), (0.225 - depth, 0.36), (0.19 - depth, 0.56)], closed=False)
    film.ribs.append(Rib(frame.px(sternum), 0.12, round(14 * film.unit)))
    return film


def hilum_shape() -> list[tuple[float, float]]:
    """Frame coordinates of both hila seen from the side."""
    return [(0.46, 0.40), (0.50, 0.38), (0.55, 0.42), (0.54, 0.48), (0.48, 0.49)]
