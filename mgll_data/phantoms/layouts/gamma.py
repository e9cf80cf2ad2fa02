"""GAMMA: a sheet with a column per stage, and beside each photograph a folder of OCT slices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import encode, place, workbook

CASES: dict[str, dict[str, float]] = {"non": {}, "early": {"disc_cupping": 0.4}, "mid_advanced": {"disc_cupping": 1.0}}
SLICES = 2  # of 256 in the source


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` photographs, with two slices each."""
    tally = Tally()
    rows: list[list[Any]] = [["data", *CASES]]
    for drawn in photographs("gamma", count, seed, CASES):
        name = f"{drawn.number + 1:04d}"
        rows.append([drawn.number + 1, *(int(drawn.case == stage) for stage in CASES)])
        folder = out / "multi-modality_images" / name
        tally.placed(drawn, folder / f"{name}.jpg")
        for number in range(SLICES):
            place(folder / name / f"{number}_image.jpg", encode(drawn.image[::4, ::4, 1], "jpg"), None)
    workbook(out / "glaucoma_grading_training_GT.xlsx", {"Sheet1": rows})
    return tally.expected(not_fundus=SLICES * count)
