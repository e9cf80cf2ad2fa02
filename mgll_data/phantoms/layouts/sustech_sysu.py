"""SUSTech-SYSU: a table with brackets in its headers, and boxes in XML files for some of the pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR
from mgll_data.phantoms.writing import table

HEADER = (
    "Fundus_images,left_versus_right_eye(left_0_right_1),DR_grade(International_Clinical_DR_Severity_Scale),"
    "DR_grade(American_Academy_of_Ophthalmology),DR_grade(Scottish_DR_grading_protocol)"
)
BOX = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, those of grade 2 with a box of each kind, those of grade 5 with laser scars."""
    rows, tally = [], Tally()
    cases = {**ICDR, "2": {**ICDR["2"], "far_exudates": 0.8, "cotton_wool_spots": 0.6}, "5": {"laser_scars": 0.8}}
    for drawn in photographs("sustech_sysu", count, seed, cases):
        name = f"{drawn.number + 1:04d}"
        side = int(drawn.laterality == "right")
        rows.append([f"{name}.jpg", side, drawn.case, drawn.case, min(int(drawn.case), 4)])
        tally.placed(drawn, out / "originalImages" / f"{name}.jpg")
        if drawn.case == "2":
            path = out / "exudatesLabels" / f"{name}.xml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                f"<annotation>{BOX.format('ex', 50, 60, 70, 90)}{BOX.format('se', 90, 90, 99, 99)}</annotation>"
            )
    table(out / "drLables.csv", HEADER, rows)
    return tally.expected()
