"""Retina (jr2ngb): four folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import DISEASES, HEALTHY

CASES = {
    "1_normal": HEALTHY,
    "2_cataract": DISEASES["cataract"],
    "2_glaucoma": DISEASES["glaucoma"],
    "3_retina_disease": DISEASES["dr"],
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures into the four folders."""
    tally = Tally()
    for drawn in photographs("retina_cataract", count, seed, CASES):
        tally.seen(drawn, out / "dataset" / drawn.case / f"{drawn.case[2:4].upper()}_{drawn.number:03d}.png")
    return tally.expected()
