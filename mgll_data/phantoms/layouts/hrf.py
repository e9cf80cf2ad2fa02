"""HRF: pictures named by number and group, and pairs named good and bad."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR, UNGRADABLE

CASES: dict[str, dict[str, float]] = {
    "h": {},
    "dr": ICDR["2"],
    "g": {"disc_cupping": 0.9},
    "good": {},
    "bad": UNGRADABLE,
}
ENDINGS = {"h": "jpg", "dr": "JPG", "g": "jpg", "good": "JPG", "bad": "JPG"}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, the five kinds in turn."""
    tally = Tally()
    for drawn in photographs("hrf", count, seed, CASES):
        number = drawn.number // 5 + 1 + 500 * drawn.unit.is_copy  # a copy would take the name of what it repeats
        paired = drawn.case in ("good", "bad")
        name = f"{number}_{drawn.case}" if paired else f"{number:02d}_{drawn.case}"
        tally.seen(drawn, out / ("quality" if paired else "images") / f"{name}.{ENDINGS[drawn.case]}")
    return tally.expected()
