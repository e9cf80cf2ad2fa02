"""DDR: a list of names and grades for each of three sets, blank-separated; grade 5 is an ungradable picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR, UNGRADABLE


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures over the three sets."""
    lines: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    tally = Tally()
    for drawn in photographs("ddr", count, seed, {**ICDR, "5": UNGRADABLE}):
        split = ("train", "train", "valid", "test")[drawn.number % 4]
        name = f"007-{drawn.number:04d}-000.jpg"
        lines[split].append(f"{name} {drawn.case}\n")
        tally.placed(drawn, out / "DR_grading" / split / name)
    for split, rows in lines.items():
        (out / "DR_grading").mkdir(parents=True, exist_ok=True)
        (out / "DR_grading" / f"{split}.txt").write_text("".join(rows), encoding="utf-8")
    return tally.expected()
