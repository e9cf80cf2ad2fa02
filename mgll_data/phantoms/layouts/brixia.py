"""BrixIA: a table with semicolons whose scores may have lost their leading zeros, DICOM in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.dicoms import dicom
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import place, table

CASES = {
    "000000": (),
    "001000": (Finding("infiltration", 1, "right", "lower"),),
    "012122": (Finding("covid", 2, "both"),),
    "123333": (Finding("covid", 3, "both"),),
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films; of two equal scores one is written as a number."""
    rows: list[list[object]] = []
    tally = Tally()
    for drawn in films("brixia", count, seed, CASES, views=("ap",)):
        name = f"{10**15 + int(drawn.rng.integers(10**15))}.dcm"
        score: object = int(drawn.case) if drawn.number % 8 > 3 else drawn.case
        kind = "MONOCHROME2" if drawn.unit.shows % 2 == 0 else "MONOCHROME1"
        rows.append([";".join(map(str, [name, score, sum(map(int, drawn.case)), kind]))])
        place(out / "dicom_clean" / name, dicom(drawn), drawn.unit.damage)
        tally.counted(drawn)
    table(out / "metadata_global_v2.csv", "Filename;BrixiaScore;BrixiaScoreGlobal;PhotometricInterpretation", rows)
    return tally.expected()
