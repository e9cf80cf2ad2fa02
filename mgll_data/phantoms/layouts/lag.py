"""LAG: two classes, in each a folder of pictures, one of attention maps and one of label files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import encode, place

CASES: dict[str, dict[str, float]] = {"non_glaucoma": {}, "suspicious_glaucoma": {"disc_cupping": 0.8}}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures with maps and label files, which nothing reads."""
    tally = Tally()
    for drawn in photographs("lag", count, seed, CASES):
        name = f"{drawn.number + 1:04d}"
        tally.seen(drawn, out / drawn.case / "image" / f"{name}.jpg")
        place(out / drawn.case / "attention_map" / f"{name}.jpg", encode(drawn.image[::4, ::4, 0], "jpg"), None)
        label = str(int(drawn.case != "non_glaucoma"))
        place(out / drawn.case / "label" / f"{name}.txt", label.encode(), None)
    return tally.expected()
