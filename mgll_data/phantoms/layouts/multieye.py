"""MultiEYE: a list for each set, all pictures in one folder, OCT scans in a twin tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import DISEASES, HEALTHY
from mgll_data.phantoms.writing import encode, place

CASES = {
    "0": HEALTHY,
    "1": DISEASES["amd"],
    "2": DISEASES["central_serous"],
    "3": DISEASES["dr"],
    "4": DISEASES["glaucoma"],
    "5": DISEASES["membrane"],
    "6": DISEASES["vein"],
    "7": DISEASES["wet_amd"],
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` photographs over the three lists, and one OCT scan."""
    lines: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    tally = Tally()
    for drawn in photographs("multieye", count, seed, CASES):
        name = f"img_{drawn.number:05d}.jpg"
        lines[("train", "train", "dev", "test")[drawn.number // 8 % 4]].append(f"{name} {drawn.case}\n")
        tally.placed(drawn, out / "assemble" / "train" / "ImageData" / name)
        if not drawn.number:
            place(out / "assemble_oct/train/ImageData/oct_1.jpg", encode(drawn.image[:64, :, 0], "jpg"), None)
    for split, rows in lines.items():
        place(out / "assemble" / split / "large9cls.txt", "".join(rows).encode(), None)
    return tally.expected(not_fundus=1)
