"""IDRiD, part A: two sets, a folder of masks for each lesion, no file where a lesion is absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import write_mask

CODES = {
    "1. Microaneurysms": ("MA", "microaneurysms"),
    "2. Haemorrhages": ("HE", "blot_hemorrhages"),
    "3. Hard Exudates": ("EX", "far_exudates"),
    "4. Soft Exudates": ("SE", "cotton_wool_spots"),
}
CASES = {
    "all": {"microaneurysms": 0.7, "blot_hemorrhages": 0.2, "far_exudates": 0.8, "cotton_wool_spots": 0.6},
    "few": {"microaneurysms": 0.7, "far_exudates": 0.7},
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, every third to the testing set, numbered on from those of the training set."""
    tally = Tally()
    for drawn in photographs("idrid_segmentation", count, seed, CASES):
        folder = "b. Testing Set" if drawn.number % 3 == 2 else "a. Training Set"
        name = f"IDRiD_{drawn.number + 1:02d}"
        top = out / "A. Segmentation"
        tally.seen(drawn, top / "1. Original Images" / folder / f"{name}.jpg")
        for lesion, (code, finding) in CODES.items():
            if finding in CASES[drawn.case]:
                write_mask(
                    top / "2. All Segmentation Groundtruths" / folder / lesion / f"{name}_{code}.tif", drawn, True
                )
    return tally.expected()
