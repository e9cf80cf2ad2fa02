"""EDDFS: two tables with a column for each disease."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import DISEASES, HEALTHY
from mgll_data.phantoms.writing import table

COLUMNS = "fnames,normal,DR,AMD,glaucoma,myopia,RVO,LS,hyper,others"
CASES = {
    "normal": HEALTHY,
    "DR": DISEASES["dr"],
    "AMD": DISEASES["amd"],
    "glaucoma": DISEASES["glaucoma"],
    "myopia": DISEASES["myopia"],
    "RVO": DISEASES["vein"],
    "LS": {"laser_scars": 0.8},
    "hyper": DISEASES["htr"],
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, every fifth to the test table; retinopathy has grade 2."""
    rows: dict[str, list[list[object]]] = {"train": [], "test": []}
    tally = Tally()
    for drawn in photographs("eddfs", count, seed, CASES):
        name = f"{drawn.number:06d}.jpg"
        values = [(1 + (column == "DR")) * (column == drawn.case) for column in COLUMNS.split(",")[1:]]
        rows["test" if drawn.number % 5 == 4 else "train"].append([name, *values])
        tally.placed(drawn, out / "OriginalImages" / name)
    for split, lines in rows.items():
        path = out / "Annotation" / f"{split}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        table(path, COLUMNS, lines)
    return tally.expected()
