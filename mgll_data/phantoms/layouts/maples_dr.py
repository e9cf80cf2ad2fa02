"""MAPLES-DR: two folders with a diagnosis table and masks for each structure; pictures beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import HEALTHY, ICDR, UNGRADABLE, write_mask
from mgll_data.phantoms.writing import table

CASES = {
    "R0,M0": HEALTHY,
    "R1,M0": {"microaneurysms": 0.6},
    "R2,M1": {"microaneurysms": 0.6, "blot_hemorrhages": 0.2, "far_exudates": 0.8},
    "R3,M2": {**ICDR["3"], "macular_exudates": 0.8},
    "R4A,M0": ICDR["4"],
    "R6,M6": UNGRADABLE,
}
LESIONS = {
    "Microaneurysms": ("microaneurysms",),
    "Hemorrhages": ("blot_hemorrhages",),
    "Exudates": ("far_exudates", "macular_exudates"),
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, every third to the test set. Each has every mask, blank where the lesion is absent."""
    rows: dict[str, list[list[str]]] = {"train": [], "test": []}
    tally = Tally()
    for drawn in photographs("maples_dr", count, seed, CASES):
        split = "test" if drawn.number % 3 == 2 else "train"
        name = f"20051019_{drawn.number + 38000}_0100_PP"
        rows[split].append([name, *drawn.case.split(",")])
        tally.placed(drawn, out / "images" / f"{name}.tif")
        for folder, findings in LESIONS.items():
            marked = any(finding in CASES[drawn.case] for finding in findings)
            write_mask(out / split / folder / f"{name}.png", drawn, marked)
    for split, lines in rows.items():
        table(out / split / "diagnosis.csv", "name,DR,ME", lines)
    return tally.expected()
