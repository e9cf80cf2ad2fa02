"""AIROGS: pictures in numbered folders, and a table of two columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import UNGRADABLE
from mgll_data.phantoms.writing import table

CASES: dict[str, dict[str, float]] = {"NRG": {}, "RG": {"disc_cupping": 0.9}, "U": UNGRADABLE}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures over six folders."""
    tally, rows = Tally(), []
    for drawn in photographs("airogs", count, seed, CASES):
        name = f"TRAIN{drawn.number:06d}"
        rows.append([name, drawn.case])
        tally.placed(drawn, out / str(drawn.number % 6) / f"{name}.jpg")
    out.mkdir(parents=True, exist_ok=True)
    table(out / "train_labels.csv", "challenge_id,class", rows)
    return tally.expected()
