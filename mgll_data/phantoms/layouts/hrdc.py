"""HRDC: two tasks with folders of the same kind, whose pictures have the same kind of names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import table

CASES: dict[str, dict[str, float]] = {"0": {}, "1": {"arterial_narrowing": 0.8, "flame_hemorrhages": 0.6}}
TASKS = {
    "1-Hypertensive Classification": "Hypertensive",
    "2-Hypertensive Retinopathy Classification": "Hypertensive Retinopathy",
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, half for each task; the tasks share names."""
    tally = Tally()
    rows: dict[str, list[list[str]]] = {task: [] for task in TASKS}
    for drawn in photographs("hrdc", count, seed, CASES):
        task, name = list(TASKS)[drawn.number // 2 % 2], f"{drawn.number // 4 * 2 + drawn.number % 2:08x}.png"
        rows[task].append([name, drawn.case])
        tally.placed(drawn, out / task / "1-Images/1-Training Set" / name)
    for task, column in TASKS.items():
        folder = out / task / "2-Groundtruths"
        folder.mkdir(parents=True, exist_ok=True)
        table(folder / f"HRDC {column} Classification Training Labels.csv", f"Image,{column}", rows[task])
    return tally.expected()
