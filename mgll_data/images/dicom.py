"""DICOM files to an 8-bit picture as a radiologist would see it.

Order of the steps (PS3.4 N.2): stored values, modality LUT, VOI LUT or window, then MONOCHROME1 inversion. Inverting
before windowing is the usual mistake. The scale is the range of the VOI transformation, never the picture's maximum.
Only tags on an allow-list are ever read, so names, ids and dates do not enter this process.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from mgll_data.errors import ExcludedError, SampleError
from mgll_data.images import dicom_pixels
from mgll_data.images.dicom_display import Window, display
from mgll_data.images.dicom_words import MODALITIES, NO_RADIOGRAPH, is_elsewhere, laterality_of, view_of
from mgll_data.images.raster import Mode, Picture, Pixels, check_size, to_mode
from mgll_data.images.study_names import study_name
from mgll_data.images.syntaxes import BIG, EXPLICIT, IMPLICIT, missing_plugins, name_of

_CONTENT = """Modality ViewPosition ViewCodeSequence PatientOrientation BodyPartExamined AnatomicRegionSequence
ImageLaterality Laterality SeriesDescription ProtocolName PerformedProcedureStepDescription StudyDescription
ProcedureCodeSequence BurnedInAnnotation PresentationIntentType PixelSpacing ImagerPixelSpacing"""
_PIXELS = """PhotometricInterpretation SamplesPerPixel PlanarConfiguration Rows Columns BitsAllocated BitsStored HighBit
PixelRepresentation NumberOfFrames PixelAspectRatio SmallestImagePixelValue RescaleSlope RescaleIntercept RescaleType
ModalityLUTSequence WindowCenter WindowWidth VOILUTFunction VOILUTSequence PresentationLUTShape
RedPaletteColorLookupTableDescriptor GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor
RedPaletteColorLookupTableData GreenPaletteColorLookupTableData BluePaletteColorLookupTableData"""
_DATA = "PixelData FloatPixelData DoubleFloatPixelData ExtendedOffsetTable ExtendedOffsetTableLengths"
_LARGEST = 2**31  # bytes: of an object after its deflated transfer syntax is undone
_QUIET = threading.RLock()


def read_dicom(
    data: bytes, mode: Mode, window: Window, min_side: int, max_pixels: int, *, chest: bool, headerless: bool = False
) -> Picture:
    """Decode one DICOM object to `mode`.

    window `voi`: the header's VOI LUT or first window; where there is none, 8-bit values are taken as display values
    and deeper ones get a percentile stretch (flag `percentile_window`). window `percentile`: always that stretch for
    more than 8 bits. chest: exclude pictures whose header names another part of the body or another kind of imaging.
    Pixels that are not square are made so, by enlarging the coarser direction (flag `square_pixels`).
    Raises ExcludedError `multi_frame`, `colour` (in gray8), `not_chest`; SampleError `too_large`, `too_small`,
    `decoder_missing`, `truncated`, `undecodable`. All but the last two are raised from the header.
    """
    with _guarded():
        return _read_dicom(data, mode, window, min_side, max_pixels, chest, headerless)


def _read_dicom(
    data: bytes, mode: Mode, window: Window, min_side: int, max_pixels: int, chest: bool, headerless: bool
) -> Picture:
    header = _header_of(data, headerless)
    rows, columns = int(header.Rows), int(header.Columns)
    kind = str(header.get("PhotometricInterpretation") or "")
    code = str(header.get("Modality") or "").strip().upper()
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise ExcludedError("multi_frame", f"{int(header.NumberOfFrames)} frames")
    if mode == "gray8" and (int(header.get("SamplesPerPixel") or 1) != 1 or kind == "PALETTE COLOR"):
        raise ExcludedError("colour", "colour picture in a grey recipe")
    if chest and code in NO_RADIOGRAPH:
        raise ExcludedError("not_chest", f"modality {code}, no radiograph")
    if chest and is_elsewhere(_body_statements(header)):
        raise ExcludedError("not_chest", "the header names another part of the body")
    check_size(columns, rows, min_side, max_pixels)
    _check_decoder(str(header.file_meta.TransferSyntaxUID))
    stored = dicom_pixels.stored_values(_read(data, headerless, f"{_PIXELS} {_DATA}", pixels=True))
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
        pixels, extra = dicom_pixels.squared(pixels, header, max_pixels)
        flags += extra
    else:
        raise SampleError("undecodable", "photometric interpretation of one sample that is not a grey scale")
    view, view_from = view_of(header)
    return Picture(
        pixels,
        columns,
        rows,
        flags=(*flags, *_header_flags(header, kind)),
        modality_code=code if code in MODALITIES else None,
        view=view,
        view_from=view_from,
        laterality=laterality_of(header),
        study_name=_study_name(header, code, view) if chest else None,
    )


def header_of(data: bytes, *, headerless: bool) -> Any:
    """`_header_of`, with every error of a damaged object as a SampleError."""
    with _guarded():
        return _header_of(data, headerless)


def _header_of(data: bytes, headerless: bool) -> Any:
    """Allow-listed tags of a DICOM object, without its pixels. headerless: neither preamble nor file meta.

    Raises SampleError `undecodable` unless it describes a picture, `truncated` where the file ends in its header.
    """
    header = _read(data, headerless, f"{_CONTENT} {_PIXELS}", pixels=False)
    for key in ("Rows", "Columns", "BitsAllocated"):
        if int(header.get(key) or 0) < 1:
            raise SampleError("undecodable", f"no picture in it: {key} is absent or zero")
    return header


@contextmanager
def _guarded() -> Iterator[None]:
    """Turn every error of a damaged object into a SampleError, and keep pydicom from printing its values.

    pydicom parses a value when it is asked for, so any access may raise nearly anything; its messages, warnings and
    log lines quote the value, which may be a name.
    """
    logger = logging.getLogger("pydicom")
    with _QUIET:  # the logger and the warning filters are the whole process's: one thread must not undo another's
        before = logger.disabled
        logger.disabled = True
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (SampleError, MemoryError):
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


def _study_name(header: Any, code: str, view: str | None) -> str | None:
    """Common name of the study from the first description that is one; never a description itself."""
    codes = [item.get("CodeMeaning") for item in header.get("ProcedureCodeSequence") or ()]
    keys = ("StudyDescription", "PerformedProcedureStepDescription", "ProtocolName")
    for text in (*(header.get(key) for key in keys), *codes):
        name = study_name(code or None, str(text or ""), view)
        if name:
            return name
    return None


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

    dicom_pixels.refuse_bomb(data, _LARGEST)
    dataset = dcmread(BytesIO(data), force=headerless, stop_before_pixels=not pixels, specific_tags=tags.split())
    if "TransferSyntaxUID" not in dataset.file_meta:
        implicit, little = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = UID(IMPLICIT if implicit else EXPLICIT if little else BIG)
    return dataset


def _check_decoder(syntax: str) -> None:
    missing = missing_plugins(syntax)
    if missing:
        raise SampleError("decoder_missing", f"transfer syntax {name_of(syntax)}: {missing}")
