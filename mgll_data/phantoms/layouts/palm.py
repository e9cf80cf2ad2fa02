"""PALM: training pictures named by class with masks in which black is lesion, and a sheet for validation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import write_dark_mask
from mgll_data.phantoms.writing import workbook

CASES: dict[str, dict[str, float]] = {
    "P": {"patchy_atrophy": 0.8, "myopic_crescent": 0.8},
    "H": {"tessellation": 0.8},
    "N": {},
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, every fourth for validation."""
    tally = Tally()
    rows: list[list[Any]] = [["ID", "imgName", "Label", "Fovea_X", "Fovea_Y"]]
    for drawn in photographs("palm", count, seed, CASES):
        number = drawn.number + 1
        if drawn.number % 4 == 3:
            rows.append([number, f"V{number:04d}.jpg", int(drawn.case == "P"), 1030.5, 990.0])
            tally.placed(drawn, out / "PALM-Validation400" / f"V{number:04d}.jpg")
            continue
        name = f"{drawn.case}{number:04d}"
        tally.seen(drawn, out / "PALM-Training400" / f"{name}.jpg")
        for lesion in ("Atrophy", "Detachment") if drawn.case == "P" else ():
            folder = out / "PALM-Training400-Annotation-Lession/Lesion_Masks" / lesion
            write_dark_mask(folder / f"{name}.bmp", drawn, lesion == "Atrophy")
    workbook(out / "PALM-Validation-GT/PM_Label_and_Fovea_Location.xlsx", {"Sheet1": rows})
    return tally.expected()
