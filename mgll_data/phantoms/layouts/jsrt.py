"""JSRT: headerless films of 2,048 x 2,048 big-endian numbers, two lists without headers, their lines set by tabs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import place

CASES = {"nodule": (Finding("nodule", 2, "left", "upper"),), "none": ()}
_FOLDERS = {"nodule": ("Nodule154images", "JPCLN"), "none": ("NonNodule93images", "JPCNN")}
_SCALE = 8  # drawn at 256 pixels a side


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Writes `count` films of 8 MB each, every second one with a nodule, and both lists."""
    tally = Tally()
    lists: dict[str, list[str]] = {"nodule": [], "none": []}
    for film in films("jsrt", count, seed, CASES):
        folder, prefix = _FOLDERS[film.case]
        name = f"{prefix}{len(lists[film.case]) + 1:03d}.IMG"
        age, sex = 40 + film.number % 40, ("male", "female")[film.number % 2]
        # Three spaces of a place, a size that is not known, and a byte that is not ASCII occur.
        size = "?" if film.number % 8 == 6 else "15"
        kind = ("malignant\tl.upper lobe\tlung cancer", "benign\tr. middle lobe\tgranuloma\xb6")[film.number // 2 % 2]
        facts = f"5\t{size}\t{age}\t{sex}\t1634\t692\t{kind}" if film.case == "nodule" else f"{age}\t{sex}\tnon-nodule"
        lists[film.case].append(f"{name}\t{facts}")
        densities = 4095 - film.image.astype(np.uint16) * 16
        data = densities.repeat(_SCALE, 0).repeat(_SCALE, 1).astype(">u2").tobytes()
        place(out / folder / name, data, film.unit.damage)
        tally.counted(film)
    for name, case in (("CLNDAT_EN.txt", "nodule"), ("CNNDAT_EN.TXT", "none")):
        (out / name).write_text("\r\n".join(lists[case]) + "\r\n\r\n", encoding="latin-1", newline="")
    return tally.expected()
