"""GRAPE: a workbook of two sheets with two header rows each, where a visit without a picture says "/"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import workbook

CASES: dict[str, dict[str, float]] = {"OAG": {"disc_cupping": 0.8}, "ACG": {"disc_cupping": 0.6}}
FIRST = [
    "Subject Number",
    "Laterality",
    "Age",
    "Gender",
    "IOP",
    "CCT",
    "Total Visits",
    "Progression Status",
    None,
    None,
]
FIRST += ["Category of Glaucoma", "OCT RNFL thickness", None, "Corresponding CFP", "Acquisition Device", "VF", None]
SECOND = [*[None] * 7, "PLR2", "PLR3", "MD", None, "Mean", "S", None, None, 0, 1]
LATER = ["Subject Number", "Laterality", "Visit Number", "Interval Years", "IOP", "Corresponding CFP", "VF", None]


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures: of each eye the first visit, and of every second eye a later one; one visit has none."""
    tally = Tally()
    base: list[list[Any]] = [FIRST, SECOND]
    later: list[list[Any]] = [LATER, [*[None] * 6, 0, 1]]
    for drawn in photographs("grape", count, seed, CASES):
        subject, again = drawn.number // 3 + 1, drawn.number % 3 == 2
        side = "OS" if drawn.number % 3 == 1 else "OD"
        name = f"{subject}_{side}_{1 + again}.jpg"
        if again:
            later.append([subject, side, 1, 1.5, 17, name, 22, 21])
        else:
            row = [
                subject,
                side,
                60,
                "MF"[subject % 2],
                16,
                540,
                2,
                0,
                0,
                0,
                drawn.case,
                80.5,
                90,
                name,
                "CR-2",
                20,
                19,
            ]
            base.append(row)
        tally.placed(drawn, out / "CFPs" / name)
    later.append([1, "OD", 2, 3.0, 18, "/", 20, 20])
    workbook(out / "VF and clinical information.xlsx", {"Baseline": base, "Follow-up": later})
    return tally.expected(no_image=1)
