"""PAPILA: a sheet for the right eyes and one for the left, each with three header rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import workbook

CASES: dict[str, dict[str, float]] = {"0": {}, "1": {"disc_cupping": 0.9}, "2": {"disc_cupping": 0.4}}
TOP = [None, "Age", "Gender", "Diagnosis", "Refractive_Defect", None, None, "Phakic/Pseudophakic", "IOP", None]
TOP += ["Pachymetry", "Axial_Length", "VF_MD"]
NAMES = [None, "Age", "Gender", "Diagnosis", "dioptre_1", "dioptre_2", "astigmatism", "Phakic/Pseudophakic"]
NAMES += ["Pneumatic", "Perkins", "Pachymetry", "Axial_Length", "VF_MD"]


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, two of a patient."""
    tally = Tally()
    sheets: dict[str, list[list[Any]]] = {side: [TOP, ["ID", *[None] * 12], NAMES] for side in ("od", "os")}
    for drawn in photographs("papila", count, seed, CASES):
        number, side = drawn.number // 2 + 2, ("od", "os")[drawn.number % 2]
        field = float(f"{drawn.rng.uniform(-20, 1):.2f}") if drawn.case != "0" else None
        row = [f"#{number:03d}", 40 + number % 40, number % 2, int(drawn.case), 0.25, -0.5, 90, 0, 16, None, 540, 23.5]
        sheets[side].append([*row, field])
        tally.placed(drawn, out / "FundusImages" / f"RET{number:03d}{side.upper()}.jpg")
    for side, rows in sheets.items():
        workbook(out / "ClinicalData" / f"patient_data_{side}.xlsx", {"Hoja1": rows})
    return tally.expected()
