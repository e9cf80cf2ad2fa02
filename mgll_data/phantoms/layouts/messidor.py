"""Messidor: twelve bases, each with its sheet, whose last header ends in a space."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR
from mgll_data.phantoms.writing import workbook

BASES = ("11", "12", "13", "14", "21", "22", "23", "24", "31", "32", "33", "34")


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures over the twelve bases; grade 3 is drawn as proliferative disease."""
    cases = {"0": ICDR["0"], "1": ICDR["1"], "2": ICDR["2"], "3": ICDR["4"]}
    rows: dict[str, list[list[object]]] = {base: [] for base in BASES}
    tally = Tally()
    for drawn in photographs("messidor", count, seed, cases):
        base = BASES[drawn.number % 12]
        name = f"2005{drawn.number % 12 + 1:02d}20_{drawn.number + 38000}_0100_PP.tif"
        rows[base].append([name, "Service Ophtalmologie", int(drawn.case), drawn.number % 3 if drawn.case > "1" else 0])
        tally.placed(drawn, out / f"Base{base}" / name)
    header = ["Image name", "Ophthalmologic department", "Retinopathy grade", "Risk of macular edema "]
    for base, lines in rows.items():
        workbook(out / f"Annotation_Base{base}.xlsx", {"Feuil1": [header, *lines]})
    return tally.expected()
