"""DDR, lesion segmentation: four masks for every picture, blank ones too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import write_mask
from mgll_data.phantoms.writing import encode, place

CASES = {
    "EX": {"far_exudates": 0.8},
    "HE": {"blot_hemorrhages": 0.3},
    "MA": {"microaneurysms": 0.8},
    "SE": {"cotton_wool_spots": 0.8},
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, each with one lesion and three blank masks; every twelfth has four blank ones."""
    tally, without = Tally(), 0
    for drawn in photographs("ddr_segmentation", count, seed, CASES):
        split = ("train", "train", "valid", "test")[drawn.number % 4]
        name, blank = f"007-{drawn.number + 1774:04d}-100", drawn.number % 12 == 5
        place(
            out / "lesion_segmentation" / split / "image" / f"{name}.jpg",
            encode(drawn.image, "jpg"),
            None if blank else drawn.unit.damage,
        )
        if blank:
            without += 1
        elif drawn.unit.damage != "missing_image":
            tally.counted(drawn)
        for lesion in CASES:
            path = out / "lesion_segmentation" / split / "label" / lesion / f"{name}.tif"
            write_mask(path, drawn, lesion == drawn.case and not blank)
    return tally.expected(no_label=without)
