"""Retinal-Lesions: a folder of masks for each picture, and a mask of grey 127 that means nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import write_mask
from mgll_data.phantoms.writing import encode, place

CASES = {
    "microaneurysm": {"microaneurysms": 0.8},
    "retinal_hemorrhage": {"blot_hemorrhages": 0.4},
    "hard_exudate": {"far_exudates": 0.8},
    "cotton_wool_spots": {"cotton_wool_spots": 0.8},
    "vitreous_hemorrhage": {"vitreous_hemorrhage": 0.8},
    "preretinal_hemorrhage": {"preretinal_hemorrhage": 0.8},
    "neovascularization": {"neovascularization_elsewhere": 0.8},
    "fibrous_proliferation": {"retinal_traction": 0.8},
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, each with a lesion and a mark against the guideline; the twelfth has only this."""
    tally, without, top = Tally(), 0, out / "retinal-lesions-v20191227"
    for drawn in photographs("retinal_lesions", count, seed, CASES):
        name = f"{drawn.number // 2 + 10}_{('left', 'right')[drawn.number % 2]}"
        lesions = top / "lesion_segs_896x896" / name
        mark = np.full(drawn.image.shape[:2], 127, np.uint8)
        place(
            lesions / ("microaneurysm.png" if drawn.case != "microaneurysm" else "neovascularization.png"),
            encode(mark, "png"),
            None,
        )
        if drawn.number % 12 == 11:
            without += 1
            place(top / "images_896x896" / f"{name}.jpg", encode(drawn.image, "jpg"), None)
            continue
        write_mask(lesions / f"{drawn.case}.png", drawn, True)
        tally.seen(drawn, top / "images_896x896" / f"{name}.jpg")
    return tally.expected(no_label=without)
