"""CheXpert-v1.0-small: JPEGs in folders of set, patient and study, a table for each set, views in the file names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.chexpert_labels import CASES, cells
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import table
from mgll_data.sources.chexpert import OBSERVATIONS

TOP = "CheXpert-v1.0-small"
SILENT = 22  # number of the film of which nothing is said
HEADER = ",".join(("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *OBSERVATIONS))


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Writes `count` films, one in eight into the validation set. One film has no observation at all."""
    tally, silent = Tally(), 0
    rows: dict[str, list[list[object]]] = {"train": [], "valid": []}
    for film in films("chexpert", count, seed, CASES, views=("ap", "pa", "lateral")):
        part = "valid" if film.number % 8 == 7 else "train"
        plane = "lateral" if film.view == "lateral" else "frontal"
        name = f"{part}/patient{film.number // 2 + 1:05d}/study{film.number % 2 + 1}/view1_{plane}.jpg"
        facts = ["Female" if film.number % 2 else "Male", 20 + film.number % 60, plane.title()]
        facts.append("" if plane == "lateral" else film.view.upper())
        observed = cells(film.case, film.unit.shows)
        if film.number == SILENT:
            observed, silent = [""] * len(OBSERVATIONS), 1
            tally.read -= 1
        rows[part].append([f"{TOP}/{name}", *facts, *observed])
        tally.placed(film, out / TOP / name)
    for part, lines in rows.items():
        table(out / TOP / f"{part}.csv", HEADER, lines)
    return tally.expected(no_label=silent)
