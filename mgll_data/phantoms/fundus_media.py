"""What stands before the retina: lens, vitreous, dust, poor focus. Painters: `painter(eye, rng, severity)`."""

from __future__ import annotations

import cv2
import numpy as np

from mgll_data.phantoms.fundus_eye import Eye


def _blur(eye: Eye, sigma: float) -> None:
    """Blur all planes by `sigma` design units, on a copy of half the size for speed."""
    half = (max(1, eye.side // 2),) * 2
    for plane in eye.planes:
        small = cv2.resize(plane, half, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), max(0.3, sigma * eye.scale / 2))
        cv2.resize(small, (eye.side, eye.side), dst=plane, interpolation=cv2.INTER_LINEAR)


def _veil(eye: Eye, rng: np.random.Generator, colour: tuple[float, float, float], strength: float) -> None:
    coarse = rng.uniform(0.75, 1.0, (6, 6)).astype(np.float32)
    cloud = cv2.resize(coarse, (eye.side, eye.side), interpolation=cv2.INTER_LINEAR)
    for plane, value in zip(eye.planes, colour, strict=True):
        plane += cloud * np.float32(strength) * (np.float32(value) - plane)


def media_haze(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Opaque media: the retina is seen through an uneven grey-white veil, out of focus."""
    _blur(eye, 1.2 + severity)
    _veil(eye, rng, (206.0, 192.0, 176.0), 0.42 + 0.16 * severity)


def cataract(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A clouded lens: a yellow-brown veil and strong blur, the vessels barely told from the background."""
    _blur(eye, 3.0 + 2.5 * severity)
    _veil(eye, rng, (172.0, 138.0, 78.0), 0.50 + 0.15 * severity)


def asteroid_hyalosis(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Creamy, sharply shining bodies floating all over the field in front of the vessels."""
    mask = eye.blank()
    for at in eye.scatter(rng, 90 + round(60 * severity), outer=eye.radius * 0.92):
        eye.dot(mask, at, float(rng.uniform(2.4, 4.8)))
    eye.tint(mask, (255.0, 250.0, 222.0), 0.96)


def lens_dust(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """Dust on the camera's lens: a few grey, out-of-focus discs, an artefact and not a finding of the eye."""
    mask = eye.blank()
    for at in eye.scatter(rng, 5 + round(4 * severity), outer=200):
        eye.dot(mask, at, float(rng.uniform(7, 13)))
    eye.tint(eye.soften(mask, 2.2), (112.0, 104.0, 98.0), 0.75)


def poor_quality(eye: Eye, rng: np.random.Generator, severity: float) -> None:
    """A photograph out of focus and underexposed."""
    _blur(eye, 5.0 + 4.0 * severity)
    eye.planes *= np.float32(0.55 - 0.15 * severity)
