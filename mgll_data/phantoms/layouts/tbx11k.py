"""TBX11K: COCO lists of two parts, pictures by class, and the two folders that carry no labels of the set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mgll_data.phantoms.boxes import somewhere
from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import place

CASES = {
    "health": (),
    "sick": (Finding("effusion"),),
    "tb": (Finding("infiltration", 3, "right", "upper"),),
    "tb/1": (Finding("infiltration", 2, "left", "upper"),),
    "tb/2": (Finding("granuloma", 2, "right", "upper"),),
}
CATEGORIES = ("ActiveTuberculosis", "ObsoletePulmonaryTuberculosis", "PulmonaryTuberculosis")


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films, every fourth for validation, and one each in `test` and `extra`."""
    categories = [{"id": i, "name": name, "supercategory": "Tuberculosis"} for i, name in enumerate(CATEGORIES, 1)]
    lists: dict[str, dict[str, list[dict[str, object]]]] = {
        split: {"images": [], "annotations": [], "categories": list(categories)} for split in ("train", "val")
    }
    tally = Tally()
    for drawn in films("tbx11k", count, seed, CASES):
        part = lists["val" if drawn.unit.shows % 4 == 3 else "train"]
        folder, _, category = drawn.case.partition("/")
        name = f"{folder}/{folder[0]}{drawn.number:04d}.png"
        part["images"].append({"id": drawn.number, "file_name": name, "height": 256, "width": 256})
        if category:
            x0, y0, x1, y1 = somewhere(drawn)
            box = {"bbox": [x0, y0, x1 - x0, y1 - y0], "category_id": int(category), "image_id": drawn.number}
            part["annotations"].append({"id": drawn.number, "iscrowd": 0, **box})
        tally.placed(drawn, out / "imgs" / name)
    folder_ = out / "annotations" / "json"
    folder_.mkdir(parents=True)
    for split, content in lists.items():
        (folder_ / f"TBX11K_{split}.json").write_text(json.dumps(content), encoding="utf-8")
    place(out / "imgs" / "test" / "test_00001.png", b"\x89PNG", None)
    place(out / "imgs" / "extra" / "da+db" / "train" / "p001.png", b"\x89PNG", None)
    return tally.expected(unlisted=2)
