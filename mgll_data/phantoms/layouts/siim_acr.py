"""SIIM-ACR: films in folders of UIDs, masks as gaps and runs, a column name that starts with a space."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.dicoms import dicom, uid
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import place, table

CASES = {"-1": (), "mask": (Finding("pneumothorax", 2, "left", "upper"),)}
SIDE = 1024


def runs(x0: int, y0: int, x1: int, y1: int) -> str:
    """The mask of a full box in the challenge's coding: gap from the end of the last run, length, and so on."""
    height = y1 - y0
    return " ".join([str(x0 * SIDE + y0), str(height)] + [str(SIDE - height), str(height)] * (x1 - x0 - 1))


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films, half of them with a mask and every fourth with two, and one of the test folder."""
    rows: list[list[object]] = []
    tally = Tally()
    for small in films("siim_acr", count, seed, CASES):
        drawn = replace(
            small, image=np.repeat(np.repeat(small.image, 4, axis=0), 4, axis=1)
        )  # masks are of 1024 x 1024
        name = uid(3, drawn.number + 1)
        if drawn.case == "-1":
            rows.append([name, " -1" if drawn.number % 3 else "-1"])
        else:
            for part in range(1 + drawn.unit.shows % 4 // 3):
                rows.append([name, runs(500 + 100 * part, 80, 560 + 100 * part, 300 + drawn.number % 50)])
        folder = out / "dicom-images-train" / uid(4, drawn.number + 1) / uid(5, drawn.number + 1)
        place(folder / f"{name}.dcm", dicom(drawn, SOPInstanceUID=name), drawn.unit.damage)
        tally.counted(drawn)
    table(out / "train-rle.csv", "ImageId, EncodedPixels", rows)
    place(out / "dicom-images-test" / uid(6, 1) / uid(7, 1) / f"{uid(8, 1)}.dcm", b"DICM", None)
    return tally.expected(unlisted=1)
