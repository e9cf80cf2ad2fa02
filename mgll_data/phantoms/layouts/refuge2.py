"""REFUGE2: the three sets of REFUGE in one folder, and two new sets whose pictures have the same names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.layouts.refuge import CASES, FOLDERS, TEST, VAL
from mgll_data.phantoms.writing import encode, place, table, workbook


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures over the sets; one of six is in Test, whose labels nothing reads."""
    tally, hidden = Tally(), 0
    val: list[list[Any]] = [VAL]
    test: list[list[Any]] = [TEST]
    rows: list[list[Any]] = []
    for drawn in photographs("refuge2", count, seed, CASES):
        number, part, label = drawn.number // 6 + 1, drawn.number % 6, int(drawn.case == "g")
        name = f"{'VT'[part % 2]}{number:04d}.jpg"
        if part < 2:
            folder = f"Train/REFUGE1-train/{FOLDERS[drawn.case]}"
            tally.seen(drawn, out / folder / f"{drawn.case}{number:04d}.jpg")
        elif part == 2:
            val.append([number, name, 812.5, 790.25, label])
            tally.placed(drawn, out / "Train/REFUGE1-val/REFUGE-Validation400" / name)
        elif part == 3:
            test.append([number, name, label, 801.5, 777.0])
            tally.placed(drawn, out / "Train/REFUGE1-test/Test400" / name)
        elif part == 4:
            rows.append([name, label])
            tally.placed(drawn, out / "Validation/Images" / name)
        else:
            place(out / "Test/Images" / name, encode(drawn.image, "jpg"), None)
            hidden += 1
    workbook(out / "Train/REFUGE1-val/Fovea_locations.xlsx", {"Sheet1": val})
    workbook(out / "Train/REFUGE1-test/Glaucoma_label_and_Fovea_location.xlsx", {"Sheet1": test})
    (out / "Validation").mkdir(parents=True, exist_ok=True)
    table(out / "Validation/glaucoma.csv", "FileName,Glaucoma Risk", rows)
    return tally.expected(unlisted=hidden)
