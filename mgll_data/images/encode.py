"""A picture made small enough and written as bytes: the same bytes for the same pixels, every time."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mgll_data.images.raster import Pixels

Format = Literal["jpeg", "png", "webp"]
EXTENSIONS: dict[Format, str] = {"jpeg": "jpg", "png": "png", "webp": "webp"}


def reduce_to(pixels: Pixels, side: int) -> Pixels:
    """Reduce a picture (H x W or H x W x 3) so that its longest side is `side`; never enlarge it.

    By area averaging; by less than half with bilinear weights, four times as fast and exact on every machine: what a
    scaled decode leaves to do is of this kind.
    """
    import cv2

    height, width = pixels.shape[:2]
    longest = max(height, width)
    if longest <= side:
        return np.ascontiguousarray(pixels)
    size = (max(1, round(width * side / longest)), max(1, round(height * side / longest)))
    way = cv2.INTER_LINEAR_EXACT if longest < 2 * side else cv2.INTER_AREA
    return np.asarray(cv2.resize(pixels, size, interpolation=way), np.uint8)


def encode(pixels: Pixels, form: Format, quality: int) -> bytes:
    """Encode a grey or BGR picture, uint8. quality: 1 to 100 for jpeg and webp; png is lossless and ignores it.

    JPEG keeps colour at full resolution (4:4:4): a microaneurysm is a red dot one or two stored pixels wide.
    """
    import cv2

    parameters: dict[Format, list[int]] = {
        "jpeg": [
            cv2.IMWRITE_JPEG_QUALITY,
            quality,
            cv2.IMWRITE_JPEG_OPTIMIZE,
            1,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        ],
        "png": [cv2.IMWRITE_PNG_COMPRESSION, 6],
        "webp": [cv2.IMWRITE_WEBP_QUALITY, quality],
    }
    done, buffer = cv2.imencode("." + EXTENSIONS[form], pixels, parameters[form])
    if not done:
        raise ValueError(f"OpenCV cannot write {form}")
    return bytes(buffer)
