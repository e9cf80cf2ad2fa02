"""ACRIMA: one folder of pictures whose names tell the class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs

CASES: dict[str, dict[str, float]] = {"": {}, "_g": {"disc_cupping": 0.9}}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures."""
    tally = Tally()
    for drawn in photographs("acrima", count, seed, CASES):
        tally.seen(drawn, out / "Database/Images" / f"Im{drawn.number + 1:03d}{drawn.case}_ACRIMA.jpg")
    return tally.expected()
