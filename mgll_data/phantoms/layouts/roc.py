"""ROC: one XML file for all training pictures, test pictures without marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import encode, place

CASES: dict[str, dict[str, float]] = {"marked": {"microaneurysms": 0.8}, "none": {}}
MARK = '<annotation><mark x="{}" y="{}"><radius>4</radius></mark></annotation>'


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, every fourth to the test set; every second training picture has two marks."""
    tally, tests, pages = Tally(), 0, []
    for drawn in photographs("roc", count, seed, CASES):
        if drawn.number % 4 == 3:
            place(out / "ROCtest" / f"image{drawn.number}_test.jpg", encode(drawn.image, "jpg"), None)
            tests += 1
            continue
        name = f"image{drawn.number}_training.jpg"
        tally.placed(drawn, out / "ROCtraining" / name)
        marks = MARK.format(100, 120) + MARK.format(150, 90) if drawn.case == "marked" else ""
        pages.append(f'<annotations-per-image imagename="{name}">{marks}</annotations-per-image>')
    path = out / "ROCtraining" / "annotations-consensus-ma-only.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<set>{''.join(pages)}</set>", encoding="utf-8")
    return tally.expected(no_label=tests)
