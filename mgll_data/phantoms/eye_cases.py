"""What the fundus layouts draw for the labels that many of them share, and the masks beside the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mgll_data.phantoms.drawn import Drawn
from mgll_data.phantoms.writing import encode

# Findings that make up the grades 0 to 4 of the International Clinical Diabetic Retinopathy scale.
ICDR: dict[str, dict[str, float]] = {
    "0": {},
    "1": {"microaneurysms": 0.5},
    "2": {"microaneurysms": 0.8, "blot_hemorrhages": 0.12},
    "3": {"microaneurysms": 0.8, "blot_hemorrhages": 0.9, "venous_beading": 0.9, "microvascular_abnormalities": 0.9},
    "4": {"microaneurysms": 0.6, "blot_hemorrhages": 0.2, "neovascularization_elsewhere": 0.8},
}
UNGRADABLE = {"poor_quality": 0.9}
HEALTHY: dict[str, float] = {}
DISEASES: dict[str, dict[str, float]] = {
    "amd": {"drusen": 0.8, "geographic_atrophy": 0.6},
    "wet_amd": {"choroidal_neovascularization": 0.8},
    "dr": ICDR["2"],
    "glaucoma": {"disc_cupping": 0.9},
    "cataract": {"cataract": 0.7},
    "central_serous": {"central_serous": 0.8},
    "membrane": {"epiretinal_membrane": 0.8},
    "vein": {"branch_vein_occlusion": 0.8},
    "myopia": {"tessellation": 0.8, "myopic_crescent": 0.7},
    "htr": {"arterial_narrowing": 0.8, "flame_hemorrhages": 0.6},
}


def write_dark_mask(path: Path, drawn: Drawn, marked: bool) -> None:
    """A .bmp lesion mask of the picture's size in which 0 is lesion: one block, or (not `marked`) white all over."""
    height, width = drawn.image.shape[:2]
    mask: NDArray[np.uint8] = np.full((height, width), 255, np.uint8)
    if marked:
        mask[height // 3 : height // 3 + 9, width // 2 : width // 2 + 12] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(mask, "bmp"))


def write_mask(path: Path, drawn: Drawn, marked: bool) -> None:
    """A lesion mask of the picture's size: two blots and a single pixel set to 255, or (not `marked`) none at all."""
    height, width = drawn.image.shape[:2]
    mask: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
    if marked:
        mask[height // 3 : height // 3 + 9, width // 2 : width // 2 + 12] = 255
        mask[height // 2 : height // 2 + 5, width // 3 : width // 3 + 5] = 255
        mask[2 * height // 3, width // 2] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(mask, "tif" if path.suffix == ".tif" else "png"))
