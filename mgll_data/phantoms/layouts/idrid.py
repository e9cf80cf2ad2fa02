"""IDRiD, disease grading part: JPEGs in a training and a testing folder whose names repeat, and two label files."""

from __future__ import annotations

import csv
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mgll_data.phantoms.fundus import draw_fundus, retinopathy
from mgll_data.phantoms.writing import encode, expected, place, stream, units

TOP = "B. Disease Grading"
IMAGES = {"train": "1. Original Images/a. Training Set", "test": "1. Original Images/b. Testing Set"}
LABELS = {
    "train": "2. Groundtruths/a. IDRiD_Disease Grading_Training Labels.csv",
    "test": "2. Groundtruths/b. IDRiD_Disease Grading_Testing Labels.csv",
}
HEADER = ["Image name", "Retinopathy grade", "Risk of macular edema "]
EMPTY_COLUMNS = {"train": [""] * 9, "test": []}
WIDTH, HEIGHT = 768, 512


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` rows: four fifths to the training set, one fifth to the testing set, both numbered from 1."""
    tables: dict[str, list[list[str]]] = {"train": [], "test": []}
    damages: Counter[str] = Counter()
    copies = 0
    data, labels = b"", ["", ""]
    for unit in units(count):
        split = "test" if unit.shows % 5 == 4 else "train"
        name = f"IDRiD_{len(tables[split]) + 1:03d}"
        if unit.is_copy:
            copies += 1
        else:
            data, labels = _photograph(seed, unit.number)
        tables[split].append([name, *labels, *EMPTY_COLUMNS[split]])
        place(out / TOP / IMAGES[split] / f"{name}.jpg", data, unit.damage)
        damages.update([unit.damage] if unit.damage else [])
    for split, rows in tables.items():
        path = out / TOP / LABELS[split]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows([HEADER + EMPTY_COLUMNS[split], *rows])
    return expected(count, damages, copies)


def _photograph(seed: int, number: int) -> tuple[bytes, list[str]]:
    rng = stream("idrid", seed, number)
    grade = int(rng.choice(5, p=(0.26, 0.16, 0.20, 0.19, 0.19)))
    findings = retinopathy(rng, grade)
    # Exudates are more than microaneurysms: grades 0 and 1 have none, and so no risk of edema.
    risk = int(rng.choice(3, p=(0.24, 0.36, 0.40))) if grade >= 2 else 0
    if risk:
        findings["macular_exudates" if risk == 2 else "far_exudates"] = float(rng.uniform(0.5, 1.0))
    laterality: Any = rng.choice(["left", "right"])
    square = draw_fundus(rng, findings, side=560, laterality=str(laterality))  # type: ignore[arg-type]
    return _with_traps(encode(_landscape(square), "jpg"), number), [str(grade), str(risk)]


def _landscape(square: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The camera's frame is 3:2 and cuts the field of view above and below."""
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    side = square.shape[0]
    top, left = (side - HEIGHT) // 2, (WIDTH - side) // 2
    frame[:, left : left + side] = square[top : top + HEIGHT]
    return frame


def _with_traps(jpeg: bytes, number: int) -> bytes:
    """Put what must never be published into the file's metadata: a name, a date and a place in EXIF, and a comment."""
    name = f"PHANTOMNAME^{number:05d}\0".encode()
    taken = b"1901:02:03 04:05:06\0"
    gps = struct.pack(">H", 2) + struct.pack(">HHI4s", 1, 2, 2, b"N\0\0\0")
    head = 8 + 2 + 3 * 12 + 4
    places = (head, head + len(name), head + len(name) + len(taken))
    ifd = struct.pack(">H", 3)
    ifd += struct.pack(">HHII", 0x0132, 2, len(taken), places[1])  # DateTime
    ifd += struct.pack(">HHII", 0x013B, 2, len(name), places[0])  # Artist
    ifd += struct.pack(">HHII", 0x8825, 4, 1, places[2])  # GPS
    gps += struct.pack(">HHII", 2, 5, 3, places[2] + 2 + 24 + 4) + b"\0" * 4
    gps += struct.pack(">6I", 12, 1, 34, 1, 56, 1)
    tiff = b"MM\0*" + struct.pack(">I", 8) + ifd + b"\0" * 4 + name + taken + gps
    exif = b"Exif\0\0" + tiff
    comment = f"PHANTOMCOMMENT-{number:05d}".encode()
    segments = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    segments += b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment
    return jpeg[:2] + segments + jpeg[2:]
