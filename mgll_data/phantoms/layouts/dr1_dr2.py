"""DR1 and DR2: seven folders; a photograph with two lesions lies in two of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import place

CASES: dict[str, dict[str, float]] = {
    "Cotton-wool Spots": {"cotton_wool_spots": 0.8},
    "Deep Hemorrhages": {"blot_hemorrhages": 0.3},
    "Drusen": {"drusen": 0.8},
    "Hard Exudates": {"far_exudates": 0.8},
    "Normal Images": {},
    "Red Lesions": {"microaneurysms": 0.8},
    "Superficial Hemorrhages": {"flame_hemorrhages": 0.8},
    "Hard Exudates,Red Lesions": {"far_exudates": 0.7, "microaneurysms": 0.8},
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` photographs; every eighth lies in two folders."""
    tally, again = Tally(), 0
    for drawn in photographs("dr1_dr2", count, seed, CASES):
        first, *others = (out / folder / f"IMG{drawn.number:04d}.jpg" for folder in drawn.case.split(","))
        tally.seen(drawn, first)
        for path in others if first.is_file() else ():
            place(path, first.read_bytes(), None)
            again += 1
    return tally.expected(unlisted=again)
