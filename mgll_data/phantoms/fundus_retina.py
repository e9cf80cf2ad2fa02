"""Occlusions, inflammation, dystrophy and trauma of the retina and choroid. Painters: `painter(eye, rng, severity)`."""

from __future__ import annotations

import cv2
import numpy as np

from mgll_data.phantoms.fundus_diabetic import BLOOD, flame
from mgll_data.phantoms.fundus_eye import Eye, arc, towards


def _occlusion_blood(eye: Eye, rng: np.random.Generator, sector: tuple[float, float], count: int) -> None:
    mask = eye.blank()
    for at in eye.scatter(rng, count, around=eye.disc, inner=45, outer=330, sector=sector):
        if rng.random() < 0.7:
            flame(eye, rng, mask, at, float(rng.uniform(24, 40)))
        else:
            eye.blob(rng, mask, at, float(rng.uniform(7, 13)))
    eye.darken(eye.soften(mask, 0.9), BLOOD)


def branch_vein_occlusion(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Hemorrhages crowded in the one sector that the blocked vein drains, the rest of the retina clear."""
    temporal = towards(eye.disc, eye.fovea)
    middle = temporal + float(rng.choice([-1.0, 1.0])) * 0.62
    _occlusion_blood(eye, rng, (middle, 0.42), 34 + round(20 * severity))


def central_vein_occlusion(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Hemorrhages in all four quadrants around the disc ("blood and thunder")."""
    _occlusion_blood(eye, rng, (0.0, np.pi), 80 + round(40 * severity))


def _whitening(eye: Eye, rng: np.random.Generator, sector: tuple[float, float], strength: float) -> None:
    mask, spare = eye.blank(), eye.blank()
    middle, half = sector
    eye.polygon(mask, np.vstack([[eye.disc], arc(eye.disc, 480.0, middle - half, middle + half, 40)]))
    mask = eye.soften(mask, 8)
    eye.dot(spare, eye.fovea, 15)
    mask = cv2.subtract(mask, eye.soften(spare, 3))
    eye.tint(mask, (240.0, 222.0, 190.0), strength)


def central_artery_occlusion(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A pale, swollen retina with a cherry red spot at the fovea, where there is no inner retina to swell."""
    _whitening(eye, rng, (0.0, np.pi), 0.46 + 0.12 * severity)
    spot = eye.blank()
    eye.dot(spot, eye.fovea, 17)
    eye.tint(eye.soften(spot, 3), (176.0, 26.0, 16.0), 0.9)


def branch_artery_occlusion(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Pale swelling of the sector that one artery feeds, cut off along the horizontal line."""
    temporal = towards(eye.disc, eye.fovea)
    side = float(rng.choice([-1.0, 1.0]))
    _whitening(eye, rng, (temporal + side * 0.55, 0.5), 0.66 + 0.2 * severity)


def retinitis(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Fluffy yellow-white necrosis that spreads along the vessels, mixed with blood."""
    white, blood = eye.blank(), eye.blank()
    angle = float(rng.uniform(-np.pi, np.pi))
    middle = eye.polar(eye.fovea, float(rng.uniform(110, 150)), angle)
    for _ in range(7):
        x, y = rng.normal(0, 26, 2)
        eye.blob(rng, white, (middle[0] + x, middle[1] + y), float(rng.uniform(16, 28)), 0.35)
    for _ in range(9 + round(4 * severity)):
        x, y = rng.normal(0, 32, 2)
        eye.blob(rng, blood, (middle[0] + x, middle[1] + y), float(rng.uniform(6, 11)), 0.35)
    eye.tint(eye.soften(white, 4), (250.0, 232.0, 178.0), 0.92)
    eye.darken(eye.soften(blood, 1.0), BLOOD)


def chorioretinitis(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Several round healed foci: white atrophic centres in rings of black pigment."""
    ring, white = eye.blank(), eye.blank()
    for at in eye.scatter(rng, 6 + round(5 * severity), around=eye.fovea, inner=50, outer=205):
        radius = float(rng.uniform(10, 17))
        eye.blob(rng, ring, at, radius + 5, 0.15)
        eye.blob(rng, white, at, radius - 2, 0.15)
    eye.tint(eye.soften(ring, 1.0), (44.0, 26.0, 22.0), 0.88)
    eye.tint(eye.soften(white, 0.9), (252.0, 242.0, 206.0), 0.95)


def retinitis_pigmentosa(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Spicules of black pigment, branched like bone cells, all round the grey middle periphery."""
    grey, core, spicules = eye.blank(), eye.blank(), eye.blank()
    eye.dot(grey, eye.centre, eye.radius)
    eye.ellipse(core, eye.fovea, (112, 96))
    eye.tint(cv2.subtract(grey, eye.soften(core, 18)), (112.0, 86.0, 70.0), 0.55)
    for at in eye.scatter(rng, 46 + round(24 * severity), inner=120, outer=238):
        for angle in rng.uniform(-np.pi, np.pi, 4):
            eye.line(spicules, (at, eye.polar(at, float(rng.uniform(9, 15)), float(angle))), 2.6)
    eye.tint(spicules, (22.0, 14.0, 12.0), 0.94)


def retinal_traction(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A white band of scar tissue along the arcades that pulls the retina into straight radiating folds."""
    band, folds = eye.blank(), eye.blank()
    side = float(rng.choice([-1.0, 1.0]))
    middle = (eye.disc[0] - 60, eye.disc[1])
    path = arc(middle, 118, side * 0.25 * np.pi, side * 0.85 * np.pi, 26)
    for x, y in path:
        eye.blob(rng, band, (float(x), float(y)), float(rng.uniform(7, 12)), 0.35)
    for x, y in path[2::2]:
        away = towards(middle, (float(x), float(y)))
        for reach in (46.0, -46.0):
            stop = eye.polar((float(x), float(y)), reach * (0.7 + 0.4 * severity), away)
            eye.line(folds, ((float(x), float(y)), stop), 1.8)
    eye.darken(eye.soften(folds, 0.7), (0.70, 0.60, 0.58))
    eye.tint(eye.soften(band, 1.8), (240.0, 234.0, 220.0), 0.92)


def choroidal_folds(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Parallel dark and light stripes across the posterior pole."""
    dark, light = eye.blank(), eye.blank()
    slope = float(rng.uniform(-0.35, 0.35))
    xs = np.linspace(eye.fovea[0] - 135, eye.fovea[0] + 115, 20)
    for shift in np.arange(-92, 93, 17.0):
        ys = eye.fovea[1] + shift + slope * (xs - eye.fovea[0]) + 5 * np.sin(xs / 42 + shift)
        eye.line(dark, np.stack([xs, ys], axis=1), 5.5)
        eye.line(light, np.stack([xs, ys + 8], axis=1), 5.0)
    fade = eye.blank()
    eye.ellipse(fade, eye.fovea, (112, 84))
    fade = eye.soften(fade, 16)
    dark, light = (cv2.multiply(eye.soften(m, 1.6), fade, scale=1 / 255) for m in (dark, light))
    eye.darken(dark, (0.62, 0.54, 0.52), 0.8 + 0.2 * severity)
    eye.tint(light, (250.0, 196.0, 132.0), 0.6)


def choroidal_rupture(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A white crescent concentric with the disc, passing close to the fovea, with pigment along its edges."""
    tear, edge = eye.blank(), eye.blank()
    turn = towards(eye.disc, eye.fovea)
    for radius in (118.0, 152.0)[: 1 + round(severity)]:
        path = arc(eye.disc, radius, turn - 0.75, turn + 0.75, 26)
        eye.line(edge, path, 16.0)
        eye.line(tear, path, 9.0)
    eye.tint(eye.soften(edge, 1.2), (74.0, 46.0, 36.0), 0.75)
    eye.tint(eye.soften(tear, 0.8), (252.0, 244.0, 220.0), 0.95)
