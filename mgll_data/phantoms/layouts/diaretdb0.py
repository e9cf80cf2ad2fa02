"""DIARETDB0: a line of five words for each picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs

LESIONS = ("redsmalldots", "hemorrhages", "hardexudates", "softexudates", "neovascularisation")
DRAWN = {
    "redsmalldots": ("microaneurysms", 0.8),
    "hemorrhages": ("blot_hemorrhages", 0.3),
    "hardexudates": ("far_exudates", 0.8),
    "softexudates": ("cotton_wool_spots", 0.8),
    "neovascularisation": ("neovascularization_elsewhere", 0.8),
}
CASES = {" ".join(LESIONS[:n]): dict(DRAWN[lesion] for lesion in LESIONS[:n]) for n in range(6)}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures with none to five lesions."""
    tally = Tally()
    for drawn in photographs("diaretdb0", count, seed, CASES):
        name = f"image{drawn.number + 1:03d}"
        tally.placed(drawn, out / "diaretdb0_fundus_images" / f"{name}.png")
        path = out / "diaretdb0_groundtruths" / f"{name}.dot"
        path.parent.mkdir(parents=True, exist_ok=True)
        words = (lesion if lesion in drawn.case.split() else "n/a" for lesion in LESIONS)
        path.write_text(" ".join(words) + "\n", encoding="utf-8")
    return tally.expected()
