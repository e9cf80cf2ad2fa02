"""FUND-OCT: two regions, a folder for each class, patient and examination; an OCT scan beside each photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import DISEASES, HEALTHY
from mgll_data.phantoms.writing import encode, place

CASES = {
    "OD/Glaucoma": DISEASES["glaucoma"],
    "OD/Healthy": HEALTHY,
    "Macula/acute CSR": DISEASES["central_serous"],
    "Macula/ci-DME": {"macular_exudates": 0.8},
    "Macula/geographic_AMD": {"geographic_atrophy": 0.8},
    "Macula/neovascular_AMD": DISEASES["wet_amd"],
    "Macula/Healthy": HEALTHY,
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` photographs; every fourth examination has an OCT scan (a grey strip) too."""
    tally, scans = Tally(), 0
    for drawn in photographs("fund_oct", count, seed, CASES):
        folder = out / "Dataset" / drawn.case / f"P{drawn.number // 2}" / "1"
        tally.seen(drawn, folder / f"{drawn.number}_Color_R_001.jpg")
        if drawn.number % 4 == 0:
            place(folder / f"{drawn.number}_3DOCT_001.jpg", encode(drawn.image[:64, :, 0], "jpg"), None)
            scans += 1
    return tally.expected(not_fundus=scans)
