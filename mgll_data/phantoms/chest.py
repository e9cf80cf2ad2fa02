"""Drawn chest films: anatomy, then findings, then exposure and noise."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from mgll_data.phantoms import chest_airspace, chest_hardware, chest_lesions
from mgll_data.phantoms.chest_anatomy import frontal
from mgll_data.phantoms.chest_film import Box, Film, Finding, Floats, View, clouds, enlarged, grain
from mgll_data.phantoms.chest_lateral import lateral

# In drawing order: what changes the air first, then what fills it, then what lies on top.
FINDINGS: dict[str, Callable[[Film, Finding, np.random.Generator], None]] = {
    "scoliosis": chest_hardware.scoliosis,
    "cardiomegaly": chest_lesions.cardiomegaly,
    "emphysema": chest_airspace.emphysema,
    "fibrosis": chest_airspace.fibrosis,
    "edema": chest_airspace.edema,
    "infiltration": chest_airspace.infiltration,
    "covid": chest_airspace.covid,
    "consolidation": chest_airspace.consolidation,
    "pneumonia": chest_airspace.pneumonia,
    "atelectasis": chest_airspace.atelectasis,
    "pneumothorax": chest_lesions.pneumothorax,
    "pleural_thickening": chest_lesions.pleural_thickening,
    "effusion": chest_lesions.effusion,
    "mass": chest_lesions.mass,
    "nodule": chest_lesions.nodule,
    "granuloma": chest_lesions.granuloma,
    "hernia": chest_lesions.hernia,
    "rib_fracture": chest_hardware.rib_fracture,
    "ett": chest_hardware.ett,
    "ngt": chest_hardware.ngt,
    "central_line": chest_hardware.central_line,
    "pacemaker": chest_hardware.pacemaker,
    "sternotomy": chest_hardware.sternotomy,
    "chest_tube": chest_hardware.chest_tube,
}


@dataclass(frozen=True)
class Chest:
    """A drawn film. image: (side, side) float32 in 0..1, 1 is white. boxes: finding -> (x0, y0, x1, y1) in pixels."""

    image: Floats
    boxes: dict[str, list[Box]]


def draw_chest(rng: np.random.Generator, findings: Iterable[Finding], *, side: int = 512, view: View = "pa") -> Chest:
    """Draws a chest film with these findings (at most one of each name).

    Anatomy, noise and every finding have random streams of their own: a finding more or less leaves the rest of the
    film as it is, save where the body itself must give way (heart size, diaphragm, spine). Raises
    ValueError for an unknown or repeated finding, or a `side` that is not a multiple of 4 from 64 on.
    """
    if side < 64 or side % 4:
        raise ValueError(f"side {side} is not a multiple of 4 from 64 on")
    listed = list(findings)
    found = {finding.name: finding for finding in listed}
    unknown = sorted(found.keys() - FINDINGS.keys())
    if unknown or len(found) < len(listed):
        raise ValueError(f"unknown or repeated findings: {unknown or [finding.name for finding in listed]}")
    root = int(rng.integers(2**62))

    def stream(name: str) -> np.random.Generator:
        return np.random.default_rng([root, zlib.crc32(name.encode())])

    anatomy = stream("anatomy")
    film = lateral(side, found, anatomy) if view == "lateral" else frontal(side, view, found, anatomy)
    for name, draw in FINDINGS.items():
        if name in found:
            draw(film, found[name], stream(name))
    return Chest(_expose(film, stream("exposure")), film.boxes)


def _expose(film: Film, rng: np.random.Generator) -> Floats:
    """Grey values of a film: exposure, contrast, uneven background, noise, and sometimes a collimated border."""
    image = film.compose()
    contrast = rng.uniform(0.92, 1.12)
    ramp = np.linspace(-1, 1, 32, dtype=np.float32)
    tilt = rng.uniform(-0.10, 0.10, 2)
    uneven = rng.uniform(0.02, 0.055) * clouds(32, 6, rng) + tilt[0] * ramp[None] + tilt[1] * ramp[:, None]
    uneven += 0.5 * (1 - contrast) + rng.uniform(-0.02, 0.06)
    image *= np.float32(contrast)
    image += enlarged(uneven.astype(np.float32), film.side)
    image += grain(film.side, rng) * np.float32(rng.uniform(0.012, 0.03))
    if rng.random() < 0.3:
        margin = rng.integers(0, max(2, film.side // 16), 4)
        shade = np.float32(rng.uniform(0.02, 0.12))
        image[: margin[0]] = image[film.side - margin[1] :] = shade
        image[:, : margin[2]] = image[:, film.side - margin[3] :] = shade
    return np.clip(image, 0, 1, out=image)
