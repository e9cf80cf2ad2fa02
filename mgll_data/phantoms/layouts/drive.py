"""DRIVE: pictures numbered over two sets, with masks beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import encode, place

BACKGROUND = {"microaneurysms": 0.5}
CASES: dict[int, dict[str, float]] = {
    **{number: BACKGROUND for number in (3, 14, 17, 26, 32)},
    **{number: {"pigment_changes": 0.7} for number in (8, 25)},
}
NUMBERS = 40


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, at most the 40 that there are."""
    tally = Tally()
    cases = {str(number): CASES.get(number, {}) for number in range(1, NUMBERS + 1)}
    for drawn in photographs("drive", min(count, NUMBERS), seed, cases):
        name, folder = f"{drawn.number + 1:02d}", "test" if drawn.number < NUMBERS // 2 else "training"
        tally.seen(drawn, out / folder / "images" / f"{name}_{folder}.tif")
        place(out / folder / "1st_manual" / f"{name}_manual1.tif", encode(drawn.image[:, :, 1], "tif"), None)
    return tally.expected()
