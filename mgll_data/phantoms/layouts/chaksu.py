"""Chaksu: a table per camera and set, whose names and spellings differ, with the verdicts of five experts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import table

CASES: dict[str, dict[str, float]] = {"NORMAL": {}, "GLAUCOMA SUSPECT": {"disc_cupping": 0.6}}
CAMERAS = {"Bosch": "JPG", "Forus": "png", "Remidio": "jpg"}
EXPERTS = "Expert.1,Expert.2,Expert.3,Expert.4,Expert.5"


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures over two sets and three cameras; in half of them the experts differ."""
    tally = Tally()
    rows: dict[tuple[str, str], list[list[str]]] = {
        (part, camera): [] for part in ("Train", "Test") for camera in CAMERAS
    }
    for drawn in photographs("chaksu", count, seed, CASES):
        part, camera = ("Train", "Train", "Test")[drawn.number % 3], list(CAMERAS)[drawn.number // 3 % 3]
        name, other = f"Image{drawn.number + 1:03d}", "NORMAL" if drawn.case != "NORMAL" else "GLAUCOMA  SUSUPECT"
        said = [drawn.case, drawn.case, drawn.case, *[other if drawn.number % 4 > 1 else drawn.case] * 2]
        cell = f"{name}.jpg-{name}-1.jpg" if part == "Train" else f"{name}.jpg"
        rows[part, camera].append([cell, *said, drawn.case])
        tally.placed(drawn, out / part / "1.0_Original_Fundus_Images" / camera / f"{name}.{CAMERAS[camera]}")
    for (part, camera), lines in rows.items():
        folder = out / part / "6.0_Glaucoma_Decision"
        folder.mkdir(parents=True, exist_ok=True)
        last = "Majority Decision" if part == "Train" or camera == "Bosch" else "Glaucoma Decision"
        spelled = "Remedio" if camera == "Remidio" and part == "Test" else camera
        table(folder / f"Glaucoma_Decision_Comparison_{spelled}_majority.csv", f"\ufeffImages,{EXPERTS},{last}", lines)
    return tally.expected()
