"""ARIA: three folders, and the thumbnails that Windows leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import DISEASES, HEALTHY
from mgll_data.phantoms.writing import place

CASES = {"aria_a_markups": DISEASES["amd"], "aria_c_markups": HEALTHY, "aria_d_markups": DISEASES["dr"]}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures into the three folders."""
    tally = Tally()
    for drawn in photographs("aria", count, seed, CASES):
        tally.seen(drawn, out / drawn.case / f"{drawn.case[:6]}_{drawn.number}_1.tif")
        place(out / drawn.case / "Thumbs.db", b"thumbs", None)
    return tally.expected()
