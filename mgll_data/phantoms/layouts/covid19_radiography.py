"""COVID-19 Radiography Database: four class folders, each with pictures and lung masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import place

CASES = {
    "COVID": (Finding("covid", 2, "both"),),
    "Lung_Opacity": (Finding("consolidation"),),
    "Normal": (),
    "Viral Pneumonia": (Finding("infiltration", 2, "both"),),
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films and a mask for each, which is not read."""
    tally = Tally()
    for drawn in films("covid19_radiography", count, seed, CASES, side=288):
        folder = out / "COVID-19_Radiography_Dataset" / drawn.case
        name = f"{drawn.case}-{drawn.number + 1}.png"
        tally.seen(drawn, folder / "images" / name)
        place(folder / "masks" / name, b"\x89PNG", None)
    return tally.expected()
