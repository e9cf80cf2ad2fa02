"""Raster files (PNG, JPEG, TIFF, PNM, BMP, WebP) to an 8-bit picture, at the scale that is needed and no finer."""

from __future__ import annotations

import math
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mgll_data.errors import SampleError
from mgll_data.images.headers import Header, Kind, png_is_whole, read_header

Mode = Literal["gray8", "rgb8"]
Pixels = npt.NDArray[np.uint8]
PERCENTILES = (0.5, 99.5)

_STDERR = threading.Lock()
_FATAL = re.compile(rb"bad Huffman code|instead of RST|Corrupt JPEG data: bad|Unsupported marker", re.I)


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture. pixels: H x W (gray8) or H x W x 3 in BGR order (rgb8), uint8.

    width, height: of the original, upright, in pixels. scale: one pixel here stands for scale x scale pixels there.
    flags: words on how it was read. modality_code, view, laterality: what the file itself says, None where it does not.
    view_from: the DICOM tag that tells the view. study_name: see `study_names.study_name`.
    """

    pixels: Pixels
    width: int
    height: int
    scale: int = 1
    flags: tuple[str, ...] = ()
    modality_code: str | None = None
    view: str | None = None
    laterality: str | None = None
    view_from: str | None = None
    study_name: str | None = None


def check_size(width: int, height: int, min_side: int, max_pixels: int) -> None:
    """Raise SampleError `too_large` or `too_small` for a picture outside the recipe's budget."""
    if width * height > max_pixels:
        raise SampleError("too_large", f"{width} x {height} pixels, the budget is {max_pixels}")
    if min(width, height) < min_side:
        raise SampleError("too_small", f"{width} x {height} pixels, the shorter side must be at least {min_side}")


def stretch(values: npt.NDArray[Any]) -> Pixels:
    """Map the 0.5 to 99.5 percentile range of any numeric array linearly to 0 to 255 (uint8, clipped).

    Percentiles are taken over at most about a million evenly spaced values. A constant array becomes zeros.
    """
    flat = values.reshape(-1)
    sample = flat[:: max(1, flat.size // 1_000_000)].astype(np.float64)
    low, high = np.percentile(sample, PERCENTILES)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise SampleError("undecodable", "pixel values are not finite")
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(255.0 / (high - low))
    return np.asarray(np.rint(np.clip(np.nan_to_num(scaled), 0, 255)), np.uint8)


def read_raster(
    data: bytes, kind: Kind, mode: Mode, target: int, min_side: int, max_pixels: int, *, shorter: bool = False
) -> Picture:
    """Decode a raster file to 8 bits.

    A JPEG is decoded at 1/2, 1/4 or 1/8 (scaled inverse DCT) as long as its longest side (`shorter`: its shortest)
    stays at least `target` pixels. EXIF orientation is applied, as a viewer does (flag `exif_rotated`). Depths above
    8 bits carry no stated window, so they get a percentile stretch (flag `percentile_window`). Transparency is composed
    over black, the background of films and fundus photographs (flag `alpha`). Colour profiles are ignored.
    Raises SampleError `truncated`, `undecodable`, `too_large` or `too_small`; the last two before any decoding.
    """
    header = read_header(data, kind)
    check_size(header.width, header.height, min_side, max_pixels)
    if kind == "jpeg":
        side = min(header.width, header.height) if shorter else max(header.width, header.height)
        return _read_jpeg(data, header, mode, scale_for(side, target))
    if kind == "png" and not png_is_whole(data):
        raise SampleError("truncated", "the png file ends before its last chunk")
    import cv2

    pixels, _ = _decode(data, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        short = len(data) < header.width * header.height if kind in ("bmp", "pnm") else False
        raise SampleError("truncated" if short else "undecodable", f"the {kind} data cannot be decoded")
    if pixels.shape[:2] != (header.height, header.width):
        raise SampleError("undecodable", f"the {kind} header and its picture differ in size")
    pixels, flags = to_mode(pixels, mode)
    return Picture(pixels, header.width, header.height, flags=flags)


def scale_for(longest: int, target: int) -> int:
    """Largest of 8, 4, 2, 1 by which `longest` can be divided and stay at least `target`."""
    return next((scale for scale in (8, 4, 2) if math.ceil(longest / scale) >= target), 1)


def to_mode(pixels: npt.NDArray[Any], mode: Mode) -> tuple[Pixels, tuple[str, ...]]:
    """Bring an array (H x W, or H x W x 3 or 4 in BGR(A) order, any numeric type) to `mode`; say what was done."""
    import cv2

    flags: list[str] = []
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        top = np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else 1
        alpha = pixels[:, :, 3:]
        pixels = pixels[:, :, :3]
        if (alpha < top).any():
            flags.append("alpha")
            pixels = np.rint(pixels * (alpha.astype(np.float32) / top)).astype(pixels.dtype)
    if pixels.dtype != np.uint8:
        flags.append("percentile_window")
        pixels = stretch(pixels)
    colour = pixels.ndim == 3
    if mode == "gray8" and colour:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    elif mode == "rgb8" and not colour:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(pixels), tuple(flags)


def _read_jpeg(data: bytes, header: Header, mode: Mode, scale: int) -> Picture:
    import cv2

    flags: list[str] = []
    if not header.complete:
        # Some writers forget the end marker. The picture is whole if its decoder, given the marker, misses no data.
        # A progressive file may end between two scans, where nothing is missed and detail is lost: not accepted.
        if header.progressive:
            raise SampleError("truncated", "the progressive jpeg has no end marker")
        flags.append("no_end_marker")
        data = data.rstrip(b"\0") + b"\xff\xd9"
    reduced = {
        1: (cv2.IMREAD_GRAYSCALE, cv2.IMREAD_COLOR),
        2: (cv2.IMREAD_REDUCED_GRAYSCALE_2, cv2.IMREAD_REDUCED_COLOR_2),
        4: (cv2.IMREAD_REDUCED_GRAYSCALE_4, cv2.IMREAD_REDUCED_COLOR_4),
        8: (cv2.IMREAD_REDUCED_GRAYSCALE_8, cv2.IMREAD_REDUCED_COLOR_8),
    }
    pixels, messages = _decode(data, reduced[scale][mode == "rgb8"] | cv2.IMREAD_IGNORE_ORIENTATION)
    if b"premature end" in messages.lower():
        raise SampleError("truncated", "the jpeg ends before its picture does")
    if pixels is None or _FATAL.search(messages):
        raise SampleError("undecodable", "the jpeg data are corrupt or of a form that the decoder does not read")
    if b"extraneous bytes" in messages:
        flags.append("jpeg_warning")
    width, height = header.width, header.height
    if header.orientation != 1:
        flags.append("exif_rotated")
        pixels = _upright(pixels, header.orientation)
        if header.orientation >= 5:
            width, height = height, width
    return Picture(np.ascontiguousarray(pixels), width, height, scale, tuple(flags))


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation of 2 to 8 (EXIF 2.3 section 4.6.4)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _decode(data: bytes, flags: int) -> tuple[Any, bytes]:
    """OpenCV's decode and what the codec printed: libjpeg reports missing data nowhere else."""
    import cv2

    with caught_stderr() as messages:
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:
            pixels = None
    return pixels, bytes(messages)


@contextmanager
def caught_stderr() -> Iterator[bytearray]:
    """Collect what C code writes to file descriptor 2 meanwhile. The lock keeps two threads from mixing their own."""
    caught = bytearray()
    with _STDERR, tempfile.TemporaryFile() as sink:
        if sys.stderr is not None:
            sys.stderr.flush()
        saved = os.dup(2)
        os.dup2(sink.fileno(), 2)
        try:
            yield caught
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            sink.seek(0)
            caught += sink.read()
