"""BEH: a folder per class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs

CASES: dict[str, dict[str, float]] = {"normal": {}, "glaucoma": {"disc_cupping": 0.9}}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures."""
    tally = Tally()
    for drawn in photographs("beh", count, seed, CASES):
        tally.seen(drawn, out / drawn.case / f"IM{drawn.number // 2 + 1:06d} ({drawn.number % 2 + 1}).JPG")
    return tally.expected()
