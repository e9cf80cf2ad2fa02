"""DRTiD: a row an eye, with the names of its two fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR
from mgll_data.phantoms.writing import table


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` // 2 eyes of two pictures; every third eye is in the testing table."""
    rows: dict[str, list[list[object]]] = {"a. DR_grade_Training": [], "b. DR_grade_Testing": []}
    tally = Tally()
    for drawn in photographs("drtid", count // 2 * 2, seed, ICDR):
        eye, field = divmod(drawn.number, 2)
        tally.placed(drawn, out / "Original Images" / f"{eye}_{field + 1}.jpg")
        if field:
            rows[list(rows)[eye % 3 == 2]].append([eye, drawn.case, f"{eye}_1", f"{eye}_2", "LR"[eye % 2]])
    for name, lines in rows.items():
        path = out / "Ground Truths" / "DR_grade" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        table(path, "ID,Grade,Macula,Optic disc,LR", lines)
    return tally.expected()
