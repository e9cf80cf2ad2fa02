"""ADAM: two folders of pictures named by class, and lesion masks in which black is lesion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import write_dark_mask

CASES: dict[str, dict[str, float]] = {
    "A": {"drusen": 0.8, "choroidal_neovascularization": 0.6},
    "N": {},
}
FOLDERS = {"A": "AMD", "N": "Non-AMD"}
LESIONS = ("drusen", "exudate", "hemorrhage", "others", "scar")


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures; those with the disease have masks, the last of which is blank."""
    tally = Tally()
    for drawn in photographs("adam", count, seed, CASES):
        name = f"{drawn.case}{drawn.number + 1:04d}"
        tally.seen(drawn, out / "Training400" / FOLDERS[drawn.case] / f"{name}.jpg")
        for lesion in LESIONS if drawn.case == "A" else ():
            folder = out / "Training400-Lesion/Lesion_Masks" / lesion
            write_dark_mask(folder / f"{name}.bmp", drawn, lesion != "scar")
    return tally.expected()
