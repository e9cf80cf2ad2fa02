"""ChestX-Det10: two JSON lists of films with their findings and boxes, the films under numbers of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mgll_data.phantoms.boxes import somewhere
from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.drawn import Tally, films

CASES = {
    "": (),
    "Consolidation": (Finding("consolidation"),),
    "Effusion Effusion": (Finding("effusion", 2, "both"),),
    "Nodule Mass": (Finding("nodule"), Finding("mass", 2, "left")),
    "Pneumothorax": (Finding("pneumothorax"),),
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films, every sixth of them for test."""
    return boxed(out, count, seed, "chestx_det10", CASES, {"train": "train.json", "test": "test.json"})


def boxed(
    out: Path,
    count: int,
    seed: int,
    source: str,
    cases: Mapping[str, tuple[Finding, ...]],
    lists: Mapping[str, str],
    **more: object,
) -> dict[str, Any]:
    """The layout of both ChestX-Det sets; `more` goes into every entry."""
    entries: dict[str, list[dict[str, object]]] = {split: [] for split in lists}
    tally = Tally()
    for drawn in films(source, count, seed, cases):
        split = "test" if drawn.unit.shows % 6 == 5 else "train"
        name = f"{36201 + drawn.number}.png"
        found = [word.replace("_", " ") for word in drawn.case.split()]
        entries[split].append({"file_name": name, "syms": found, "boxes": [somewhere(drawn) for _ in found], **more})
        tally.placed(drawn, out / f"{split}_data" / name)
    for split, name in lists.items():
        (out / name).write_text(json.dumps(entries[split]), encoding="utf-8")
    return tally.expected()
