"""JICHI: two Davis grades a row, patient and side in the name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR
from mgll_data.phantoms.writing import table

CASES = {"ndr": ICDR["0"], "sdr": ICDR["2"], "ppdr": ICDR["3"], "pdr": ICDR["4"]}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, two to a patient; the grade of the joined pictures is the worst of all, so never less."""
    rows, tally = [], Tally()
    for drawn in photographs("jichi", count, seed, CASES):
        name = f"{drawn.number // 2 + 1}_{drawn.number % 2 + 1}_{'LR'[drawn.number % 2]}.jpg"
        rows.append([name, "pdr", drawn.case])
        tally.placed(drawn, out / "dmr" / name)
    table(out / "list.csv", "Image,Davis_grading_of_concatenated_figures,Davis_grading_of_one_figure", rows)
    return tally.expected()
