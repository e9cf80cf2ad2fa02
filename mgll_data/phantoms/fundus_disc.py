"""Disorders of the optic disc and of what surrounds it. Painters have the form `painter(eye, rng, severity)`."""

from __future__ import annotations

import cv2
import numpy as np

from mgll_data.phantoms.fundus_diabetic import BLOOD, flame
from mgll_data.phantoms.fundus_eye import Eye, towards, wander


def disc_edema(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A swollen disc: its edge is lost in pink-grey streaks, its cup filled, its vessels buried, flames beside it."""
    swelling, streaks, blood = eye.blank(), eye.blank(), eye.blank()
    reach = eye.disc_radius * (1.55 + 0.35 * severity)
    eye.blob(rng, swelling, eye.disc, reach, 0.08)
    for angle in np.linspace(-np.pi, np.pi, 60):
        far = reach * float(rng.uniform(0.9, 1.35))
        eye.line(streaks, (eye.polar(eye.disc, reach * 0.5, angle), eye.polar(eye.disc, far, angle)), 2.0, 170)
    for angle in rng.uniform(-np.pi, np.pi, 4 + round(5 * severity)):
        flame(eye, rng, blood, eye.polar(eye.disc, reach * 0.85, float(angle)), 26)
    eye.tint(eye.soften(swelling, 6), (244.0, 166.0, 124.0), 0.88)
    eye.tint(eye.soften(streaks, 0.8), (250.0, 206.0, 170.0), 0.6)
    eye.darken(eye.soften(blood, 0.7), BLOOD, 0.9)


def ischemic_neuropathy(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Anterior ischemic optic neuropathy: chalk-pale swelling of half the disc, splinter hemorrhages at its edge."""
    half, blood = eye.blank(), eye.blank()
    up = float(rng.choice([-1.0, 1.0]))
    reach = eye.disc_radius * (1.35 + 0.15 * severity)
    eye.blob(rng, half, (eye.disc[0], eye.disc[1] + up * 12), reach, 0.06)
    for angle in up * rng.uniform(0.2, np.pi - 0.2, 7):
        path = (eye.polar(eye.disc, reach * 0.8, float(angle)), eye.polar(eye.disc, reach * 1.35, float(angle)))
        eye.line(blood, path, 4.0)
    eye.tint(eye.soften(half, 5), (250.0, 244.0, 228.0), 0.94)
    eye.darken(eye.soften(blood, 0.7), BLOOD)


def myelinated_fibers(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Bright white feathered sheets that leave the disc along the nerve fibres and hide the vessels."""
    mask = eye.blank()
    for middle in rng.choice([-1.9, 1.9, -0.8, 0.8], 1 + round(severity), replace=False):
        for angle in middle + rng.uniform(-0.42, 0.42, 34):
            start = eye.polar(eye.disc, eye.disc_radius * 0.95, float(angle))
            steps = int(rng.integers(7, 17))
            path = wander(rng, start, float(angle), steps, bend=0.012 * np.sign(middle), noise=0.04)
            eye.line(mask, path, float(rng.uniform(2.5, 5)))
    eye.tint(eye.soften(mask, 0.9), (254.0, 250.0, 238.0), 0.92)


def myopic_crescent(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A pale crescent on the temporal side of the disc, where choroid and pigment are missing."""
    wide, disc = eye.blank(), eye.blank()
    turn = towards(eye.disc, eye.fovea) + float(rng.uniform(-0.2, 0.2))
    at = eye.polar(eye.disc, eye.disc_radius * (0.55 + 0.25 * severity), turn)
    eye.ellipse(wide, at, (eye.disc_radius * 1.15, eye.disc_radius * 1.3), float(np.rad2deg(turn)))
    eye.ellipse(disc, eye.disc, (eye.disc_radius * 0.92, eye.disc_radius))
    eye.tint(eye.soften(cv2.subtract(wide, disc), 1.2), (250.0, 228.0, 184.0), 0.92)


def patchy_atrophy(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Pathological myopia: sharply edged white-grey patches with pigment at their edge, over the posterior pole."""
    patches, pigment = eye.blank(), eye.blank()
    for at in eye.scatter(rng, 3 + round(3 * severity), around=eye.fovea, inner=46, outer=130):
        radius = float(rng.uniform(17, 30))
        eye.blob(rng, patches, at, radius, 0.22)
        for angle in rng.uniform(-np.pi, np.pi, 3):
            eye.blob(rng, pigment, eye.polar(at, radius * 0.95, float(angle)), float(rng.uniform(2.5, 5)), 0.3)
    eye.tint(eye.soften(patches, 1.0), (246.0, 230.0, 200.0), 0.92)
    eye.tint(eye.soften(pigment, 0.7), (50.0, 32.0, 26.0), 0.85)


def peripapillary_atrophy(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A pale irregular ring around the whole disc."""
    ring, disc = eye.blank(), eye.blank()
    eye.blob(rng, ring, eye.disc, eye.disc_radius * (1.5 + 0.4 * severity), 0.08)
    eye.dot(disc, eye.disc, eye.disc_radius)
    eye.tint(eye.soften(cv2.subtract(ring, disc), 1.5), (238.0, 206.0, 158.0), 0.85)


def optociliary_shunt(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Large looped veins that cross the rim of the disc and sink into the choroid beside it."""
    mask = eye.blank()
    for angle in np.linspace(-np.pi, np.pi, 5)[:-1] + rng.uniform(-0.3, 0.3, 4):
        at = eye.polar(eye.disc, eye.disc_radius * 0.95, float(angle))
        eye.dot(mask, at, eye.disc_radius * float(rng.uniform(0.36, 0.5 + 0.1 * severity)), 255, 5.0)
    eye.darken(eye.soften(mask, 0.7), (0.55, 0.20, 0.24))


def coloboma(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A gap in the choroid below the disc: a large white area with a pigmented edge."""
    edge, gap = eye.blank(), eye.blank()
    at = (eye.disc[0] - float(rng.uniform(50, 80)), eye.disc[1] + float(rng.uniform(120, 140)))
    reach = 62 + 16 * severity
    eye.ellipse(edge, at, (reach * 1.2 + 7, reach + 7), -20)
    eye.ellipse(gap, at, (reach * 1.2, reach), -20)
    eye.tint(eye.soften(edge, 1.5), (60.0, 40.0, 34.0), 0.75)
    eye.tint(eye.soften(gap, 1.2), (250.0, 246.0, 232.0), 0.94)
