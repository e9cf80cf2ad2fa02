"""DIARETDB1: four annotation files a picture, with underscores in the lesions' names and marks of the disc."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs

CASES = {
    "Red_small_dots": {"microaneurysms": 0.8},
    "Haemorrhages": {"blot_hemorrhages": 0.3},
    "Hard_exudates": {"far_exudates": 0.8},
    "Soft_exudates": {"cotton_wool_spots": 0.8},
    "IRMA": {"microvascular_abnormalities": 0.8},
    "Neovascularisation": {"neovascularization_elsewhere": 0.8},
}
MARKING = "<marking><markingtype>{}</markingtype></marking>"


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures; three of the four experts mark the lesion, two the disc, one the field of view."""
    tally = Tally()
    for drawn in photographs("diaretdb1", count, seed, CASES):
        name = f"image{drawn.number + 1:03d}"
        tally.seen(drawn, out / "ddb1_fundusimages" / f"{name}.png")
        for expert in range(1, 5):
            types = [*([drawn.case] if expert < 4 else []), *(["Disc"] if expert < 3 else ["Fundus_area"])]
            path = out / "ddb1_groundtruth" / f"{name}_{expert:02d}.xml"
            path.parent.mkdir(parents=True, exist_ok=True)
            marks = "".join(MARKING.format(kind) for kind in types)
            path.write_text(f"<imgannotooldata><markinglist>{marks}</markinglist></imgannotooldata>", encoding="utf-8")
    return tally.expected()
