"""RIM-ONE DL: every picture twice, in two partitions with the same folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import encode, place

CASES: dict[str, dict[str, float]] = {"normal": {}, "glaucoma": {"disc_cupping": 0.9}}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures into both partitions, of which one is read."""
    tally = Tally()
    for drawn in photographs("rim_one_dl", count, seed, CASES):
        name = f"r{drawn.number % 3 + 1}_Im{drawn.number + 1:03d}.png"
        part = "test_set" if drawn.number // 2 % 3 == 2 else "training_set"
        other = "test_set" if drawn.number // 2 % 3 == 1 else "training_set"
        tally.seen(drawn, out / "partitioned_by_hospital" / part / drawn.case / name)
        place(out / "partitioned_randomly" / other / drawn.case / name, encode(drawn.image, "png"), None)
    return tally.expected()
