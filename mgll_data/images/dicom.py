"""DICOM files to an 8-bit picture as a radiologist would see it.

Order of the steps (PS3.4 N.2): stored values, modality LUT, VOI LUT or window, then MONOCHROME1 inversion. Inverting
before windowing is the usual mistake. The scale is the range of the VOI transformation, never the picture's maximum.
Only tags on an allow-list are ever read, so names, ids and dates do not enter this process.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mgll_data.errors import ExcludedError, SampleError
from mgll_data.images.dicom_words import MODALITIES, is_elsewhere, laterality_of, view_of
from mgll_data.images.raster import Mode, Picture, Pixels, check_size, stretch, to_mode

Window = Literal["voi", "percentile"]

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
    header = read_header(data, headerless=headerless)
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
        gray, extra = _display(stored, header, window)
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


def read_header(data: bytes, *, headerless: bool = False) -> Any:
    """Allow-listed tags of a DICOM object, without its pixels. headerless: neither preamble nor file meta.

    Raises SampleError `undecodable` unless it describes a picture, `truncated` where the file ends in its header.
    """
    header = _read(data, headerless, f"{_CONTENT} {_PIXELS}", pixels=False)
    for key in ("Rows", "Columns", "BitsAllocated"):
        try:
            plausible = int(header.get(key) or 0) > 0
        except (TypeError, ValueError):
            plausible = False
        if not plausible:
            raise SampleError("undecodable", f"no picture in it: {key} is absent or zero")
    return header


def preflight(paths: Iterable[Path]) -> dict[str, SyntaxReport]:
    """Transfer syntaxes of the DICOM files among `paths` (others are passed over), read from their headers."""
    counts: dict[str, int] = {}
    for path in paths:
        uid = _syntax_of(path)
        if uid:
            counts[uid] = counts.get(uid, 0) + 1
    report = {}
    for uid, count in sorted(counts.items()):
        missing = _missing_plugins(uid)
        report[uid] = SyntaxReport(count, missing is None, missing or "")
    return report


def apply_window(
    values: npt.NDArray[Any], center: float, width: float, function: str = "LINEAR"
) -> npt.NDArray[np.float32]:
    """VOI window (PS3.3 C.11.2.1.2 and C.11.2.1.3) to the range 0 to 1, float32, clipped.

    Raises ValueError for a width below 1 (LINEAR) or not above 0 (LINEAR_EXACT, SIGMOID), and other function names.
    """
    x = values.astype(np.float32)
    if function == "LINEAR":
        if width < 1:
            raise ValueError("window width below 1")
        if width == 1:
            return (x > center - 0.5).astype(np.float32)
        scaled = (x - np.float32(center - 0.5)) / np.float32(width - 1) + np.float32(0.5)
    elif width <= 0:
        raise ValueError("window width not above 0")
    elif function == "LINEAR_EXACT":
        scaled = (x - np.float32(center)) / np.float32(width) + np.float32(0.5)
    elif function == "SIGMOID":
        scaled = 1 / (1 + np.exp(np.clip(-4 * (x - np.float32(center)) / np.float32(width), -80, 80)))
    else:
        raise ValueError("unknown VOI LUT function")
    return np.asarray(np.clip(scaled, 0, 1), np.float32)


def _display(stored: npt.NDArray[Any], header: Any, window: Window) -> tuple[Pixels, list[str]]:
    """Modality LUT and VOI transformation: display values before any inversion, 0 to 255, with the flags."""
    from pydicom.pixels import apply_modality_lut, apply_voi

    values: npt.NDArray[Any] = stored
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    if header.get("ModalityLUTSequence") or (slope is not None and (float(slope), float(intercept or 0)) != (1.0, 0.0)):
        values = apply_modality_lut(stored, header)
    if window == "voi":
        if header.get("VOILUTSequence"):
            depth = int(header.VOILUTSequence[0].LUTDescriptor[2])
            shown = apply_voi(values, header, index=0).astype(np.float32) / np.float32(2**depth - 1)
            return np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8), []
        center, width = _first(header.get("WindowCenter")), _first(header.get("WindowWidth"))
        if center is not None and width is not None:
            try:
                shown = apply_window(values, center, width, str(header.get("VOILUTFunction") or "LINEAR").upper())
                return np.rint(shown * 255).astype(np.uint8), []
            except ValueError:
                return stretch(values), ["percentile_window", "bad_window"]
    if values.dtype == np.uint8:
        return values, []
    if values is stored and int(header.get("BitsStored") or 16) == 8 and not header.get("PixelRepresentation"):
        return np.clip(values, 0, 255).astype(np.uint8), []
    return stretch(values), ["percentile_window"]


def _first(value: Any) -> float | None:
    """First of a possibly multi-valued number, None where it is absent or not a number."""
    if value is None or value == "":
        return None
    try:
        number = float(value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value)
    except (TypeError, ValueError, IndexError):
        return None
    return number if math.isfinite(number) else None


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

    try:
        dataset = dcmread(BytesIO(data), force=headerless, stop_before_pixels=not pixels, specific_tags=tags.split())
        if "TransferSyntaxUID" not in dataset.file_meta:
            implicit, little = dataset.original_encoding
            syntax = _IMPLICIT if implicit else _EXPLICIT if little else _BIG
            dataset.file_meta.TransferSyntaxUID = UID(syntax)
        return dataset
    except EOFError:
        raise SampleError("truncated", "the file ends inside its header") from None
    except Exception as error:  # a damaged header can make pydicom raise nearly anything, with values in the message
        raise SampleError("undecodable", f"the header cannot be read ({type(error).__name__})") from None


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
    """Transfer syntax of a file with DICOM preamble; headerless ones count as implicit little endian."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        with path.open("rb") as file:
            start = file.read(132)
        if start[128:132] == b"DICM":
            meta: Mapping[str, Any] = dcmread(path, stop_before_pixels=True, specific_tags=["Rows"]).file_meta
            return str(meta.get("TransferSyntaxUID") or _IMPLICIT)
        if start[:2] == b"\x08\x00" and start[3:4] == b"\0":
            return str(read_header(path.read_bytes(), headerless=True).file_meta.TransferSyntaxUID)
    except (OSError, SampleError, InvalidDicomError, EOFError):
        return None
    return None
