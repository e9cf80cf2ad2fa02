"""ORIGA: a table with the eye, the set and the cup-to-disc ratio of each picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import table

CASES: dict[str, dict[str, float]] = {"0": {}, "1": {"disc_cupping": 0.9}}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures."""
    tally, rows = Tally(), []
    for drawn in photographs("origa", count, seed, CASES):
        name, eye = f"{drawn.number + 1:03d}.jpg", "OD" if drawn.laterality == "right" else "OS"
        ratio = f"{drawn.rng.uniform(0.7, 0.9) if drawn.case == '1' else drawn.rng.uniform(0.2, 0.5):.4f}"
        rows.append([eye, name, ratio, "AB"[drawn.number % 2], drawn.case])
        tally.placed(drawn, out / "Images" / name)
    table(out / "OrigaList.csv", "Eye,Filename,ExpCDR,Set,Glaucoma", rows)
    return tally.expected()
