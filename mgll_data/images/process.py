"""One image file to one stored picture: read, judge, crop, reduce, hash, encode."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mgll_data.curate.quality import FIXED_SIDE, measure
from mgll_data.errors import RetryableError, SampleError
from mgll_data.images.encode import Format, encode, reduce_to
from mgll_data.images.fundus import Field, blank_surround, find_field
from mgll_data.images.headers import Kind, sniff
from mgll_data.images.raster import Mode, Picture, Pixels, read_raster, scale_for
from mgll_data.images.raw_film import is_raw_film, read_raw_film
from mgll_data.phi.burned_in import text_lines

VERSION = 3  # of the pixel pipeline: raised whenever stored bytes or figures change
MAX_FILE_BYTES = 2**31


@dataclass(frozen=True)
class ImageOptions:
    """What the pixel pipeline does. side: longest side of the stored picture, in pixels; nothing is enlarged.

    mode: gray8 (films) or rgb8 (photographs). window: for DICOM deeper than 8 bits, see `dicom.read_dicom`.
    min_side, max_pixels: budget for the original. field_of_view: crop fundus photographs to their lit field.
    find_text: look for text near the border of films (flag `border_text`), see `phi.burned_in`.
    DICOM films of another part of the body than the chest are excluded in gray8 without `field_of_view`.
    """

    side: int = 512
    mode: Mode = "gray8"
    format: Format = "jpeg"
    quality: int = 95
    window: Literal["voi", "percentile"] = "voi"
    min_side: int = 256
    max_pixels: int = 64_000_000
    field_of_view: bool = False
    find_text: bool = False

    def digest(self) -> str:
        """12 hex digits that name these options and this version of the pipeline."""
        text = json.dumps({"version": VERSION, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Processed:
    """A stored picture and what is known of it. Sizes in pixels.

    crop: x0, y0, x1, y1 in pixels of the upright original. pixel_sha256: of the reduced pixels before encoding, so one
    picture in two lossless containers (or DICOM wrappings) has one value. dhash: 64 bits, 16 hex digits.
    mean, std, sharpness: see `curate.quality`. flags: quality words and how the file was read.
    """

    data: bytes
    width: int
    height: int
    original_width: int
    original_height: int
    crop: tuple[int, int, int, int]
    file_sha256: str
    pixel_sha256: str
    dhash: str
    mean: float
    std: float
    sharpness: float
    flags: tuple[str, ...]
    modality_code: str | None
    view: str | None
    laterality: str | None
    view_from: str | None
    study_name: str | None


def process(path: Path, options: ImageOptions) -> Processed:
    """Turn one file into the picture to store.

    Raises SampleError or ExcludedError with a reason of `schema` (never a path, name, id or date in the detail), and
    RetryableError where the file system fails.
    """
    data = _read_file(path)
    kind: Kind | None = "raw_film" if is_raw_film(path) else sniff(data)
    if kind is None:
        raise SampleError("undecodable", "the file is of no kind that we read (PNG, JPEG, DICOM, TIFF, PNM, BMP, WebP)")
    picture = _read_picture(data, kind, options, options.side)
    pixels, crop, flags = picture.pixels, (0, 0, picture.width, picture.height), list(picture.flags)
    field: Field | None = None
    if options.field_of_view:
        field = find_field(pixels)
        if field is None:
            flags.append("no_field_of_view")
        else:
            field = field.scaled(picture.scale)
            crop = _within(field.box, picture)
            longest = max(crop[2] - crop[0], crop[3] - crop[1])
            if scale_for(longest, options.side) < picture.scale:  # a small field: the scaled decode was too coarse
                picture = _read_picture(
                    data, kind, options, options.side * min(picture.width, picture.height) // longest + 1
                )
            pixels = _cut(picture, crop)
    if options.find_text and text_lines(_gray(pixels)):
        flags.append("border_text")
    stored = reduce_to(pixels, options.side)
    if field is not None:
        stored = blank_surround(stored, field, crop)
        flags += _estimated_side(stored) if stored.ndim == 3 else []
    small = reduce_to(_gray(stored), FIXED_SIDE)
    quality = measure(small)
    return Processed(
        data=encode(stored, options.format, options.quality),
        width=stored.shape[1],
        height=stored.shape[0],
        original_width=picture.width,
        original_height=picture.height,
        crop=crop,
        file_sha256=hashlib.sha256(data).hexdigest(),
        pixel_sha256=_pixel_sha256(stored),
        dhash=dhash(small),
        mean=quality.mean,
        std=quality.std,
        sharpness=quality.sharpness,
        flags=tuple(dict.fromkeys((*flags, *quality.flags))),
        modality_code=picture.modality_code,
        view=picture.view,
        laterality=picture.laterality,
        view_from=picture.view_from,
        study_name=picture.study_name,
    )


def dhash(gray: Pixels) -> str:
    """Difference hash of a grey picture: at 9 x 8 pixels, bit set where a pixel is brighter than its left neighbour.

    64 bits row by row, the first comparison in the highest bit, as 16 hex digits.
    """
    import cv2

    small = np.asarray(cv2.resize(gray, (9, 8), interpolation=cv2.INTER_AREA), np.int16)
    bits = (small[:, 1:] > small[:, :-1]).reshape(-1)
    return np.packbits(bits).tobytes().hex()


def _read_file(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size == 0:
            raise SampleError("zero_bytes")
        if size > MAX_FILE_BYTES:
            raise SampleError("too_large", f"a file of {size} bytes")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise SampleError("missing_image", "there is no such file") from None
    except PermissionError:
        raise SampleError("missing_image", "the file may not be read (permission denied)") from None
    except OSError as error:
        raise RetryableError(f"reading an image failed: {error.strerror}") from error


def _read_picture(data: bytes, kind: Kind, options: ImageOptions, target: int) -> Picture:
    if kind in ("dicom", "headerless_dicom"):
        from mgll_data.images.dicom import read_dicom

        return read_dicom(
            data,
            options.mode,
            options.window,
            options.min_side,
            options.max_pixels,
            chest=options.mode == "gray8" and not options.field_of_view,
            headerless=kind == "headerless_dicom",
        )
    if kind == "raw_film":
        return read_raw_film(data, options.mode, options.min_side, options.max_pixels)
    # A fundus field is about as wide as the photograph is high, so it is the shorter side that must stay long enough.
    return read_raster(
        data, kind, options.mode, target, options.min_side, options.max_pixels, shorter=options.field_of_view
    )


def _within(box: tuple[int, int, int, int], picture: Picture) -> tuple[int, int, int, int]:
    return box[0], box[1], min(box[2], picture.width), min(box[3], picture.height)


def _estimated_side(pixels: Pixels) -> list[str]:
    """The flag that tells the eye a photograph seems to show; the source's own word, where there is one, stands."""
    from mgll_data.images.laterality import estimate_laterality

    side = estimate_laterality(pixels)
    return [f"estimated_{side}_eye"] if side else []


def _cut(picture: Picture, crop: tuple[int, int, int, int]) -> Pixels:
    s = picture.scale
    return picture.pixels[crop[1] // s : -(-crop[3] // s), crop[0] // s : -(-crop[2] // s)]


def _gray(pixels: Pixels) -> Pixels:
    import cv2

    return pixels if pixels.ndim == 2 else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)


def _pixel_sha256(pixels: Pixels) -> str:
    """sha256 over the shape and the pixels; a colour picture without colour hashes like its grey twin."""
    import cv2

    if pixels.ndim == 3:
        blue, green, red = cv2.split(pixels)
        if np.array_equal(blue, green) and np.array_equal(blue, red):
            pixels = np.asarray(blue, np.uint8)
    shape = "x".join(map(str, pixels.shape))
    return hashlib.sha256(shape.encode() + b"\0" + np.ascontiguousarray(pixels).tobytes()).hexdigest()
