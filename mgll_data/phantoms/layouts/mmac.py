"""MMAC: two numbered sets of pictures, each with its table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import table

CASES: dict[str, dict[str, float]] = {
    "0": {},
    "1": {"tessellation": 0.8},
    "2": {"tessellation": 0.6, "myopic_crescent": 0.6},
    "3": {"patchy_atrophy": 0.6},
    "4": {"patchy_atrophy": 1.0, "macular_scar": 0.8},
}
SETS = {"train": ("1. Training Set", "Training"), "val": ("2. Validation Set", "Validation")}
HEADER = "image,myopic_maculopathy_grade,age,sex,height,weight,data_center"


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, every fifth for validation; some ages are not known."""
    tally = Tally()
    rows: dict[str, list[list[Any]]] = {split: [] for split in SETS}
    for drawn in photographs("mmac", count, seed, CASES):
        split = "val" if drawn.number % 5 == 4 - drawn.number // 5 % 5 else "train"
        name = f"mmac_task_1_{split}_{len(rows[split]) + 1:04d}.png"
        rows[split].append([name, drawn.case, "" if drawn.number % 4 == 0 else 55, 0, "", "", 1])
        tally.placed(drawn, out / "1. Images" / SETS[split][0] / name)
    for number, (split, lines) in enumerate(rows.items(), start=1):
        path = (
            out
            / "2. Groundtruths"
            / f"{number}. MMAC2023_Myopic_Maculopathy_Classification_{SETS[split][1]}_Labels.csv"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        table(path, HEADER, lines)
    return tally.expected()
