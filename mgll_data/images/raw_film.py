"""Headerless films of the JSRT database: 2,048 rows of 2,048 big-endian 16-bit numbers, of which 12 bits are used."""

from __future__ import annotations

from pathlib import PurePath

import numpy as np

from mgll_data.errors import SampleError
from mgll_data.images.raster import Mode, Picture, check_size, to_mode

SUFFIX = ".img"
SIDE = 2048
BITS = 12


def is_raw_film(path: PurePath) -> bool:
    """Whether a file is read as a JSRT film: by its suffix, in any case, since the file has no header to tell by."""
    return path.suffix.lower() == SUFFIX


def read_raw_film(data: bytes, mode: Mode, min_side: int, max_pixels: int) -> Picture:
    """Decode a JSRT film to 8 bits, air black (flag `inverted`).

    The numbers are optical densities of the film, high where it is dark, so they are turned round before the 0.5 to
    99.5 percentile stretch that all depths above 8 bits without a window get (flag `percentile_window`).
    Raises SampleError `truncated`, `undecodable`, `too_large` or `too_small`.
    """
    check_size(SIDE, SIDE, min_side, max_pixels)
    expected = SIDE * SIDE * 2
    if len(data) != expected:
        short = len(data) < expected
        raise SampleError("truncated" if short else "undecodable", f"{len(data)} bytes where a film has {expected}")
    densities = np.frombuffer(data, ">u2").reshape(SIDE, SIDE)
    top = (1 << BITS) - 1
    if densities.max() > top:
        raise SampleError("undecodable", f"numbers beyond {BITS} bits: not a headerless film of this kind")
    pixels, flags = to_mode((top - densities).astype(np.uint16), mode)
    return Picture(pixels, SIDE, SIDE, flags=("inverted", *flags))
