"""The stored values of a DICOM object, decoded alike on every machine once what its header promises is checked."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from mgll_data.errors import SampleError
from mgll_data.images.codestream import stated_size
from mgll_data.images.raster import Pixels, caught_stderr
from mgll_data.images.syntaxes import packages, plugins

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_TOLERANCE = 0.01  # relative: spacings that differ by less are rounding


def refuse_bomb(data: bytes, largest: int) -> None:
    """Raise SampleError `too_large` for a deflated object (PS3.5 A.5) of more than `largest` bytes when inflated."""
    at = data.find(_DEFLATED, 132, 4096)
    if at < 0:
        return
    start = 144 + int.from_bytes(data[140:144], "little")  # after the file meta group, whose length stands first
    try:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        size, rest = 0, data[start:]
        while rest and not inflate.eof:
            size += len(inflate.decompress(rest, 1 << 24))
            rest = inflate.unconsumed_tail
            if size > largest:
                raise SampleError("too_large", "a deflated object that grows beyond the budget")
    except zlib.error:
        raise SampleError("undecodable", "the deflated object is damaged") from None


def stored_values(dataset: Any) -> npt.NDArray[Any]:
    """Stored values, rows x columns (x 3, RGB): significant bits only, wherever `HighBit` puts them.

    dataset: header and pixel data. The lengths are compared first: pydicom pads nothing.
    Raises SampleError `truncated` or `undecodable`.
    """
    element = next((e for e in map(dataset.get, ("PixelData", "FloatPixelData", "DoubleFloatPixelData")) if e), None)
    if not element:
        raise SampleError("truncated", "the file has no pixel data")
    allocated, bits = int(dataset.BitsAllocated), int(dataset.get("BitsStored") or dataset.BitsAllocated)
    compressed = dataset.file_meta.TransferSyntaxUID.is_compressed
    if allocated not in ((8, 16) if compressed else (1, 8, 16, 32, 64)) or not 1 <= bits <= allocated:
        raise SampleError("undecodable", f"{bits} bits stored of {allocated} allocated")
    if compressed:
        _check_frame(dataset, element)
        stored = _decompressed(dataset)
    else:
        stored = _native(dataset, len(element))
    if stored.shape[:2] != (int(dataset.Rows), int(dataset.Columns)):
        raise SampleError("undecodable", "the pixels do not have the size that the header states")
    return stored


def squared(pixels: Pixels, header: Any, max_pixels: int) -> tuple[Pixels, list[str]]:
    """The picture with square pixels. Spacings that are zero, negative or no numbers are as good as absent."""
    down, across = _spacing(header)
    if abs(down / across - 1) <= _TOLERANCE:
        return pixels, []
    height, width = pixels.shape[:2]
    size = (width, round(height * down / across)) if down > across else (round(width * across / down), height)
    if size[0] * size[1] > max_pixels:
        raise SampleError("too_large", f"{size[0]} x {size[1]} pixels once they are square, the budget is {max_pixels}")
    import cv2

    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8), ["square_pixels"]


def _spacing(header: Any) -> tuple[float, float]:
    """Row and column spacing, in any unit: the first tag that states two positive numbers, else 1 and 1."""
    for key in ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
        try:
            down, across = (float(value) for value in header.get(key) or ())
        except (TypeError, ValueError):
            continue
        if 0 < down < 1e6 and 0 < across < 1e6:
            return down, across
    return 1.0, 1.0


def _native(dataset: Any, length: int) -> npt.NDArray[Any]:
    samples = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("SamplesPerPixel") or 1)
    expected = samples * int(dataset.BitsAllocated) // 8
    subsampled = dataset.get("PhotometricInterpretation") == "YBR_FULL_422"
    if length < expected * (2 if subsampled else 3) // 3:
        raise SampleError("truncated", f"{length} bytes of pixel data, {expected} expected")
    # Where the significant bits do not start at bit 0, those below are cut off here: pydicom looks at no HighBit.
    bits = int(dataset.get("BitsStored") or dataset.BitsAllocated)
    top = int(dataset.get("HighBit") or bits - 1) + 1
    shift = top - bits if bits < top <= int(dataset.BitsAllocated) else 0
    if shift:
        dataset.BitsStored = top
    stored = _pixels(dataset, "")
    return stored >> shift if shift else stored


def _check_frame(dataset: Any, data: bytes) -> None:
    from pydicom.encaps import get_frame

    try:
        frame = get_frame(data, 0, number_of_frames=1)
    except Exception:  # a damaged basic offset table or item: what the decoder makes of it is its own affair
        raise SampleError("truncated", "the compressed pixel data are cut or wrongly split into items") from None
    size = stated_size(frame)
    if size is not None and size != (int(dataset.Columns), int(dataset.Rows)):
        raise SampleError(
            "undecodable", f"the header states {dataset.Columns} x {dataset.Rows} pixels, its data others"
        )


def _decompressed(dataset: Any) -> npt.NDArray[Any]:
    """Decoded by the first plug-in that can; pydicom itself would take them in an order of its own."""
    from pydicom.pixels import get_decoder

    syntax = dataset.file_meta.TransferSyntaxUID
    reasons: list[str] = []
    for plugin in plugins(syntax):
        try:
            return _pixels(dataset, plugin)
        except SampleError as error:
            reasons.append(f"{plugin}: {error.detail}")
    lacking = packages(get_decoder(syntax))
    more = f"; not installed: {', '.join(lacking)}" if lacking else ""
    raise SampleError("undecodable", f"no decoder reads the pixels ({', '.join(reasons)}{more})")


def _pixels(dataset: Any, plugin: str) -> npt.NDArray[Any]:
    try:
        with caught_stderr():  # C and Rust decoders print there what they make of damaged data
            dataset.pixel_array_options(decoding_plugin=plugin)
            stored: npt.NDArray[Any] = dataset.pixel_array
    except (MemoryError, RecursionError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # plug-ins raise their own types (a Rust panic is no Exception) and quote the file
        raise SampleError("undecodable", type(error).__name__) from None
    return stored
