"""What all layouts have in common: which rows are copies or damaged, random streams, and the writing of files."""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

# Every 33rd unit repeats the one before it; every 70th is damaged, so that damage stays under 1.5 % of any count.
COPY_EVERY, DAMAGE_EVERY = 33, 70
DAMAGES = ("truncated", "missing_image", "zero_bytes")


@dataclass(frozen=True)
class Unit:
    """One image (or one patient or study) of a phantom: its number, whose picture it shows, its damage or None.

    A unit's fate depends on its number alone, so that unit i is the same whatever the count.
    """

    number: int
    shows: int
    damage: str | None

    @property
    def is_copy(self) -> bool:
        """Whether its picture is that of an earlier unit."""
        return self.shows != self.number


def units(count: int) -> Iterator[Unit]:
    """The units 0 to count - 1. Damaged units are never copied and never copies."""
    for number in range(count):
        block, place_in_block = divmod(number, DAMAGE_EVERY)
        if place_in_block == DAMAGE_EVERY - 1:
            yield Unit(number, number, DAMAGES[block % len(DAMAGES)])
        elif number % COPY_EVERY == COPY_EVERY - 1 and place_in_block != 0:
            yield Unit(number, number - 1, None)
        else:
            yield Unit(number, number, None)


def stream(source: str, seed: int, number: int) -> np.random.Generator:
    """The random numbers of one unit of a source: equal for equal arguments, whatever else is drawn."""
    return np.random.default_rng((seed, zlib.crc32(source.encode()), number))


def encode(image: NDArray[np.uint8], kind: Literal["jpg", "png", "tif", "bmp", "ppm"]) -> bytes:
    """A grey (H, W), RGB or RGBA image as JPEG of quality 92, as PNG made fast rather than small, or as the others."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if kind == "jpg" else []
    if kind == "png":
        # Film noise has no repeats to find: coding its bytes alone is faster and no larger. Photographs have runs.
        strategy = cv2.IMWRITE_PNG_STRATEGY_RLE if image.ndim == 3 else cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY
        options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, strategy]
        if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # not in the oldest OpenCV we allow
            options += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR if image.shape[2] == 3 else cv2.COLOR_RGBA2BGRA)
    done, data = cv2.imencode(f".{kind}", image, options)
    if not done:
        raise RuntimeError(f"OpenCV could not encode a {image.shape} image as {kind}")
    return bytes(data)


def grey_bytes(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Grey values 0..1 as bytes."""
    return np.asarray(image * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def place(path: Path, data: bytes, damage: str | None) -> None:
    """Writes the file whole, or damaged: cut at 60 % of its length, empty, or not at all."""
    if damage == "missing_image":
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {None: len(data), "truncated": len(data) * 6 // 10, "zero_bytes": 0}[damage]
    path.write_bytes(data[:kept])


def table(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    """Writes a CSV file. `header` is the first line as published, which is not always well-formed CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    path.write_text(header + "\n" + text.getvalue(), encoding="utf-8")


def workbook(path: Path, sheets: Mapping[str, Iterable[Sequence[object]]]) -> None:
    """Writes an .xlsx file, equal bytes for equal rows. sheets: title -> rows, None for an empty cell."""
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    saved = io.BytesIO()
    book.save(saved)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The library writes the time of day into the archive and into one of its members.
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            text = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2000-01-01T00:00:00Z", old.read(name))
            new.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)


def expected(read: int, damages: Counter[str], copies: int, without_picture: int = 0) -> dict[str, Any]:
    """The `expected` part of phantoms.json: what a build must count."""
    return {
        "read": read,
        "quarantined": dict(sorted(damages.items())),
        "excluded": {"no_image": without_picture} if without_picture else {},
        "pixel_duplicates": copies,
    }
