"""One stored image to the model's square input: decode, crop, scale, jitter of grey levels.

The picture keeps its shape: it stands in the middle of a black square, and crops are windows of that square. Nothing is
mirrored or turned, since laterality and the heart's side are part of what the texts say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

# A window of at least this share of the square's area, stretched by at most ASPECT, always holds the square's centre.
SMALLEST_CROP = 0.3
ASPECT = 0.9
# A shard holds pictures of some hundred thousand pixels: what claims more than this is a decompression bomb.
MOST_PIXELS = 100_000_000

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


def render(data: bytes, view: View, *, grey: bool, rng: Random | None = None) -> Pixels:
    """Decode and place one picture: uint8 (3, size, size), RGB, or (1, size, size) if `grey`.

    With `rng` the window and the grey levels are random, without it the whole picture is shown as it is. Raises
    UnreadablePictureError for bytes that are cut short or are no picture.
    """
    jpeg = data[:3] == b"\xff\xd8\xff"
    pixels = None if jpeg else _decode(data, grey)
    height, width = _jpeg_size(data) if pixels is None else pixels.shape[:2]
    box = _window(height, width, view.crop, rng)
    if pixels is None:
        factor = 1
        if view.reduced:
            smallest = min(box[2] - box[0], box[3] - box[1])
            factor = next((f for f in (8, 4, 2) if smallest / f >= view.size), 1)
        pixels = _decode_jpeg(data, grey, -(-height // factor), -(-width // factor))
    # A reduced decode rounds its size up: follow the size that came out.
    across, down = pixels.shape[1] / width, pixels.shape[0] / height
    line = _grey_levels(view.jitter, rng) if rng is not None and view.jitter else None
    return _place(pixels, (box[0] * across, box[1] * down, box[2] * across, box[3] * down), view.size, line)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Height and width, from the header."""
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise UnreadablePictureError(f"JPEG: {error}") from error
    _refuse_bomb(height, width)
    return height, width


def _decode_jpeg(data: bytes, grey: bool, height: int, width: int) -> Pixels:
    """The JPEG at the smallest size the transform gives (an eighth, quarter, half or all) of at least (height, width).

    Unlike OpenCV, which fills what is missing with grey, this decoder refuses data that are cut short or contradict
    themselves, and it is a tenth faster; the pixels are the same to the bit.
    """
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(data, "GRAY" if grey else "BGR", min_height=height, min_width=width)
    except ValueError as error:
        raise UnreadablePictureError(f"JPEG: {error}") from error
    return pixels[..., 0] if grey else pixels


def _refuse_bomb(height: int, width: int) -> None:
    if height * width > MOST_PIXELS:
        raise UnreadablePictureError(f"{width} x {height} pixels, more than {MOST_PIXELS:,}")


def _decode(data: bytes, grey: bool) -> Pixels:
    """A PNG or WebP. OpenCV makes a picture of one that is cut short, so its end is checked."""
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        if data[-8:-4] != b"IEND":
            raise UnreadablePictureError("PNG without its end chunk")
        _refuse_bomb(int.from_bytes(data[20:24], "big"), int.from_bytes(data[16:20], "big"))
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        if len(data) < 8 + int.from_bytes(data[4:8], "little"):
            raise UnreadablePictureError("WebP shorter than its header says")
    else:
        raise UnreadablePictureError("neither JPEG nor PNG nor WebP")
    flags = (cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), flags)
    except cv2.error as error:
        raise UnreadablePictureError(str(error).strip()) from error
    if pixels is None:
        raise UnreadablePictureError("cannot be decoded")
    return pixels  # type: ignore[no-any-return]


def _window(height: int, width: int, crop: float, rng: Random | None) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 in pixels of the picture: a window of the square around it (it may reach over the picture)."""
    side = max(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    if rng is None or crop >= 1:
        return left, top, left + side, top + side
    area, stretch = rng.uniform(crop, 1.0), math.exp(rng.uniform(math.log(ASPECT), -math.log(ASPECT)))
    across, down = min(1.0, math.sqrt(area * stretch)) * side, min(1.0, math.sqrt(area / stretch)) * side
    x0, y0 = left + rng.uniform(0, 1) * (side - across), top + rng.uniform(0, 1) * (side - down)
    return x0, y0, x0 + across, y0 + down


def _grey_levels(strength: float, rng: Random) -> tuple[float, float]:
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
    if part.ndim == 2 and part.shape == (size, size):
        return part[None]
    planes = (3 if part.ndim == 3 else 1, size, size)
    result = np.empty(planes, dtype=np.uint8) if part.shape[:2] == (size, size) else np.zeros(planes, dtype=np.uint8)
    if part.ndim == 2:
        result[0, top:bottom, left:right] = part
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
