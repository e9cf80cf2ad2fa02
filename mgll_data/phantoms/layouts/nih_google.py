"""Google's relabels of NIH films: the NIH columns with four YES or NO columns behind them, in two tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.layouts.nih_cxr14 import ENTRY_HEADER
from mgll_data.phantoms.writing import table

COLUMNS = ("Fracture", "Pneumothorax", "Airspace opacity", "Nodule or mass")
CASES = {
    "No Finding": (),
    "Fracture": (Finding("rib_fracture", 3, "left"),),
    "Pneumothorax": (Finding("pneumothorax", 3, "right"),),
    "Airspace opacity": (Finding("consolidation", 2, "right"),),
    "Nodule or mass": (Finding("mass", 2, "left"),),
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Writes `count` films under NIH's names, every second one in the test table."""
    tally = Tally()
    rows: dict[str, list[list[object]]] = {"validation_labels.csv": [], "test_labels.csv": []}
    for film in films("nih_google", count, seed, CASES, views=("pa", "ap")):
        patient = film.number // 3 + 13
        name = f"{patient:08d}_{film.number % 3:03d}.png"
        nih = [name, "No Finding", film.number % 3, patient, 30 + patient % 50, "MF"[patient % 2], film.view.upper()]
        judged = ["YES" if column == film.case else "NO" for column in COLUMNS]
        part = list(rows)[film.unit.shows % 2]
        rows[part].append([*nih, 2500, 2048, 0.168, 0.168, *judged])
        tally.placed(film, out / "images" / name)
    for part, lines in rows.items():
        table(out / part, ",".join((ENTRY_HEADER, *COLUMNS)), lines)
    return tally.expected()
