"""Drishti-GS1: a sheet with three lines above its header and one below, and file names that end with an apostrophe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import workbook

CASES: dict[str, dict[str, float]] = {"Normal": {}, "Glaucomatous": {"disc_cupping": 0.9}}
HEADER = [
    "Patient ID",
    "Drishti-GS File",
    "Marking 1",
    "Marking 2",
    "Marking 3",
    "Marking 4",
    "Marking 5",
    "Sum",
    "Total",
]


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, the first half for training; every fourth patient has two."""
    tally = Tally()
    top: list[list[Any]] = [["Drishti-GS1 diagnosis"], [None], ["N: normal, G: glaucoma"]]
    rows = [*top, HEADER, [None, None, "Expert 1", "Expert 2", "Expert 3", "Expert 4", "Expert 5", None, None]]
    for drawn in photographs("drishti_gs", count, seed, CASES):
        name, folder = f"drishtiGS_{drawn.number + 1:03d}", "Training" if drawn.number < count // 2 else "Test"
        patient = drawn.number - (drawn.number % 4 == 1)
        rows.append([patient, f"{name}'", *[drawn.case[0]] * 5, 5, drawn.case])
        tally.placed(drawn, out / "Drishti-GS1_files" / folder / "Images" / f"{name}.png")
    workbook(out / "Drishti-GS1_diagnosis.xlsx", {"Sheet1": rows})
    return tally.expected()
