"""EyePACS-AIROGS-light-V2: three sets, in each a folder per class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs

CASES: dict[str, dict[str, float]] = {"NRG": {}, "RG": {"disc_cupping": 0.9}}
SETS = ("train", "train", "validation", "test")


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures; both classes stand in every set."""
    tally = Tally()
    for drawn in photographs("airogs_light", count, seed, CASES):
        part = SETS[drawn.number // 2 % 4]
        tally.seen(drawn, out / part / drawn.case / f"EyePACS-{part.upper()}-{drawn.case}-{drawn.number}.jpg")
    return tally.expected()
