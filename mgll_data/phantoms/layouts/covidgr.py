"""COVIDGR: two folders, N and P."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.drawn import Tally, films

CASES = {"N": (), "P": (Finding("covid", 2, "both"),)}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films."""
    tally = Tally()
    for drawn in films("covidgr", count, seed, CASES):
        tally.seen(drawn, out / "revised-images" / drawn.case / f"{drawn.case.lower()}-{drawn.number + 1}.jpg")
    return tally.expected()
