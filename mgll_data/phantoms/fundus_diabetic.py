"""Lesions of diabetic retinopathy: what leaks, bleeds, starves and grows, and the scars of its treatment.

Every painter has the form `painter(eye, rng, severity)` with 0 < severity <= 1, and paints on the eye's planes.
"""

from __future__ import annotations

import cv2
import numpy as np

from mgll_data.phantoms.fundus_anatomy import vessel_mask
from mgll_data.phantoms.fundus_eye import Eye, Mask, Point, arc, towards, wander

BLOOD = (0.50, 0.20, 0.24)
EXUDATE = (255.0, 240.0, 140.0)
COTTON = (252.0, 244.0, 226.0)


def microaneurysms(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Small round red dots, mostly in the posterior pole."""
    mask = eye.blank()
    for at in eye.scatter(rng, 12 + round(14 * severity), around=eye.fovea, inner=18, outer=165):
        eye.dot(mask, at, float(rng.uniform(3.3, 4.5)))
    eye.darken(mask, (0.56, 0.22, 0.26))


def blot_hemorrhages(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Dark red patches with a rough outline: a handful when mild, more than twenty in every quadrant when severe."""
    mask, quadrant = eye.blank(), 1 + round(21 * severity)
    for turn in range(4):
        middle = np.pi / 4 + turn * np.pi / 2
        for at in eye.scatter(rng, quadrant, inner=30, outer=225, sector=(middle, np.pi / 4)):
            eye.blob(rng, mask, at, float(rng.uniform(5.5, 10.5)))
    eye.darken(eye.soften(mask, 0.9), BLOOD)


def flame(eye: Eye, rng: np.random.Generator, mask: Mask, at: Point, length: float) -> None:
    """One flame: strokes along the nerve fibres (which run away from the disc), with a frayed end."""
    heading = towards(eye.disc, at)
    across = heading + np.pi / 2
    for offset, back, reach in zip(np.linspace(-1, 1, 7), rng.uniform(0, 0.25, 7), rng.uniform(0, 0.4, 7), strict=True):
        side = eye.polar(at, float(offset) * length * 0.14, across)
        start = eye.polar(side, length * float(back), heading + np.pi)
        stop = eye.polar(side, length * float(1.05 - abs(offset) * 0.35 - reach), heading + 0.1 * float(offset))
        eye.line(mask, (start, stop), length * 0.055)


def flame_hemorrhages(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Feathered red streaks in the nerve fibre layer, around the disc and along the arcades."""
    mask = eye.blank()
    for at in eye.scatter(rng, 4 + round(14 * severity), around=eye.disc, inner=48, outer=190):
        flame(eye, rng, mask, at, float(rng.uniform(22, 36)))
    eye.darken(eye.soften(mask, 0.8), (0.58, 0.22, 0.26))


def _exudate_cluster(eye: Eye, rng: np.random.Generator, mask: Mask, at: Point, spread: float, count: int) -> None:
    for _ in range(count):
        x, y = rng.normal(0, spread, 2)
        eye.blob(rng, mask, (at[0] + x, at[1] + y), float(rng.uniform(1.8, 4.6)), 0.15)


def macular_exudates(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Yellow waxy deposits within one disc diameter of the fovea, part of them in a ring or star."""
    mask = eye.blank()
    start = float(rng.uniform(0, 2 * np.pi))
    for at in arc(eye.fovea, float(rng.uniform(26, 40)), start, start + np.pi * (0.9 + 0.9 * severity), 9):
        _exudate_cluster(eye, rng, mask, (float(at[0]), float(at[1])), 5.0, 3 + round(4 * severity))
    eye.tint(mask, EXUDATE, 0.96)


def far_exudates(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Yellow waxy deposits that all lie farther than one disc diameter from the fovea, on the temporal arcades."""
    mask = eye.blank()
    safe = 2.0 * eye.disc_radius + 26
    for at in eye.scatter(rng, 3 + round(3 * severity), around=eye.fovea, inner=safe, outer=190):
        _exudate_cluster(eye, rng, mask, at, 7.0, 9 + round(8 * severity))
    reserve = eye.blank()
    eye.dot(reserve, eye.fovea, 2.0 * eye.disc_radius + 4)
    mask[reserve > 0] = 0
    eye.tint(mask, EXUDATE, 0.96)


def cotton_wool_spots(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Fluffy white patches without an edge, in the nerve fibre layer near the arcades."""
    mask = eye.blank()
    for at in eye.scatter(rng, 4 + round(5 * severity), around=eye.disc, inner=60, outer=175):
        for _ in range(3):
            x, y = rng.normal(0, 5, 2)
            eye.blob(rng, mask, (at[0] + x, at[1] + y), float(rng.uniform(7, 12)))
    eye.tint(eye.soften(mask, 3.2), COTTON, 0.95)


def venous_beading(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Sausage-like swellings at regular distances along the great veins."""
    mask = eye.blank()
    for vessel in eye.vessels:
        if not (vessel.vein and vessel.trunk):
            continue
        for x, y in vessel.path[8:60:4]:
            eye.dot(mask, (float(x), float(y)), vessel.width * (0.62 + 0.45 * severity))
    eye.darken(eye.soften(mask, 0.7), (0.56, 0.30, 0.32))


def microvascular_abnormalities(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Short kinked red vessels within the retina (IRMA), in a few clusters off the arcades."""
    mask = eye.blank()
    for at in eye.scatter(rng, 2 + round(3 * severity), around=eye.fovea, inner=75, outer=170):
        for _ in range(6):
            path = wander(rng, at, float(rng.uniform(-np.pi, np.pi)), 12, bend=0.0, noise=0.9, step=4.0)
            eye.line(mask, path, 1.8)
    eye.darken(mask, (0.66, 0.26, 0.28))


def _tangle(eye: Eye, rng: np.random.Generator, mask: Mask, at: Point, reach: float) -> None:
    """A fan of fine looping vessels from one stem."""
    for angle in np.linspace(-np.pi, np.pi, 17)[:-1] + rng.uniform(-0.15, 0.15, 16):
        path = wander(rng, at, float(angle), 14, bend=float(rng.uniform(-0.16, 0.16)), noise=0.34, step=reach / 12)
        eye.line(mask, path, 2.0)
        loop = eye.polar(at, reach * float(rng.uniform(0.6, 0.95)), float(angle))
        eye.dot(mask, loop, reach * float(rng.uniform(0.10, 0.17)), 255, 1.6)


def disc_neovascularization(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """New vessels on the disc: a fine tangle that crosses its rim."""
    mask = eye.blank()
    _tangle(eye, rng, mask, eye.disc, eye.disc_radius * (1.1 + 0.5 * severity))
    eye.darken(mask, (0.72, 0.20, 0.22))


def neovascularization_elsewhere(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """New vessels away from the disc: one to three fans beside the arcades."""
    mask = eye.blank()
    middle = towards(eye.fovea, eye.disc) + np.pi
    turns = (middle + 0.9, middle - 0.9, middle)[: 1 + round(2 * severity)]
    for turn in turns:
        _tangle(eye, rng, mask, eye.polar(eye.fovea, float(rng.uniform(105, 135)), turn), float(rng.uniform(34, 46)))
    eye.darken(mask, (0.72, 0.20, 0.22))


def preretinal_hemorrhage(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Blood in front of the retina that has settled: a boat with a level top and a rounded keel, hiding vessels."""
    mask = eye.blank()
    x = eye.fovea[0] + float(rng.uniform(-70, 60))
    y = eye.fovea[1] + float(rng.choice([-125, 75, 105]))
    width, height = float(rng.uniform(52, 68)) * (0.8 + 0.3 * severity), float(rng.uniform(34, 48))
    keel = arc((x, y), width, 0.0, np.pi, 24, height / width)
    eye.polygon(mask, keel)
    eye.tint(eye.soften(mask, 1.0), (104.0, 10.0, 14.0), 0.96)


def vitreous_hemorrhage(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Blood dispersed in the vitreous: dark red clouds and strands that veil the lower field most."""
    mask = eye.blank()
    for at in eye.scatter(rng, 9, around=(eye.centre[0], eye.centre[1] + 60), outer=190):
        eye.blob(rng, mask, at, float(rng.uniform(46, 80)), 0.35, 170)
    mask = eye.soften(mask, 20)
    strands = eye.blank()
    for at in eye.scatter(rng, 12, outer=190):
        path = wander(rng, at, float(rng.uniform(-np.pi, np.pi)), 18, bend=0.05, noise=0.3)
        eye.line(strands, path, float(rng.uniform(4, 8)), 150)
    veil = cv2.add(mask, eye.soften(strands, 2.5))
    eye.tint(veil, (96.0, 16.0, 12.0), 0.62 + 0.2 * severity)


def laser_scars(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Round pale burns with a pigmented centre, in rows over the middle periphery."""
    pale, pigment = eye.blank(), eye.blank()
    for ring in np.arange(128, 232, 27.0):
        count = round(2 * np.pi * ring / 30 * (0.55 + 0.4 * severity))
        for angle in np.linspace(0, 2 * np.pi, count, endpoint=False) + rng.uniform(0, 1):
            x, y = eye.polar(eye.fovea, float(ring + rng.uniform(-5, 5)), float(angle))
            if np.hypot(x - eye.disc[0], y - eye.disc[1]) > 62:
                eye.dot(pale, (x, y), float(rng.uniform(6.5, 9.5)))
                eye.dot(pigment, (x, y), float(rng.uniform(2.2, 4.0)))
    eye.tint(eye.soften(pale, 1.0), (240.0, 214.0, 160.0), 0.85)
    eye.darken(eye.soften(pigment, 0.8), (0.30, 0.26, 0.24))


def vein_sheathing(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Vasculitis: white cuffs of inflammatory cells along the veins."""
    cuff = vessel_mask(eye, vein=True, grow=6.0 + 3.0 * severity)
    core = vessel_mask(eye, vein=True)
    eye.tint(eye.soften(cv2.subtract(cuff, core), 1.1), (246.0, 236.0, 214.0), 0.85)
