"""MFIDDR: a row an eye, with the names of its four fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR
from mgll_data.phantoms.writing import table


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` // 4 eyes of four pictures; every third eye is in the test table."""
    rows: dict[str, list[list[object]]] = {"train": [], "test": []}
    tally, names = Tally(), []
    for drawn in photographs("mfiddr", count // 4 * 4, seed, ICDR):
        eye, field = divmod(drawn.number, 4)
        split, side = "test" if eye % 3 == 2 else "train", ("right", "left")[eye % 2]
        key = f"{eye // 2 + 1}_{20000000 + eye // 2}_{side}"
        names.append(f"{key}_{field + 1 + 4 * (eye % 2):02d}")
        tally.placed(drawn, out / split / f"{names[-1]}.jpg")
        if field == 3:
            rows[split].append([key, drawn.case, 57, *names[-4:]])
    for split, lines in rows.items():
        table(out / f"{split}_fourpic_label.csv", "id,level,age,id1,id2,id3,id4", lines)
    return tally.expected()
