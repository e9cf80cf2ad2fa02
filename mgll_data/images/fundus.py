"""The field of view of a fundus photograph: the lit disc on a dark surround."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from mgll_data.images.raster import Pixels

WORK_SIDE = 512  # the edge is measured at this longest side at least: one step is below 0.2 % of the picture
MASK_SIDE = 256  # and looked for at this one
_MIN_AREA = 0.15  # of the picture: a smaller lit region is not a photographed field
_MAX_RESIDUAL = 0.01  # median distance of the edge from the fitted outline, in radii
_MIN_ASPECT = 0.55  # of the radii
_THRESHOLDS = (0.12, 0.04)  # of the way from the surround to the light: the second for a field that is dark in part
_REACH = 0.01  # of the longest side, on both sides of the outline in which its half light is looked for


@dataclass(frozen=True, slots=True)
class Field:
    """box: x0, y0, x1, y1 in pixels of the picture given. center and radii (x, y): of its circle, in the same pixels.

    The radii differ where the photograph was resized without its proportions.
    """

    box: tuple[int, int, int, int]
    center: tuple[float, float]
    radii: tuple[float, float]

    def scaled(self, factor: int) -> Field:
        """The same field in a picture that is `factor` times as large."""
        x0, y0, x1, y1 = (factor * edge for edge in self.box)
        (cx, cy), (rx, ry) = self.center, self.radii
        return Field((x0, y0, x1, y1), (factor * cx, factor * cy), (factor * rx, factor * ry))


def find_field(pixels: Pixels) -> Field | None:
    """Find the field of view in a picture, H x W or H x W x 3 (BGR), uint8. None where no dark surround shows one.

    The brightest channel is compared with the surround (its level is taken from the corners), the largest lit region
    is kept, and a circle (or upright ellipse) is fitted to its edge where that edge is not the picture's own: where the
    light falls to half. The box bounds it within the picture, so a field cut off above and below keeps its full width.
    """
    import cv2

    height, width = pixels.shape[:2]
    shrunk: Any = pixels
    while max(shrunk.shape) >= 2 * WORK_SIDE:  # halving is several times as fast as a step of any other size
        half = (-(-shrunk.shape[1] // 2), -(-shrunk.shape[0] // 2))
        shrunk = cv2.resize(shrunk, half, interpolation=cv2.INTER_AREA)
    small: Any = shrunk if shrunk.ndim == 2 else reduce(cv2.max, cv2.split(shrunk))
    size = small.shape[1], small.shape[0]
    coarse = tuple(max(8, round(n * MASK_SIDE / max(MASK_SIDE, *size))) for n in size)
    light = cv2.GaussianBlur(cv2.resize(small, coarse, interpolation=cv2.INTER_AREA), (0, 0), 0.9).astype(np.float32)
    for share in _THRESHOLDS:
        mask = _lit_region(light, share)
        outline = None if mask is None else _fit_outline(mask, small)
        if outline is not None:
            break
    else:
        return None
    cx, cy, rx, ry = outline
    fx, fy = width / size[0], height / size[1]
    box = (
        max(0, math.floor((cx - rx) * fx)),
        max(0, math.floor((cy - ry) * fy)),
        min(width, math.ceil((cx + rx) * fx)),
        min(height, math.ceil((cy + ry) * fy)),
    )
    return Field(box, (cx * fx, cy * fy), (rx * fx, ry * fy))


def blank_surround(pixels: Pixels, field: Field, crop: tuple[int, int, int, int]) -> Pixels:
    """A copy with black outside the field, whose outline is taken 1.5 % larger to spare its edge.

    pixels: the part `crop` (x0, y0, x1, y1) of the picture that `field` was found in, at any size. Cameras print names
    and dates into the surround.
    """
    import cv2

    height, width = pixels.shape[:2]
    fx, fy = width / (crop[2] - crop[0]), height / (crop[3] - crop[1])
    center = ((field.center[0] - crop[0]) * fx - 0.5, (field.center[1] - crop[1]) * fy - 0.5)
    radii = (1.015 * field.radii[0] * fx, 1.015 * field.radii[1] * fy)
    mask = np.zeros((height, width), np.uint8)
    # OpenCV takes whole numbers in sixteenths of a pixel.
    (x, y), (rx, ry) = (tuple(round(16 * value) for value in pair) for pair in (center, radii))
    cv2.ellipse(mask, (x, y), (rx, ry), 0, 0, 360, 255, -1, shift=4)
    return np.asarray(cv2.bitwise_and(pixels, pixels, mask=mask), np.uint8)


def _lit_region(light: npt.NDArray[np.float32], share: float) -> npt.NDArray[np.uint8] | None:
    """Mask (0 or 1) of the largest region above the surround, its holes filled; None where nothing stands out."""
    import cv2

    height, width = light.shape
    patch = max(2, min(height, width) // 24)
    corners = [light[:patch, :patch], light[:patch, -patch:], light[-patch:, :patch], light[-patch:, -patch:]]
    # The second darkest corner: one corner may hold a label or the camera's notch, another may be cut into the field.
    surround = sorted(float(np.median(corner)) for corner in corners)[1]
    bright = float(np.percentile(light[::3, ::3], 90))
    if bright - surround < 12:
        return None
    threshold = surround + max(5.0 if share > 0.1 else 2.5, share * (bright - surround))
    count, labels, stats, _ = cv2.connectedComponentsWithStats((light > threshold).astype(np.uint8), connectivity=4)
    if count < 2:
        return None
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    if not _MIN_AREA * light.size < stats[largest, cv2.CC_STAT_AREA] < 0.995 * light.size:
        return None
    outline, _ = cv2.findContours((labels == largest).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(light.shape, np.uint8)
    cv2.drawContours(filled, outline, -1, 1, cv2.FILLED)
    return filled


def _fit_outline(mask: npt.NDArray[np.uint8], light: npt.NDArray[np.uint8]) -> tuple[float, float, float, float] | None:
    """Centre x, y and radii x, y of the mask's hull, fitted where the hull does not run along the picture's border.

    The mask holds all that is lighter than the surround, blur included; the fit is repeated at the half light.

    A circle if it fits; else an upright ellipse, the shape of a photograph that was resized without its proportions.
    """
    import cv2

    height, width = mask.shape
    outline, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = np.zeros_like(mask)
    cv2.fillPoly(hull, [cv2.convexHull(np.concatenate(outline))], 1)
    edge, _ = cv2.findContours(hull, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate(edge).reshape(-1, 2).astype(np.float64)
    inner = (points[:, 0] > 2) & (points[:, 1] > 2) & (points[:, 0] < width - 3) & (points[:, 1] < height - 3)
    seen = (points[inner] + 0.5) * (light.shape[1] / width, light.shape[0] / height) - 0.5
    for ellipse in (False, True):
        fitted = _fit_conic(seen, ellipse)
        if fitted and all(0.25 < 2 * radius / max(light.shape) < 2 for radius in fitted[2:]):
            cx, cy, rx, ry = _fit_conic(_half_light(light, seen, fitted), ellipse) or fitted
            return cx + 0.5, cy + 0.5, rx, ry  # pixel k covers k to k + 1
    return None


def _half_light(
    light: npt.NDArray[np.uint8], points: npt.NDArray[np.float64], outline: tuple[float, float, float, float]
) -> npt.NDArray[np.float64]:
    """Where the light falls to the middle of inside and outside, on the way from the center through each point."""
    import cv2

    center, radii = np.array(outline[:2]), np.array(outline[2:])
    away = (points - center) / radii
    away *= radii / np.linalg.norm(away, axis=1, keepdims=True)  # from the center to the outline
    unit = away / np.linalg.norm(away, axis=1, keepdims=True)
    reach = max(5, round(_REACH * max(light.shape)))
    steps = np.arange(-reach, reach + 0.5, 0.5)
    places = ((center + away)[:, None] + steps[:, None] * unit[:, None]).astype(np.float32)
    profile = cv2.remap(light, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    profile = profile.astype(np.float32)
    inside, outside = profile[:, :5].mean(axis=1), profile[:, -5:].mean(axis=1)
    lit = profile > ((inside + outside) / 2)[:, None]
    last = len(steps) - 1 - np.argmax(lit[:, ::-1], axis=1)
    known = (inside - outside > 4) & lit.any(axis=1) & (last < len(steps) - 1)
    rows = np.arange(len(points))[known]
    here, after = profile[rows, last[known]], profile[rows, last[known] + 1]
    fall = (here - (inside + outside)[known] / 2) / np.maximum(here - after, 1e-6)
    moved = steps[last[known]] + 0.5 * np.clip(fall, 0, 1)
    return np.asarray((center + away)[known] + moved[:, None] * unit[known])


def _fit_conic(points: npt.NDArray[np.float64], ellipse: bool) -> tuple[float, float, float, float] | None:
    """Least squares of x^2 + a y^2 + b x + c y + d = 0 (a = 1: Kasa's circle fit), outliers cut thrice."""
    if len(points) < 40:
        return None
    origin, spread = points.mean(axis=0), float(points.std()) or 1.0
    kept = (points - origin) / spread  # for the condition of the normal equations
    for _ in range(3):
        x, y = kept[:, 0], kept[:, 1]
        ones = np.ones(len(kept))
        columns, right = ([y * y, x, y, ones], -x * x) if ellipse else ([x, y, ones], -x * x - y * y)
        solution, *_ = np.linalg.lstsq(np.column_stack(columns), right, rcond=None)
        a, b, c, d = solution if ellipse else (1.0, *solution)
        if not _MIN_ASPECT**2 < a < _MIN_ASPECT**-2:
            return None
        cx, cy = -b / 2, -c / (2 * a)
        square = cx * cx + a * cy * cy - d
        if square <= 0:
            return None
        rx, ry = math.sqrt(square), math.sqrt(square / a)
        residual = np.abs(np.hypot((x - cx) / rx, (y - cy) / ry) - 1)
        middle = float(np.median(residual))
        keep = residual <= max(0.004, 2.5 * middle)
        if keep.sum() < 40:
            return None
        kept = kept[keep]
    if middle > _MAX_RESIDUAL:
        return None
    return (
        float(cx * spread + origin[0]),
        float(cy * spread + origin[1]),
        float(rx * spread),
        float(ry * spread),
    )
