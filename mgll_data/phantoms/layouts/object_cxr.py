"""Object-CXR: numbered JPEGs and annotations that mix rectangles, ellipses and polygons in one cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mgll_data.phantoms.drawn import Drawn, Tally, films
from mgll_data.phantoms.writing import stream, table

HEADER = "image_name,annotation"
CASES = {"clear": (), "objects": ()}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Writes `count` films, every second one with objects on it; one in nine goes to the dev set."""
    tally = Tally()
    rows: dict[str, list[list[object]]] = {"train": [], "dev": []}
    for film in films("object_cxr", count, seed, CASES):
        part = "dev" if film.number % 9 == 8 else "train"
        name = f"{film.number + 1:05d}.jpg"
        rows[part].append([name, _objects(film, seed) if film.case == "objects" else ""])
        tally.placed(film, out / part / name)
    for part, lines in rows.items():
        table(out / f"{part}.csv", HEADER, lines)
    return tally.expected()


def _objects(film: Drawn, seed: int) -> str:
    """Draw a button, a buckle and a necklace on the film, and write their outlines."""
    x, y = (int(value) for value in stream("object_cxr/object", seed, film.unit.shows).integers(70, 150, 2))
    cv2.ellipse(film.image, (x, y), (9, 6), 0, 0, 360, 250, -1)
    cv2.rectangle(film.image, (x + 30, y), (x + 50, y + 12), 250, -1)
    chain = np.array([[x, y + 30], [x + 20, y + 60], [x + 40, y + 30]], np.int32)
    cv2.polylines(film.image, [chain], False, 250, 2)
    outline = " ".join(str(value) for value in chain.reshape(-1).tolist())
    return f"1 {x - 9} {y - 6} {x + 9} {y + 6};0 {x + 30} {y} {x + 50} {y + 12};2 {outline}"
