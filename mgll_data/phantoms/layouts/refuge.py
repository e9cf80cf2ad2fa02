"""REFUGE: training pictures named by their class, and sheets for the validation and the test set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import workbook

CASES: dict[str, dict[str, float]] = {"g": {"disc_cupping": 0.9}, "n": {}}
FOLDERS = {"g": "Training400/Glaucoma", "n": "Training400/Non-Glaucoma"}
VAL = ["ID", "ImgName", "Fovea_X", "Fovea_Y", "Glaucoma Label"]
TEST = ["ID", "ImgName", "Label(Glaucoma=1)", "Fovea_X", "Fovea_Y"]


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures: half for training, a quarter each for validation and test."""
    tally = Tally()
    val: list[list[Any]] = [VAL]
    test: list[list[Any]] = [TEST]
    for drawn in photographs("refuge", count, seed, CASES):
        number, part = drawn.number + 1, drawn.number % 4
        label = int(drawn.case == "g")
        if part < 2:
            tally.seen(drawn, out / FOLDERS[drawn.case] / f"{drawn.case}{number:04d}.jpg")
        elif part == 2:
            val.append([number, f"V{number:04d}.jpg", 812.5, 790.25, label])
            tally.placed(drawn, out / "REFUGE-Validation400" / f"V{number:04d}.jpg")
        else:
            test.append([number, f"T{number:04d}.jpg", label, 801.5, 777.0])
            tally.placed(drawn, out / "Test400" / f"T{number:04d}.jpg")
    workbook(out / "REFUGE-Validation400-GT" / "Fovea_locations.xlsx", {"Sheet1": val})
    workbook(out / "REFUGE-Test-GT" / "Glaucoma_label_and_Fovea_location.xlsx", {"Sheet1": test})
    return tally.expected()
