"""Eye Disease Image Dataset: a folder per class (no detachment: none can be drawn); one shows the front of the eye."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import DISEASES
from mgll_data.phantoms.writing import encode, place

CASES: dict[str, dict[str, float]] = {
    "Central Serous Chorioretinopathy [Color Fundus]": DISEASES["central_serous"],
    "Diabetic Retinopathy": DISEASES["dr"],
    "Disc Edema": {"disc_edema": 0.8},
    "Glaucoma": DISEASES["glaucoma"],
    "Healthy": {},
    "Macular Scar": {"macular_scar": 0.8},
    "Myopia": DISEASES["myopia"],
    "Retinitis Pigmentosa": {"retinitis_pigmentosa": 0.8},
}
PTERYGIA = 2


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures and two of the front of an eye."""
    tally = Tally()
    for drawn in photographs("eye_disease_10", count, seed, CASES):
        short = "".join(word[0] for word in drawn.case.split()[:3])
        tally.seen(drawn, out / "Original Dataset" / drawn.case / f"{short}{drawn.number + 1}.jpg")
    for number in range(PTERYGIA):
        front = np.full((120, 160, 3), (210, 180, 160 - 30 * number), np.uint8)
        place(out / "Original Dataset/Pterygium" / f"Pterygium{number + 1}.jpg", encode(front, "jpg"), None)
    return tally.expected(not_fundus=PTERYGIA)
