"""Findings of the pleura, round lesions, and what lies at or behind the heart."""

from __future__ import annotations

import cv2
import numpy as np

from mgll_data.phantoms.chest_film import (
    Film,
    Finding,
    Floats,
    Lung,
    clouds,
    filled,
    round_outline,
    rounded,
    stroke,
    strokes,
)

_HEIGHT = {"upper": (0.24, 0.42), "middle": (0.46, 0.64), "lower": (0.68, 0.86)}


def effusion(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Fluid in the pleural space: fills the angle, its level rising towards the chest wall as a meniscus."""
    for lung in film.chosen(finding.side):
        share = rng.uniform(*((0.20, 0.26), (0.36, 0.46), (0.56, 0.72))[finding.grade - 1])
        inner = np.where(lung.outer > 0, lung.outline[:, 0].min(), lung.outline[:, 0].max())
        outer = np.where(lung.outer > 0, lung.outline[:, 0].max(), lung.outline[:, 0].min())
        across = np.clip((np.arange(film.side, dtype=np.float32) - inner) / (outer - inner), 0, 1)
        height = lung.bottom - lung.top
        level = lung.bottom - share * height + height * (0.05 - 0.24 * across**3.0)
        rows = np.arange(film.side, dtype=np.float32)[:, None]
        amount = np.asarray(np.clip((rows - level[None]) / (5 * film.unit), 0, 1) * lung.mask, np.float32)
        film.fill(0.98 * amount, 0.19)
        film.mark("effusion", amount, 0.5)


def pneumothorax(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """The lung's edge as a thin line away from the wall; beyond it black air without vessels."""
    for lung in film.chosen(finding.side):
        shrink = rng.uniform(*((0.78, 0.84), (0.62, 0.72), (0.40, 0.52))[finding.grade - 1])
        # Gas rises: the apex falls away from the wall, the base stays nearly where it was.
        anchor = np.array([lung.hilum[0], lung.dome], np.float32)
        edge = rounded(
            anchor + (lung.outline - anchor) * np.array([shrink, 0.45 + 0.55 * shrink], np.float32), passes=1
        )
        kept = filled(film.side, edge)
        gas = np.asarray(lung.mask * (1 - kept), np.float32)
        film.markings *= 1 - gas
        film.air += 0.32 * gas * np.minimum(film.air, 1)
        film.opacity *= 1 - gas
        film.extra *= 1 - gas
        squeezed = np.asarray(kept * lung.mask * (0.10, 0.22, 0.42)[finding.grade - 1], np.float32)
        film.fill(squeezed)
        line = strokes(film.side, [np.concatenate([edge, edge[:1]])], 2.4 * film.unit)
        film.extra += 0.24 * line * lung.mask * np.minimum(film.air, 1)
        film.mark("pneumothorax", gas * (film.air > 0.5), 0.5)


def pleural_thickening(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """A white rind of uneven width between lung and chest wall."""
    for lung in film.chosen(finding.side):
        size = lung.wall.shape[0]
        span = {"upper": (0.0, 0.75), "middle": (0.15, 0.95), "lower": (0.3, 1.0)}[finding.zone]
        part = lung.wall[int(span[0] * size) : max(int(span[1] * size), int(span[0] * size) + 3)]
        width = (32, 40, 52)[finding.grade - 1] * film.unit
        band = np.zeros((film.side, film.side), np.float32)
        for point, swell in zip(part, rng.uniform(0.65, 1.1, len(part)), strict=True):
            cv2.circle(band, (int(point[0]), int(point[1])), max(1, int(width * swell / 2)), (1.0,), -1)
        stroke(band, part, width * 0.8, 1.0)
        if finding.zone == "upper":
            cap = lung.top + 0.8 * width
            band = np.maximum(band, (np.arange(film.side)[:, None] < cap).astype(np.float32))
        amount = np.asarray(cv2.blur(band, (5, 5)) * lung.mask, np.float32)
        film.fill(0.95 * amount, 0.20)
        film.mark("pleural_thickening", amount, 0.5)


def _clear_spot(film: Film, lung: Lung, zone: str, rng: np.random.Generator) -> Floats:
    """A point of a zone that is still aerated, if a few tries find one."""
    spot = lung.hilum
    for _ in range(12):
        spot = lung.at(float(rng.uniform(*_HEIGHT[zone])), float(rng.uniform(0.38, 0.8)))
        x, y = np.clip(spot.astype(int), 0, film.side - 1)
        near = round(26 * film.unit)
        around = film.opacity[max(0, y - near) : y + near, max(0, x - near) : x + near]
        if around.max() < 0.4 and film.air[y, x] > 0.5:
            break
    return spot


def nodule(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Round, well-defined spots under 3 cm: one, two or three."""
    lungs = film.chosen(finding.side)
    for order in range(max(finding.grade, len(lungs))):
        lung = lungs[order % len(lungs)]
        centre = _clear_spot(film, lung, finding.zone, rng)
        spot = filled(film.side, round_outline(centre, rng.uniform(13, 17) * film.unit, rng, rough=0.05))
        film.fill(0.85 * spot, 0.07)
        film.mark("nodule", spot, 0.5)


def mass(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """A lobulated opacity over 3 cm with short spikes."""
    for lung in film.chosen(finding.side):
        centre = _clear_spot(film, lung, finding.zone, rng)
        radius = (36, 46, 60)[finding.grade - 1] * film.unit * rng.uniform(0.95, 1.08)
        outline = round_outline(centre, radius, rng, rough=0.13, flat=float(rng.uniform(0.85, 1.1)))
        body = filled(film.side, outline)
        angles = rng.uniform(0, 2 * np.pi, 18)
        rays = np.stack([np.cos(angles), np.sin(angles)], 1)
        spikes = [np.stack([centre, centre + ray * radius * rng.uniform(1.1, 1.35)]).astype(np.float32) for ray in rays]
        body = np.maximum(body, 0.5 * strokes(film.side, spikes, 2 * film.unit))
        amount = np.asarray(
            cv2.blur(body, (3, 3)) * np.clip(0.95 + 0.04 * clouds(film.side, 24, rng), 0, 1), np.float32
        )
        amount *= np.maximum(lung.mask, 0.25)
        film.fill(amount, 0.12)
        film.mark("mass", amount, 0.3)


def granuloma(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Small spots as dense as bone: calcified granulomas."""
    for lung in film.chosen(finding.side):
        spots = [
            round_outline(_clear_spot(film, lung, finding.zone, rng), rng.uniform(5, 8) * film.unit, rng, rough=0.2)
            for _ in range(1 + finding.grade)
        ]
        amount = filled(film.side, *spots)
        film.fill(amount, 0.42)
        film.mark("granuloma", amount, 0.5)


def cardiomegaly(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """Only records the heart's box: the anatomy draws the heart at its width."""
    film.boxes["cardiomegaly"] = [film.heart]


def hernia(film: Film, finding: Finding, rng: np.random.Generator) -> None:
    """A round stomach behind the heart, gas above a level of fluid."""
    _, _, x1, y1 = film.heart
    radius = (40, 52, 66)[finding.grade - 1] * film.unit * rng.uniform(0.95, 1.05)
    if film.view == "lateral":
        centre = np.array([x1 + 0.85 * radius, film.lungs["left"].dome - 0.45 * radius], np.float32)
    else:
        centre = np.array([film.midline + 0.25 * radius, y1 - 1.15 * radius], np.float32)
    outline = round_outline(centre, radius, rng, rough=0.04, flat=0.95)
    inside = filled(film.side, outline)
    level = centre[1] + 0.1 * radius * rng.uniform(-1, 1)
    fluid = (np.arange(film.side)[:, None] > level).astype(np.float32) * inside
    rim = strokes(film.side, [np.concatenate([outline, outline[:1]])], 4 * film.unit)
    film.fill(inside, 0)
    film.extra += 0.10 * fluid - 0.26 * (inside - fluid) + 0.12 * rim
    film.mark("hernia", inside, 0.5)
