"""E-ophtha: two parts, a folder for each examination, masks beside them; one name stands in both parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import write_mask

CASES: dict[str, dict[str, float]] = {
    "e_optha_EX/EX": {"far_exudates": 0.8},
    "e_optha_EX/healthy": {},
    "e_optha_MA/MA": {"microaneurysms": 0.8},
    "e_optha_MA/healthy": {},
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, two to an examination."""
    tally = Tally()
    for drawn in photographs("e_ophtha", count, seed, CASES):
        part, word = drawn.case.split("/")
        exam, name = f"E{drawn.number // 8:07d}", f"C{drawn.number if drawn.number != 2 else 0:07d}"
        tally.seen(drawn, out / part / word / exam / f"{name}.jpg")
        if word != "healthy":
            suffix = "_EX" if word == "EX" else ""
            write_mask(out / part / f"Annotation_{word}" / exam / f"{name}{suffix}.png", drawn, True)
    return tally.expected()
