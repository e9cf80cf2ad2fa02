"""Stored DICOM values to display values: modality LUT, then VOI LUT or window. No inversion happens here."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mgll_data.images.raster import Pixels, stretch

Window = Literal["voi", "percentile"]


def display(stored: npt.NDArray[Any], header: Any, window: Window) -> tuple[Pixels, list[str]]:
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
    bits = int(header.get("BitsStored") or 16)
    if values is stored and bits <= 8 and values.dtype.kind in "ub":
        return np.rint(values * np.float32(255 / (2**bits - 1))).clip(0, 255).astype(np.uint8), []
    return stretch(values), ["percentile_window"]


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


def _first(value: Any) -> float | None:
    """First of a possibly multi-valued number, None where it is absent or not a number."""
    if value is None or value == "":
        return None
    try:
        number = float(value[0] if hasattr(value, "__getitem__") and not isinstance(value, str) else value)
    except (TypeError, ValueError, IndexError):
        return None
    return number if math.isfinite(number) else None
