"""DRIMDB: a folder per quality; names hold blanks and brackets, and the outliers are no photographs of the fundus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import UNGRADABLE
from mgll_data.phantoms.writing import encode, place

CASES: dict[str, dict[str, float]] = {"good": {}, "bad": UNGRADABLE}
OUTLIERS = 3


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures and three outliers."""
    tally = Tally()
    for drawn in photographs("drimdb", count, seed, CASES):
        tally.seen(drawn, out / drawn.case.title() / f"drimdb_{drawn.case} ({drawn.number + 1}).jpg")
    for number in range(OUTLIERS):
        front = np.full((120, 160, 3), (200, 170 - 20 * number, 150), np.uint8)
        place(out / "Outlier" / f"drimdb_outlier ({number + 1}).jpg", encode(front, "jpg"), None)
    return tally.expected(not_fundus=OUTLIERS)
