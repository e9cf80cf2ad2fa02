"""The healthy eye: background, disc and cup, vessel tree, fovea; and the findings that change these themselves.

The proportions are those of a 45 degree macula-centred photograph: the fovea lies about 2.5 disc diameters from the
disc and a little below it, and the field is about seven disc diameters wide.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mgll_data.phantoms.fundus_eye import Eye, Mask, Plane, Point, Points, Vessel, towards, wander

LOW = 64  # side of the coarse grid on which colour is made


@dataclass(frozen=True)
class Build:
    """What the anatomy is like: each field is 0 in a healthy eye, but for the cup-to-disc ratio."""

    cup_to_disc: float = 0.3
    pallor: float = 0.0
    tessellation: float = 0.0
    tortuosity: float = 0.0
    venous_swelling: float = 0.0
    arterial_narrowing: float = 0.0
    tilt: float = 0.0
    tilt_angle: float = 0.0


def build_eye(rng: np.random.Generator, build: Build, *, side: int, pigment: float) -> Eye:
    """Lay out an eye and draw its background. `pigment` from 0 (pale, orange) to 1 (dark brown) is the choroid's."""
    radius = float(rng.uniform(244, 254))
    centre = (256 + float(rng.uniform(-2, 2)), 256 + float(rng.uniform(-2, 2)))
    fovea = (centre[0] - float(rng.uniform(2, 22)), centre[1] + float(rng.uniform(2, 14)))
    disc = (fovea[0] + float(rng.uniform(158, 176)), fovea[1] - float(rng.uniform(8, 26)))
    planes = np.empty((3, side, side), np.float32)
    eye = Eye(side, planes, centre, radius, disc, float(rng.uniform(34, 38)), fovea)
    small = _background(rng, eye, pigment)
    for plane, coarse in zip(planes, small, strict=True):
        cv2.resize(coarse, (side, side), dst=plane, interpolation=cv2.INTER_CUBIC)
    choroid = np.random.default_rng(int(rng.integers(2**63)))  # its own, so that the vessels stay where they are
    if build.tessellation:
        _tessellate(choroid, eye, build.tessellation)
    eye.vessels = _vessel_tree(rng, eye, build)
    return eye


def _background(rng: np.random.Generator, eye: Eye, pigment: float) -> Plane:
    pale, dark = np.array([224.0, 128.0, 70.0]), np.array([150.0, 70.0, 34.0])
    base = pale + (dark - pale) * pigment + rng.uniform(-6, 6, 3)
    y, x = np.mgrid[0:LOW, 0:LOW] * (512.0 / LOW)
    mottle = cv2.resize(rng.normal(0, 1, (9, 9)).astype(np.float32), (LOW, LOW), interpolation=cv2.INTER_CUBIC)
    tilt = rng.uniform(-0.06, 0.06, 2)
    light = 1 + (tilt[0] * (x - 256) + tilt[1] * (y - 256)) / 256 + 0.035 * mottle
    rim = np.hypot(x - eye.centre[0], y - eye.centre[1]) / eye.radius
    light = light * (1.04 - 0.20 * rim**3)
    # Nerve fibres brighten the retina about the disc; luteal pigment darkens the macula, most at its centre.
    light = light + 0.10 * np.exp(-((x - eye.disc[0]) ** 2 + (y - eye.disc[1]) ** 2) / (2 * 95.0**2))
    near = (x - eye.fovea[0]) ** 2 + (y - eye.fovea[1]) ** 2
    macula = np.exp(-near / (2 * 38.0**2))
    planes = [c * light * (1 - depth * macula) for c, depth in zip(base, (0.22, 0.36, 0.30), strict=True)]
    return np.asarray(planes, np.float32)


def _tessellate(rng: np.random.Generator, eye: Eye, strength: float) -> None:
    """Choroidal vessels seen through a thin pigment layer: broad bright orange bands with dark gaps, as on a tiger."""
    mask = eye.blank()
    for start in eye.scatter(rng, 96, outer=eye.radius):
        heading = towards(eye.fovea, start) + rng.normal(0, 0.5)
        path = wander(rng, start, float(heading), 10, bend=0.0, noise=0.12, step=7.0)
        eye.line(mask, path, float(rng.uniform(4, 8)))
    mask = eye.soften(mask, 1.8)
    darker = 1 - strength * np.array([0.24, 0.38, 0.42], np.float32)
    eye.planes *= darker[:, None, None]
    eye.tint(mask, (238.0, 128.0, 70.0), 0.6 * strength)


def _vessel_tree(rng: np.random.Generator, eye: Eye, build: Build) -> list[Vessel]:
    """Four arcades, each an artery beside a vein, with branches to both sides."""
    vessels: list[Vessel] = []
    for upward in (-1.0, 1.0):
        for temporal in (True, False):
            heading = upward * (np.deg2rad(rng.uniform(100, 116)) if temporal else np.deg2rad(rng.uniform(42, 66)))
            bend = upward * (rng.uniform(0.020, 0.026) if temporal else rng.uniform(-0.012, -0.002))
            steps = 82 if temporal else 34
            for vein in (False, True):
                side = -1.0 if vein else 1.0
                angle = heading + side * upward * 0.10
                start = (eye.disc[0] + 4 * side, eye.disc[1] + upward * 4)
                trunk = _meander(
                    rng, wander(rng, start, float(angle), steps, bend=float(bend), noise=0.018), build.tortuosity
                )
                width = 5.4 * (1 + 0.6 * build.venous_swelling) if vein else 3.8 * (1 - 0.5 * build.arterial_narrowing)
                vessels.append(Vessel(trunk, width, vein, True))
                vessels += _branches(rng, eye, trunk, width, vein, build.tortuosity)
    return vessels


def _branches(
    rng: np.random.Generator, eye: Eye, trunk: Points, width: float, vein: bool, tortuosity: float
) -> list[Vessel]:
    grown: list[Vessel] = []
    hand = 1.0 if rng.random() < 0.5 else -1.0
    for root in range(int(rng.integers(7, 12)), len(trunk) - 6, int(rng.integers(9, 13))):
        hand = -hand
        along = trunk[root + 1] - trunk[root]
        heading = float(np.arctan2(along[1], along[0])) + hand * float(rng.uniform(0.55, 0.95))
        start = (float(trunk[root][0]), float(trunk[root][1]))
        path = wander(rng, start, heading, int(rng.integers(14, 30)), bend=-hand * 0.012, noise=0.06)
        path = path[: _until_fovea(path, eye.fovea)]
        if len(path) > 4:
            taper = 1 - 0.5 * root / len(trunk)
            grown.append(Vessel(_meander(rng, path, tortuosity), width * 0.52 * taper, vein, False))
    return grown


def _until_fovea(path: Points, fovea: Point) -> int:
    """Number of points before the path enters the zone around the fovea that has no vessels."""
    inside = (path[:, 0] - fovea[0]) ** 2 + (path[:, 1] - fovea[1]) ** 2 < 30**2
    return int(np.argmax(inside)) if inside.any() else len(path)


def _meander(rng: np.random.Generator, path: Points, amount: float) -> Points:
    period, phase = rng.uniform((11, 0), (14, 6))
    if not amount:
        return path
    along = np.gradient(path, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.maximum(np.hypot(*along.T), 1e-6)[:, None]
    steps = np.arange(len(path))
    wave = np.sin(steps * 2 * np.pi / period + phase)
    swing = (4.0 + 7.0 * amount) * wave * np.minimum(1, steps / 8)
    return np.asarray(path + normal * swing[:, None])


def draw_disc(rng: np.random.Generator, eye: Eye, build: Build) -> None:
    """The disc: a pink rim around a paler cup, whose diameter is `cup_to_disc` of the disc's."""
    radius = eye.disc_radius
    axes = (radius * 0.94 * (1 - 0.5 * build.tilt), radius)
    mask = eye.blank()
    eye.ellipse(mask, eye.disc, axes, build.tilt_angle)
    rim = np.array([248.0, 176.0, 112.0]) + (np.array([250.0, 242.0, 222.0]) - (248.0, 176.0, 112.0)) * build.pallor
    eye.tint(eye.soften(mask, 1.4), (float(rim[0]), float(rim[1]), float(rim[2])), 0.95)
    cup = eye.blank()
    shift = radius * (0.95 - build.cup_to_disc) * 0.25
    at = (eye.disc[0] - shift, eye.disc[1] + float(rng.uniform(-1, 1)))
    eye.ellipse(cup, at, (axes[0] * build.cup_to_disc, axes[1] * build.cup_to_disc * 1.06), build.tilt_angle)
    eye.tint(cv2.bitwise_and(eye.soften(cup, 1.5), mask), (255.0, 244.0, 206.0), 0.95)


def vessel_mask(eye: Eye, *, vein: bool, grow: float = 0.0) -> Mask:
    """Mask of all veins or all arteries, tapered towards their ends, each `grow` design units wider than drawn."""
    mask = eye.blank()
    for vessel in eye.vessels:
        if vessel.vein != vein:
            continue
        parts = 4 if vessel.trunk else 2
        last = len(vessel.path) - 1
        for part in range(parts):
            width = vessel.width * (1 - 0.55 * part / parts) + grow
            eye.line(mask, vessel.path[part * last // parts : (part + 1) * last // parts + 1], width)
    return mask


def draw_vessels(eye: Eye) -> None:
    """Veins dark and broad, arteries brighter and thinner."""
    eye.darken(vessel_mask(eye, vein=True), (0.70, 0.42, 0.44))
    eye.darken(vessel_mask(eye, vein=False), (0.88, 0.54, 0.50))
