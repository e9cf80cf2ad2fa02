"""DR HAGIS: forty numbered pictures in four groups of ten, two of them the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import DISEASES
from mgll_data.phantoms.writing import encode, place

CASES = [DISEASES["glaucoma"]] * 10 + [{}] * 10 + [DISEASES["dr"]] * 10 + [DISEASES["amd"]] * 10
NUMBERS = 40


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, at most the 40 that there are, from each group in turn, with field masks."""
    tally = Tally()
    order = [10 * (n % 4) + n // 4 for n in range(NUMBERS)]
    cases = {str(index + 1): CASES[index] for index in order}
    for drawn in photographs("dr_hagis", min(count, NUMBERS), seed, cases):
        name = str(order[drawn.number] + 1)
        tally.seen(drawn, out / "Fundus_Images" / f"{name}.jpg")
        place(out / "Mask_images" / f"{name}_mask_orig.png", encode(drawn.image[:, :, 0], "png"), None)
    return tally.expected()
