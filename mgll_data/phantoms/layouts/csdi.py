"""CSDI: pictures in two formats, and a table with a score, texts in two languages and boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import table

CASES: dict[str, dict[str, float]] = {str(score): {"cataract": score / 10} if score else {} for score in (3, 5, 9, 0)}
HEADER = (
    "id,score,English_diagnosis,Chinese_diagnosis,original_image_width,original_image_height,"
    "fundus_region_x1,fundus_region_y1,fundus_region_x2,fundus_region_y2"
)


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures."""
    tally, rows = Tally(), []
    for drawn in photographs("csdi", count, seed, CASES):
        name = f"cataract_{drawn.number + 1:03d}.{('png', 'jpg')[drawn.number % 2]}"
        rows.append([name, drawn.case, "Lens opacity, moderate", "晶状体混浊", 288, 288, 0, 0, 288, 288])
        tally.placed(drawn, out / "original_images" / name)
    table(out / "CSDI_annotations.csv", HEADER, rows)
    return tally.expected()
