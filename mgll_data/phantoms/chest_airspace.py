"""Findings that fill the lung or change how much air it holds."""

from __future__ import annotations

import cv2
import numpy as np

from mgll_data.phantoms.chest_film import (
    Film,
    Finding,
    Floats,
    Lung,
    clouds,
    enlarged,
    filled,
    round_outline,
    rounded,
    soft_filled,
    stroke,
    strokes,
)

_HEIGHT = {"upper": (0.22, 0.42), "middle": (0.45, 0.65), "lower": (0.70, 0.90)}


def _height(finding: Finding, rng: np.random.Generator) -> float:
    return float(rng.uniform(*_HEIGHT[finding.zone]))


def _bronchogram(film: Film, lung: Lung, target: Floats, amount: Floats, rng: np.random.Generator) -> None:
    """Air-filled bronchi as dark branches where the lung around them is filled."""
    aim = np.arctan2(target[1] - lung.hilum[1], (target[0] - lung.hilum[0]) * lung.outer)
    reach = 1.5 * float(np.hypot(*(target - lung.hilum)))
    lines, twigs = [], []
    for turn in (-0.34, -0.05, 0.3):
        angle = aim + turn + rng.uniform(-0.06, 0.06)
        way = np.array([np.cos(angle) * lung.outer, np.sin(angle)], np.float32)
        lines.append(np.stack([lung.hilum, lung.hilum + way * reach]).astype(np.float32))
        for share in (0.45, 0.65, 0.82):
            fork = angle + rng.choice([-0.6, 0.6])
            side_way = np.array([np.cos(fork) * lung.outer, np.sin(fork)], np.float32)
            begin = lung.hilum + way * reach * share
            twigs.append(np.stack([begin, begin + side_way * reach * 0.28]).astype(np.float32))
    tree = 0.16 * strokes(film.side, lines, 4.5 * film.unit) + 0.13 * strokes(film.side, twigs, 3 * film.unit)
    film.extra -= cv2.blur(tree * amount, (3, 3))


def consolidation(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """A lobe or most of it filled evenly, cut off sharply where it ends at a fissure."""
    for lung in film.chosen(finding.side):
        rows = np.arange(film.side, dtype=np.float32)[:, None]
        columns = np.arange(film.side, dtype=np.float32)[None]
        tilt = (columns - lung.hilum[0]) * lung.outer * rng.uniform(-0.12, 0.2)
        height = lung.dome - lung.top
        fissure = lung.top + height * (0.56 if finding.zone == "upper" else 0.60) + tilt
        share = (0.55, 0.8, 1.3)[finding.grade - 1] * height * 0.5
        below = np.clip((rows - fissure) / (3 * film.unit), 0, 1)
        if finding.zone == "upper":
            region = (1 - below) * np.clip((rows - (fissure - share)) / (26 * film.unit), 0, 1)
        elif finding.zone == "middle":
            region = below * np.clip((fissure + 0.6 * share - rows) / (16 * film.unit), 0, 1)
        else:
            region = below * np.clip((rows - (lung.bottom - share - 0.12 * height)) / (26 * film.unit), 0, 1)
        amount = np.asarray(region * lung.mask * (0.84 + 0.05 * clouds(film.side, 20, rng)), np.float32)
        film.fill(np.clip(amount, 0, 0.95), 0.14)
        aim = lung.at({"upper": 0.40, "middle": 0.72, "lower": 0.88}[finding.zone], 0.55)
        _bronchogram(film, lung, aim, amount, rng)
        film.mark("consolidation", amount, 0.3)


def pneumonia(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """One dense segmental opacity with fluffy borders and an air bronchogram."""
    for lung in film.chosen(finding.side):
        centre = lung.at(_height(finding, rng), rng.uniform(0.42, 0.6))
        radius = (50, 64, 82)[finding.grade - 1] * film.unit * rng.uniform(0.92, 1.08)
        core = soft_filled(film.side, 9 * film.unit, round_outline(centre, radius, rng, rough=0.28, flat=0.9))
        ragged = np.clip(core * 1.7 - 0.30 + 0.22 * core * clouds(film.side, 34, rng), 0, 0.93)
        amount = np.asarray(ragged * lung.mask, np.float32)
        film.fill(amount, 0.12)
        _bronchogram(film, lung, centre, amount, rng)
        film.mark("pneumonia", amount, 0.3)


def infiltration(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Patchy haze, through which vessels still show."""
    for lung in film.chosen(finding.side):
        spots = [
            round_outline(lung.at(_height(finding, rng), rng.uniform(0.25, 0.8)), size, rng, rough=0.3)
            for size in rng.uniform(22, 44, 3 + 2 * finding.grade) * film.unit
        ]  # fmt: skip
        area = soft_filled(film.side, 13 * film.unit, *spots)
        patches = np.clip(0.62 + 0.45 * clouds(film.side, 30, rng), 0.1, 1.1)
        amount = np.asarray(area * patches * lung.mask * (0.30 + 0.11 * finding.grade), np.float32)
        film.fill(amount, 0.05)
        film.mark("infiltration", amount, 0.15)


def covid(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Ground glass in patches along the walls of both lungs, mostly in the lower half."""
    for lung in film.lungs.values():
        spots = [
            round_outline(lung.at(rng.uniform(0.38, 1.0), rng.uniform(0.68, 0.98)), size, rng, rough=0.35, flat=1.25)
            for size in rng.uniform(22, 40, 2 + 2 * finding.grade) * film.unit
        ]
        area = soft_filled(film.side, 11 * film.unit, *spots)
        haze = np.clip(0.85 + 0.25 * clouds(film.side, 26, rng), 0, 1.2)
        amount = np.asarray(np.clip(area * haze * (0.45 + 0.11 * finding.grade), 0, 0.9) * lung.mask, np.float32)
        film.fill(amount, 0.05)
        film.mark("covid", amount, 0.2)


def edema(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Haze spreading from both hila like wings, thick vessels, and Kerley B lines at the lower walls."""
    small = film.side // 4
    rows, columns = np.mgrid[0:small, 0:small].astype(np.float32) * 4
    film.markings *= np.float32(1.3 + 0.2 * finding.grade)
    for lung in film.lungs.values():
        reach = (84, 105, 130)[finding.grade - 1] * film.unit
        away = np.hypot(
            (columns - lung.hilum[0] - lung.outer * 0.35 * reach) / 0.85, rows - lung.hilum[1] - 0.12 * reach
        )
        wing = np.clip(1.5 - away * 1.25 / reach, 0, 1) * (0.42 + 0.14 * finding.grade)
        texture = 1 + 0.16 * clouds(film.side, 40, rng)
        amount = np.asarray(
            np.clip(enlarged(wing.astype(np.float32), film.side) * texture, 0, 0.92) * lung.mask, np.float32
        )
        film.fill(amount, 0.05)
        film.mark("edema", amount, 0.2)
        lines = []
        for height in np.linspace(0.72, 1.02, 5 + 2 * finding.grade):
            wall = lung.at(float(height), 1.0)
            length = rng.uniform(16, 26) * film.unit
            lines.append(np.array([wall, wall - [lung.outer * length, rng.uniform(-2, 2)]], np.float32))
        film.extra += 0.17 * strokes(film.side, lines, 1.6 * film.unit) * lung.mask


def atelectasis(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Plate-like bands above a raised diaphragm (the anatomy raises it), with crowded vessels."""
    for lung in film.chosen(finding.side):
        bands = np.zeros((film.side, film.side), np.float32)
        for order in range(1 + finding.grade):
            middle = lung.at(0.97 - 0.11 * order - rng.uniform(0, 0.03), rng.uniform(0.45, 0.6))
            span = rng.uniform(44, 66) * film.unit
            rise = rng.uniform(-0.18, 0.28) * span
            ends = np.array([[-span, rise], [0, rng.uniform(-6, 2) * film.unit], [span, -rise]]) * [lung.outer, 1]
            width = rng.uniform(6, 8 + 2 * finding.grade) * film.unit
            stroke(bands, rounded(middle + ends, closed=False), width, 1.0)
        amount = np.asarray(cv2.blur(bands, (3, 3)) * lung.mask, np.float32)
        film.fill(0.9 * amount, 0.10)
        rows = np.arange(film.side, dtype=np.float32)[:, None]
        base = np.clip((rows - (lung.dome - 60 * film.unit)) / (90 * film.unit), 0, 0.4) * lung.mask
        film.fill(np.asarray(base, np.float32))
        film.mark("atelectasis", amount, 0.3)


def emphysema(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Too much air and few vessels over flat diaphragms (the anatomy lowers them), with thin-walled bullae."""
    film.air *= np.float32(1.13 + 0.07 * finding.grade)
    film.markings *= np.float32(0.62 - 0.15 * finding.grade)
    lungs = list(film.lungs.values())
    for lung in lungs if film.view != "lateral" else lungs[:1]:
        for _ in range(finding.grade):
            centre = lung.at(rng.uniform(0.12, 0.5), rng.uniform(0.35, 0.8))
            outline = round_outline(centre, rng.uniform(20, 36) * film.unit, rng, rough=0.1)
            inside = filled(film.side, outline) * lung.mask
            film.air += 0.15 * inside
            film.markings *= 1 - 0.9 * inside
            rim = strokes(film.side, [np.concatenate([outline, outline[:1]])], 1.6 * film.unit)
            film.extra += 0.10 * rim * lung.mask
        film.mark("emphysema", lung.mask, 0.5)


def fibrosis(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """A net of lines and small rings, densest at the bases and the walls."""
    lungs = list(film.lungs.values())
    for lung in lungs if film.view != "lateral" else lungs[:1]:
        count = 160 + 120 * finding.grade
        heights = np.sqrt(rng.uniform(0.10, 1.15, count))
        depths = 1 - 0.75 * rng.uniform(0, 1, count) ** 1.5
        net = np.zeros((film.side, film.side), np.uint8)
        angles = rng.uniform(0, np.pi, count)
        radii = rng.uniform(3, 6, count) * film.unit
        last = film.side - 1
        x0, x1 = lung.outline[:, 0].min(), lung.outline[:, 0].max()
        for height, depth, angle, radius in zip(heights, depths, angles, radii, strict=True):
            x = (x0 + (x1 - x0) * depth) if lung.outer > 0 else (x1 - (x1 - x0) * depth)
            y = min(lung.top + (lung.bottom - lung.top) * height, last)
            if angle < 1.3:
                cv2.circle(net, (int(x), int(y)), int(radius), (255,), max(1, round(1.5 * film.unit)), cv2.LINE_AA)
            else:
                dx, dy = np.cos(angle) * 2.2 * radius, np.sin(angle) * 2.2 * radius
                ends = (int(x - dx), int(y - dy)), (int(x + dx), int(y + dy))
                cv2.line(net, *ends, (255,), max(1, round(1.8 * film.unit)), cv2.LINE_AA)
        amount = cv2.blur(net, (2, 2)).astype(np.float32) / 255 * lung.mask
        film.extra += (0.13 + 0.03 * finding.grade) * amount * np.minimum(film.air, 1)
        film.fill(np.asarray(0.16 * finding.grade * cv2.blur(amount, (25, 25)), np.float32))
        film.mark("fibrosis", amount, 0.3)
