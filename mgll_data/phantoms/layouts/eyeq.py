"""EyeQ: a numbered first column without a name, quality and grade; pictures named as in EyePACS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR, UNGRADABLE
from mgll_data.phantoms.writing import table


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures: every fourth to the test table, every sixth of reject quality."""
    rows: dict[str, list[list[str]]] = {"train": [], "test": []}
    tally = Tally()
    cases = {
        **{f"{quality},{grade}": ICDR[grade] for quality, grade in ("00", "12", "01", "14", "03")},
        "2,0": UNGRADABLE,
    }
    for drawn in photographs("eyeq", count, seed, cases):
        split = "test" if drawn.number % 4 == 3 else "train"
        name = f"{drawn.number // 2 + 10}_{('left', 'right')[drawn.number % 2]}.jpeg"
        rows[split].append([str(len(rows[split])), name, *drawn.case.split(",")])
        tally.placed(drawn, out / "images" / name)
    for split, lines in rows.items():
        table(out / f"Label_EyeQ_{split}.csv", ",image,quality,DR_grade", lines)
    return tally.expected()
