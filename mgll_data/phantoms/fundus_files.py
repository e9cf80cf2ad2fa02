"""What the four fundus layouts have in common: which rows are copies or damaged, random streams, and the writing."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

# Every 33rd unit repeats the one before it; every 70th is damaged, so that damage stays under 1.5 % of any count.
COPY_EVERY, DAMAGE_EVERY = 33, 70
DAMAGES = ("truncated", "missing_image", "zero_bytes")


@dataclass(frozen=True)
class Unit:
    """One image (or one patient) of a phantom: its number, the number of the picture it shows, its damage or None.

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
        block, place = divmod(number, DAMAGE_EVERY)
        if place == DAMAGE_EVERY - 1:
            yield Unit(number, number, DAMAGES[block % len(DAMAGES)])
        elif number % COPY_EVERY == COPY_EVERY - 1 and place != 0:
            yield Unit(number, number - 1, None)
        else:
            yield Unit(number, number, None)


def stream(source: str, seed: int, number: int) -> np.random.Generator:
    """The random numbers of one unit of a source: equal for equal arguments, whatever else is drawn."""
    return np.random.default_rng((seed, zlib.crc32(source.encode()), number))


def encode(image: npt.NDArray[np.uint8], kind: Literal["jpg", "png"]) -> bytes:
    """The RGB image as a JPEG file of quality 92, or as a PNG file made fast rather than small."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 92]
    if kind == "png":
        options = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
        if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # not in the oldest OpenCV we allow
            options += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP]
    done, data = cv2.imencode(f".{kind}", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise RuntimeError(f"OpenCV could not encode a {image.shape} image as {kind}")
    return bytes(data)


def place(path: Path, data: bytes, damage: str | None) -> None:
    """Write the file whole, or damaged: cut at 60 % of its length, empty, or not at all."""
    if damage == "missing_image":
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {None: len(data), "truncated": len(data) * 6 // 10, "zero_bytes": 0}[damage]
    path.write_bytes(data[:kept])


def expected(read: int, damages: Counter[str], copies: int, eyes_without_picture: int = 0) -> dict[str, Any]:
    """The `expected` part of phantoms.json: what a build must count."""
    return {
        "read": read,
        "quarantined": dict(sorted(damages.items())),
        "excluded": {"no_image": eyes_without_picture} if eyes_without_picture else {},
        "pixel_duplicates": copies,
    }
