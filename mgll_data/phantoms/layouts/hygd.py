"""HYGD: one folder of pictures named by patient and number, and a table with a model's score of quality."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import table

CASES: dict[str, dict[str, float]] = {"GON-": {}, "GON+": {"disc_cupping": 0.9}}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, two of a patient."""
    tally, rows = Tally(), []
    for drawn in photographs("hygd", count, seed, CASES):
        patient = drawn.number // 2
        name = f"{patient}_{drawn.number % 2}.jpg"
        rows.append([name, patient, drawn.case, f"{drawn.rng.uniform(2, 8):.2f}"])
        tally.placed(drawn, out / "Images" / name)
    table(out / "Labels.csv", "Image Name,Patient,Label,Quality Score", rows)
    return tally.expected()
