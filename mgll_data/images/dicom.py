"""DICOM files to an 8-bit picture as a radiologist would see it.

Order of the steps (PS3.4 N.2): stored values, modality LUT, VOI LUT or window, then MONOCHROME1 inversion. Inverting
before windowing is the usual mistake. The scale is the range of the VOI transformation, never the picture's maximum.
Only tags on an allow-list are ever read, so names, ids and dates do not enter this process.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mgll_data.errors import ExcludedError, SampleError
from mgll_data.images.dicom_display import Window, display
from mgll_data.images.dicom_words import MODALITIES, is_elsewhere, laterality_of, view_of
from mgll_data.images.headers import sniff
from mgll_data.images.raster import Mode, Picture, Pixels, check_size, to_mode

_CONTENT = """Modality ViewPosition ViewCodeSequence PatientOrientation BodyPartExamined AnatomicRegionSequence
ImageLaterality Laterality SeriesDescription ProtocolName PerformedProcedureStepDescription StudyDescription
BurnedInAnnotation PresentationIntentType"""
_PIXELS = """PhotometricInterpretation SamplesPerPixel PlanarConfiguration Rows Columns BitsAllocated BitsStored HighBit
PixelRepresentation NumberOfFrames PixelAspectRatio SmallestImagePixelValue RescaleSlope RescaleIntercept RescaleType
ModalityLUTSequence WindowCenter WindowWidth VOILUTFunction VOILUTSequence PresentationLUTShape
RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor
RedPaletteColorLookupTableData GreenPaletteColorLookupTableData BluePaletteColorLookupTableData"""
_DATA = "PixelData ExtendedOffsetTable ExtendedOffsetTableLengths"
_IMPLICIT, _EXPLICIT, _BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


class SyntaxReport(NamedTuple):
    """How many files use a transfer syntax, whether we can decode it, and the plug-ins that would (any one helps)."""

    files: int
    decodable: bool
    plugin: str


def read_dicom(
    data: bytes, mode: Mode, window: Window, min_side: int, max_pixels: int, *, chest: bool, headerless: bool = False
) -> Picture:
    """Decode one DICOM object to `mode`.

    window `voi`: the header's VOI LUT or first window; where there is none, 8-bit values are taken as display values
    and deeper ones get a percentile stretch (flag `percentile_window`). window `percentile`: always that stretch for
    more than 8 bits. chest: exclude pictures whose header names another part of the body.
    Raises ExcludedError `multi_frame`, `colour` (in gray8), `not_chest`; SampleError `too_large`, `too_small`,
    `decoder_missing`, `truncated`, `undecodable`. All but the last two are raised from the header.
    """
    with _guarded():
        return _read_dicom(data, mode, window, min_side, max_pixels, chest, headerless)


def _read_dicom(
    data: bytes, mode: Mode, window: Window, min_side: int, max_pixels: int, chest: bool, headerless: bool
) -> Picture:
    header = _read_header(data, headerless)
    rows, columns = int(header.Rows), int(header.Columns)
    kind = str(header.get("PhotometricInterpretation") or "")
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise ExcludedError("multi_frame", f"{int(header.NumberOfFrames)} frames")
    if mode == "gray8" and (int(header.get("SamplesPerPixel") or 1) != 1 or kind == "PALETTE COLOR"):
        raise ExcludedError("colour", "colour picture in a grey recipe")
    if chest and is_elsewhere(_body_statements(header)):
        raise ExcludedError("not_chest", "the header names another part of the body")
    check_size(columns, rows, min_side, max_pixels)
    _check_decoder(str(header.file_meta.TransferSyntaxUID))
    stored = _decode(data, header, headerless)
    flags: list[str] = []
    if stored.ndim == 3:
        pixels, seen = to_mode(np.ascontiguousarray(stored[:, :, ::-1]), mode)
        flags += seen
    elif kind == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        pixels, seen = to_mode(_depth8(apply_color_lut(stored, header))[:, :, 2::-1], mode)
        flags += seen
    elif kind in ("MONOCHROME1", "MONOCHROME2"):
        gray, extra = display(stored, header, window)
        flags += extra
        pixels, _ = to_mode(255 - gray if kind == "MONOCHROME1" else gray, mode)
    else:
        raise SampleError("undecodable", "photometric interpretation of one sample that is not a grey scale")
    code = str(header.get("Modality") or "").strip().upper()
    return Picture(
        pixels,
        columns,
        rows,
        flags=(*flags, *_header_flags(header, kind)),
        modality_code=code if code in MODALITIES else None,
        view=view_of(header),
        laterality=laterality_of(header),
    )


def _read_header(data: bytes, headerless: bool) -> Any:
    """Allow-listed tags of a DICOM object, without its pixels. headerless: neither preamble nor file meta.

    Raises SampleError `undecodable` unless it describes a picture, `truncated` where the file ends in its header.
    """
    header = _read(data, headerless, f"{_CONTENT} {_PIXELS}", pixels=False)
    for key in ("Rows", "Columns", "BitsAllocated"):
        if int(header.get(key) or 0) < 1:
            raise SampleError("undecodable", f"no picture in it: {key} is absent or zero")
    return header


def preflight(paths: Iterable[Path]) -> dict[str, SyntaxReport]:
    """Transfer syntaxes of the DICOM files among `paths` (others are passed over), read from their headers."""
    counts: dict[str, int] = {}
    for path in paths:
        with suppress(SampleError, OSError), _guarded():
            uid = _syntax_of(path)
            if uid:
                counts[uid] = counts.get(uid, 0) + 1
    report = {}
    for uid, count in sorted(counts.items()):
        missing = _missing_plugins(uid)
        report[uid] = SyntaxReport(count, missing is None, missing or "")
    return report


@contextmanager
def _guarded() -> Iterator[None]:
    """Turn every error of a damaged object into a SampleError, and keep pydicom from printing its values.

    pydicom parses a value when it is asked for, so any access may raise nearly anything; its messages, warnings and
    log lines quote the value, which may be a name.
    """
    logger = logging.getLogger("pydicom")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (SampleError, OSError, MemoryError):
        raise
    except EOFError:
        raise SampleError("truncated", "the file ends inside its header") from None
    except Exception as error:
        raise SampleError("undecodable", f"the DICOM object is damaged ({type(error).__name__})") from None
    finally:
        logger.disabled = before


def _depth8(values: npt.NDArray[Any]) -> Pixels:
    return values if values.dtype == np.uint8 else (values >> 8).astype(np.uint8)


def _body_statements(header: Any) -> list[object]:
    regions = [item.get("CodeMeaning") for item in header.get("AnatomicRegionSequence") or ()]
    keys = ("PerformedProcedureStepDescription", "StudyDescription")
    return [
        header.get("SeriesDescription"),
        header.get("ProtocolName"),
        header.get("BodyPartExamined"),
        *regions,
        *(header.get(key) for key in keys),
    ]


def _header_flags(header: Any, kind: str) -> list[str]:
    """Facts of the header that a curator wants to see. The photometric interpretation wins over a conflicting shape."""
    shape = str(header.get("PresentationLUTShape") or "")
    found = []
    if (kind, shape) in {("MONOCHROME1", "IDENTITY"), ("MONOCHROME2", "INVERSE")}:
        found.append("lut_shape_conflict")
    if str(header.get("PresentationIntentType") or "") == "FOR PROCESSING":
        found.append("for_processing")
    if str(header.get("BurnedInAnnotation") or "") == "YES":
        found.append("burned_in_annotation")
    return found


def _read(data: bytes, headerless: bool, tags: str, *, pixels: bool) -> Any:
    from pydicom import dcmread
    from pydicom.uid import UID

    dataset = dcmread(BytesIO(data), force=headerless, stop_before_pixels=not pixels, specific_tags=tags.split())
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = UID(_IMPLICIT if implicit else _EXPLICIT if little else _BIG)
    return dataset


def _decode(data: bytes, header: Any, headerless: bool) -> npt.NDArray[Any]:
    """Stored values, rows x columns (x 3, RGB). The element's length is compared first: pydicom pads nothing."""
    dataset = _read(data, headerless, f"{_PIXELS} {_DATA}", pixels=True)
    element = dataset.get("PixelData")
    if not element:
        raise SampleError("truncated", "the file has no pixel data")
    if not dataset.file_meta.TransferSyntaxUID.is_compressed:
        bits = int(header.Rows) * int(header.Columns) * int(header.get("SamplesPerPixel") or 1) * header.BitsAllocated
        subsampled = header.get("PhotometricInterpretation") == "YBR_FULL_422"
        if len(element) < bits // 8 * (2 if subsampled else 3) // 3:
            raise SampleError("truncated", f"{len(element)} bytes of pixel data, {bits // 8} expected")
    try:
        stored: npt.NDArray[Any] = dataset.pixel_array
    except Exception as error:  # plug-ins raise their own types; their messages may quote the file
        raise SampleError("undecodable", f"the pixels cannot be decoded ({type(error).__name__})") from None
    if stored.shape[:2] != (int(header.Rows), int(header.Columns)):
        raise SampleError("undecodable", "the pixels do not have the size that the header states")
    return stored


def _missing_plugins(syntax: str) -> str | None:
    """None where pixels of this transfer syntax can be decoded, else the packages of which one would do."""
    from pydicom.pixels import get_decoder

    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        return "no known decoder"
    if decoder.is_available:
        return None
    return "; ".join(decoder.missing_dependencies)


def _check_decoder(syntax: str) -> None:
    missing = _missing_plugins(syntax)
    if missing:
        raise SampleError("decoder_missing", f"transfer syntax {syntax} needs one of: {missing}")


def _syntax_of(path: Path) -> str | None:
    """Transfer syntax of a file with DICOM preamble, or of one without that still describes a picture; else None."""
    from pydicom import dcmread

    with path.open("rb") as file:
        kind = sniff(file.read(1024))
    if kind == "dicom":
        meta = dcmread(path, stop_before_pixels=True, specific_tags=["Rows"]).file_meta
        return str(meta.get("TransferSyntaxUID") or _IMPLICIT)
    if kind == "headerless_dicom":
        return str(_read_header(path.read_bytes(), headerless=True).file_meta.TransferSyntaxUID)
    return None
