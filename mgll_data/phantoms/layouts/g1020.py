"""G1020: one folder of pictures and a table of two columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import table

CASES: dict[str, dict[str, float]] = {"0": {}, "1": {"disc_cupping": 0.9}}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures."""
    tally, rows = Tally(), []
    for drawn in photographs("g1020", count, seed, CASES):
        name = f"image_{drawn.number}.jpg"
        rows.append([name, drawn.case])
        tally.placed(drawn, out / "Images" / name)
    table(out / "G1020.csv", "imageID,binaryLabels", rows)
    return tally.expected()
