"""ScarDat: three sets, in each a folder with scars and one without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs

CASES: dict[str, dict[str, float]] = {"negative": {}, "positive": {"laser_scars": 0.8}}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures."""
    tally = Tally()
    for drawn in photographs("scardat", count, seed, CASES):
        part = ("train", "train", "val", "test")[drawn.number // 2 % 4]
        tally.seen(drawn, out / part / drawn.case / f"{drawn.number:05d}.jpg")
    return tally.expected()
