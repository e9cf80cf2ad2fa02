"""CheXlocalize: two sets of CheXpert films whose folder `val` is `valid` in its table; outlines are packed runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mgll_data.phantoms.chexpert_labels import CASES
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import table
from mgll_data.sources.chexpert import OBSERVATIONS

_FACTS = {"val": ("Sex", "Age", "Frontal/Lateral", "AP/PA"), "test": ()}
_OUTLINED = ("Cardiomegaly", "Airspace Opacity", "Pleural Effusion", "Support Devices")


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Writes `count` films, a third of them for validation; frontal ones have four masks, most of them blank."""
    tally = Tally()
    rows: dict[str, list[list[object]]] = {"val": [], "test": []}
    masks: dict[str, dict[str, Any]] = {"val": {}, "test": {}}
    for film in films("chexlocalize", count, seed, CASES, views=("ap", "pa", "lateral")):
        part = "val" if film.unit.shows % 3 == 0 else "test"
        plane = "lateral" if film.view == "lateral" else "frontal"
        inner = f"patient{64541 + film.number}/study1/view1_{plane}"
        path = f"CheXpert-v1.0/{'valid' if part == 'val' else 'test'}/{inner}.jpg"
        facts = ["Male", 60, plane.title(), "" if plane == "lateral" else film.view.upper()][: len(_FACTS[part])]
        present = {film.case} | ({"Lung Opacity"} if film.case in ("Edema", "Consolidation", "Atelectasis") else set())
        rows[part].append([path, *facts, *(f"{float(word in present)}" for word in OBSERVATIONS)])
        if plane == "frontal":
            shown = present | ({"Airspace Opacity"} if "Lung Opacity" in present else set())
            masks[part][inner.replace("/", "_")] = {word: _mask(word in shown) for word in _OUTLINED}
        tally.placed(film, out / "CheXpert" / part / f"{inner}.jpg")
    (out / "CheXlocalize").mkdir()
    for part, lines in rows.items():
        header = ",".join(("Path", *_FACTS[part], *OBSERVATIONS))
        table(out / "CheXpert" / f"{part}_labels.csv", header, lines)
        text = json.dumps(masks[part])
        (out / "CheXlocalize" / f"gt_segmentations_{part}.json").write_text(text, encoding="utf-8")
    return tally.expected()


def _mask(shown: bool, side: int = 256) -> dict[str, Any]:
    pixels = np.zeros((side, side), np.uint8)
    if shown:
        pixels[140:200, 60:120] = 1
        pixels[150:190, 150:180] = 1
    return {"size": [side, side], "counts": packed(pixels)}


def packed(pixels: NDArray[np.uint8]) -> str:
    """Run lengths of a mask (H, W) of 0 and 1 as COCO packs them: by columns, differences from the third on."""
    flat = np.concatenate(([0], pixels.reshape(-1, order="F")))
    ends = np.flatnonzero(np.diff(flat))
    runs = np.diff([0, *ends.tolist(), pixels.size]).tolist()
    text = ""
    for place, run in enumerate(runs):
        value, more = run - (runs[place - 2] if place > 2 else 0), True
        while more:
            bits = value & 31
            value >>= 5
            more = value != (-1 if bits & 16 else 0)
            text += chr(bits + 48 + (32 if more else 0))
    return text
