"""Glaucoma images on the Harvard Dataverse: a folder per stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs

CASES: dict[str, dict[str, float]] = {
    "normal_control": {},
    "early_glaucoma": {"disc_cupping": 0.4},
    "advanced_glaucoma": {"disc_cupping": 1.0},
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures."""
    tally = Tally()
    for drawn in photographs("harvard_glaucoma", count, seed, CASES):
        tally.seen(drawn, out / drawn.case / f"{drawn.number + 1}.png")
    return tally.expected()
