"""ChestX-Det: the lists of ChestX-Det10 under other names, with three findings more and outlines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.layouts.chestx_det10 import CASES, boxed

MORE = {"Cardiomegaly": (Finding("cardiomegaly"),), "Pleural_Thickening": (Finding("pleural_thickening"),)}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films, every sixth of them for test."""
    lists = {"train": "ChestX_Det_train.json", "test": "ChestX_Det_test.json"}
    return boxed(out, count, seed, "chestx_det", CASES | MORE, lists, polygons=[])
