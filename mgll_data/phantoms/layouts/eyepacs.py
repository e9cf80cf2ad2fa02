"""EyePACS: one picture an eye, named by patient and side; two label files, the second with one column more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR
from mgll_data.phantoms.writing import table


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, two to a patient; every fifth patient is in the test set. Sides are those drawn."""
    rows: dict[str, list[list[str]]] = {"train": [], "test": []}
    tally = Tally()
    for drawn in photographs("eyepacs", count, seed, ICDR):
        patient = drawn.number // 2 + 10
        split = "test" if patient % 5 == 0 else "train"
        name = f"{patient}_{('left', 'right')[drawn.number % 2]}"
        rows[split].append([name, drawn.case, "Public"][: 3 if split == "test" else 2])
        tally.placed(drawn, out / split / f"{name}.jpeg")
    table(out / "trainLabels.csv", "image,level", rows["train"])
    table(out / "testLabels.csv", "image,level,Usage", rows["test"])
    return tally.expected()
