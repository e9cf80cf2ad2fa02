"""Messidor-2: names whose case differs between table and files, ungradable rows without grades, pairs of eyes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR, UNGRADABLE
from mgll_data.phantoms.writing import table


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, two to an examination; every sixth is ungradable and has empty grades."""
    rows: list[list[str]] = []
    tally = Tally()
    for drawn in photographs("messidor2", count, seed, {**ICDR, "": UNGRADABLE}):
        name = f"IM{drawn.number:06d}"
        edema = "" if not drawn.case else str(int(drawn.case in "34"))
        rows.append([f"{name}.jpg", drawn.case, edema, str(int(bool(drawn.case)))])
        tally.placed(drawn, out / "images" / f"{name}.JPG")
    names = [row[0].replace(".jpg", ".JPG") for row in rows]
    table(out / "messidor_data.csv", "image_id,adjudicated_dr_grade,adjudicated_dme,adjudicated_gradable", rows)
    table(out / "messidor-2.csv", "left,right", zip(names[::2], names[1::2], strict=False))
    return tally.expected()
