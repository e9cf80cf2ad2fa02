"""FIVES: letters in the names, vessel masks in a folder whose name is misspelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import DISEASES, HEALTHY, write_mask

CASES = {"A": DISEASES["amd"], "D": DISEASES["dr"], "G": DISEASES["glaucoma"], "N": HEALTHY}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, every fourth block of four to the test set, each with a mask."""
    tally = Tally()
    for drawn in photographs("fives", count, seed, CASES):
        split = "test" if drawn.number // 4 % 4 == 3 else "train"
        name = f"{drawn.number + 1}_{drawn.case}.png"
        tally.seen(drawn, out / split / "Original" / name)
        write_mask(out / split / "Groud truth" / name, drawn, True)
    return tally.expected()
