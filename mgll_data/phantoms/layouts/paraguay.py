"""Paraguay: a folder for each of seven grades, and a spreadsheet that repeats them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR
from mgll_data.phantoms.writing import workbook

CASES = {
    "1. No DR signs": ICDR["0"],
    "2. Mild (or early) NPDR": ICDR["1"],
    "3. Moderate NPDR": ICDR["2"],
    "4. Severe NPDR": ICDR["3"],
    "5. Very Severe NPDR": {**ICDR["3"], "cotton_wool_spots": 0.8},
    "6. PDR": ICDR["4"],
    "7. Advanced PDR": {**ICDR["4"], "vitreous_hemorrhage": 0.5},
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures into the seven folders."""
    tally, rows = Tally(), [["Image", "Classification"]]
    for drawn in photographs("paraguay", count, seed, CASES):
        name = f"{drawn.number + 1}.jpg"
        rows.append([name, drawn.case])
        tally.seen(drawn, out / drawn.case / name)
    workbook(out / "Annotations of the classifications.xlsx", {"Sheet1": rows})
    return tally.expected()
