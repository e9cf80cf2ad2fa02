"""One stored image to the model's square input: decode, crop, scale, jitter of grey levels.

The picture keeps its shape: it stands in the middle of a black square, and crops are windows of that square. Nothing is
mirrored or turned, since laterality and the heart's side are part of what the texts say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

# A window of at least this share of the square's area, stretched by at most ASPECT, always holds the square's centre.
SMALLEST_CROP = 0.3
ASPECT = 0.9
_JPEG_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

Pixels = NDArray[np.uint8]


class UnreadablePictureError(ValueError):
    """The bytes are not a whole picture in a format that the contract allows."""


@dataclass(frozen=True)
class View:
    """What to make of a picture. size: side of the result in pixels. crop: smallest area of a random window, as a share
    of the square. jitter: largest change of brightness and contrast. reduced: allow a JPEG decode at half size or less
    where that is still at least `size`."""

    size: int
    crop: float = 1.0
    jitter: float = 0.0
    reduced: bool = True


def render(data: bytes, view: View, *, grey: bool, rng: np.random.Generator | None = None) -> Pixels:
    """Decode and place one picture: uint8 (3, size, size), RGB; three equal planes if `grey`.

    With `rng` the window and the grey levels are random, without it the whole picture is shown as it is. Raises
    UnreadablePictureError for bytes that are cut short or are no picture.
    """
    jpeg = _whole(data)
    height, width = _jpeg_size(data) if jpeg else (0, 0)
    pixels: Pixels | None = None
    if not jpeg:
        pixels = _decode(data, grey, 1)
        height, width = pixels.shape[:2]
    box = _window(height, width, view.crop, rng)
    if pixels is None:
        factor = 1
        if view.reduced:
            smallest = min(box[2] - box[0], box[3] - box[1])
            factor = next((f for f in (8, 4, 2) if smallest / f >= view.size), 1)
        pixels = _decode(data, grey, factor)
    # A reduced decode rounds its size up: follow the size that came out.
    across, down = pixels.shape[1] / width, pixels.shape[0] / height
    line = _grey_levels(view.jitter, rng) if rng is not None and view.jitter else None
    return _place(pixels, (box[0] * across, box[1] * down, box[2] * across, box[3] * down), view.size, line)


def _whole(data: bytes) -> bool:
    """Whether the bytes are a JPEG (else PNG or WebP). OpenCV fills a cut picture with grey, so its end is checked."""
    if data[:3] == b"\xff\xd8\xff":
        if data.rstrip(b"\0")[-2:] != b"\xff\xd9":
            raise UnreadablePictureError("JPEG without its end marker")
        return True
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        if data[-8:-4] != b"IEND":
            raise UnreadablePictureError("PNG without its end chunk")
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        if len(data) < 8 + int.from_bytes(data[4:8], "little"):
            raise UnreadablePictureError("WebP shorter than its header says")
    else:
        raise UnreadablePictureError("neither JPEG nor PNG nor WebP")
    return False


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Height and width from the frame header (ITU-T T.81, B.2.2)."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _JPEG_SIZE_MARKERS:
            height, width = int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
            if height and width:
                return height, width
            break
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise UnreadablePictureError("JPEG without a size")


_FLAGS = {
    True: {
        1: cv2.IMREAD_GRAYSCALE,
        2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
        4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
        8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
    },
    False: {
        1: cv2.IMREAD_COLOR,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    },
}


def _decode(data: bytes, grey: bool, factor: int) -> Pixels:
    flags = _FLAGS[grey][factor] | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except cv2.error as error:
        raise UnreadablePictureError(str(error).strip()) from error
    if pixels is None:
        raise UnreadablePictureError("cannot be decoded")
    return pixels  # type: ignore[no-any-return]


def _window(height: int, width: int, crop: float, rng: np.random.Generator | None) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 in pixels of the picture: a window of the square around it (it may reach over the picture)."""
    side = max(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    if rng is None or crop >= 1:
        return left, top, left + side, top + side
    area, stretch = rng.uniform(crop, 1.0), math.exp(rng.uniform(math.log(ASPECT), -math.log(ASPECT)))
    across, down = min(1.0, math.sqrt(area * stretch)) * side, min(1.0, math.sqrt(area / stretch)) * side
    x0, y0 = left + rng.uniform(0, 1) * (side - across), top + rng.uniform(0, 1) * (side - down)
    return x0, y0, x0 + across, y0 + down


def _grey_levels(strength: float, rng: np.random.Generator) -> tuple[float, float]:
    """Slope and offset of new grey levels: contrast about the middle and brightness, each changed by at most
    `strength`. One line for all channels: colours carry findings, and a radiograph has grey levels alone."""
    contrast, brightness = 1 + rng.uniform(-strength, strength), 255 * rng.uniform(-strength, strength)
    return contrast, 127.5 * (1 - contrast) + brightness


def _place(
    pixels: Pixels, box: tuple[float, float, float, float], size: int, line: tuple[float, float] | None
) -> Pixels:
    """The window `box` of the picture at `size` x `size`, black where the window reaches over the picture."""
    height, width = pixels.shape[:2]
    x0, x1, left, right = _overlap(box[0], box[2], width, size)
    y0, y1, top, bottom = _overlap(box[1], box[3], height, size)
    part = _scale(pixels[y0:y1, x0:x1], bottom - top, right - left)
    if line is not None:  # rounds and clips to 0..255
        part = cv2.addWeighted(part, line[0], part, 0, line[1])
    if part.shape[:2] == (size, size):
        result = np.empty((3, size, size), dtype=np.uint8)
    else:
        result = np.zeros((3, size, size), dtype=np.uint8)
    if part.ndim == 2:
        result[:, top:bottom, left:right] = part
    else:  # OpenCV holds BGR
        cv2.split(part, [result[plane, top:bottom, left:right] for plane in (2, 1, 0)])
    return result


def _scale(part: Pixels, height: int, width: int) -> Pixels:
    """The part at another size: halved by means of 2 x 2 pixels while it is twice that size, the rest linearly.

    Below a factor of two the linear weights span the distance between the pixels of the result, so nothing is skipped,
    and both steps have fast paths: a fraction of the time of one area average over broken pixels.
    """
    while part.shape[0] >= 2 * height and part.shape[1] >= 2 * width:
        rows, columns = part.shape[0] // 2, part.shape[1] // 2
        part = cv2.resize(part[: 2 * rows, : 2 * columns], (columns, rows), interpolation=cv2.INTER_AREA)
    if part.shape[:2] != (height, width):
        part = cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
    return part


def _overlap(low: float, high: float, length: int, size: int) -> tuple[int, int, int, int]:
    """Along one axis: the pixels of [low, high) inside the picture, and where they go in a result of `size`."""
    first = min(max(0, round(low)), length - 1)
    last = max(first + 1, min(length, round(high)))
    scale = size / (high - low)
    start = min(max(0, round((first - low) * scale)), size - 1)
    stop = max(start + 1, min(size, round((last - low) * scale)))
    return first, last, start, stop
