"""MuReD: two tables of twenty columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import DISEASES
from mgll_data.phantoms.writing import table

COLUMNS = (
    "DR",
    "NORMAL",
    "MH",
    "ODC",
    "TSLN",
    "ARMD",
    "DN",
    "MYA",
    "BRVO",
    "ODP",
    "CRVO",
    "CNV",
    "RS",
    "ODE",
    "LS",
    "CSR",
    "HTR",
    "ASR",
    "CRS",
    "OTHER",
)
CASES: dict[str, dict[str, float]] = {
    "NORMAL": {},
    "DR": DISEASES["dr"],
    "MH": {"media_haze": 0.8},
    "ARMD": DISEASES["amd"],
    "BRVO": DISEASES["vein"],
    "CSR": DISEASES["central_serous"],
    "HTR": DISEASES["htr"],
    "TSLN": {"tessellation": 0.8},
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, every fifth to the validation table."""
    rows: dict[str, list[list[object]]] = {"train": [], "val": []}
    tally = Tally()
    for drawn in photographs("mured", count, seed, CASES):
        split = "val" if drawn.number % 5 == 4 else "train"
        rows[split].append([drawn.number, *(int(column == drawn.case) for column in COLUMNS)])
        tally.placed(drawn, out / "images" / f"{drawn.number}.png")
    for split, lines in rows.items():
        table(out / f"{split}_data.csv", ",".join(("ID", *COLUMNS)), lines)
    return tally.expected()
