"""AGAR300: one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures with microaneurysms."""
    tally = Tally()
    for drawn in photographs("agar300", count, seed, {"microaneurysms": {"microaneurysms": 0.9}}):
        tally.seen(drawn, out / "img" / f"{drawn.number + 1}.jpg")
    return tally.expected()
