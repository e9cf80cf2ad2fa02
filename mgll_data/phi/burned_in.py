"""Text burned into the border of a film: rows of small, sharp, evenly bright shapes of one height on one baseline.

Side markers (one or two letters of lead) and anatomy make no such rows. It reads nothing: whether a row of characters
is a name or the word PORTABLE it cannot say.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

SIDE = 1024  # longest side, in pixels, at which is looked; smaller films are enlarged, at most twofold
BORDER = 0.2  # of each side: text in the middle of a film is drawn on findings, not on a label
FEWEST = 6  # characters in a row
HEIGHTS = (6, 56)  # of a character, in pixels at SIDE
CONTRASTS = (45, 110)  # grey levels between a stroke and what is beside it; the higher one parts what has run together
_STROKE = 13  # widest stroke, in pixels
_TEXTURE = 20_000  # outlines: so many are noise, in which no row would be found
_MOST = 500  # shapes looked at, the brightest


class Line(NamedTuple):
    """A row of characters: box in fractions of the width and height (x0, y0, x1, y1), and their number."""

    box: tuple[float, float, float, float]
    characters: int


def text_lines(gray: npt.NDArray[np.uint8]) -> list[Line]:
    """Rows of characters near the border of a grey film, H x W, uint8, bright on dark or dark on bright."""
    import cv2

    factor = min(SIDE / max(gray.shape), 2.0)
    if factor != 1:
        size = tuple(max(1, round(n * factor)) for n in gray.shape[::-1])
        gray = np.asarray(
            cv2.resize(gray, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC), np.uint8
        )
    height, width = gray.shape
    kernel: Any = np.ones((_STROKE, _STROKE), np.uint8)
    found = []
    for tone in (gray, 255 - gray):
        relief = cv2.morphologyEx(tone, cv2.MORPH_TOPHAT, kernel)
        relief[
            round(height * BORDER) : round(height * (1 - BORDER)), round(width * BORDER) : round(width * (1 - BORDER))
        ] = 0
        for contrast in CONTRASTS:
            shapes = _shapes(tone, (relief > contrast).astype(np.uint8))
            found += [_line(shapes[row], width, height) for row in _rows(shapes)]
    return found


def _shapes(tone: npt.NDArray[np.uint8], strokes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Shapes that a character may have: x, y, width, height, mean grey; one a row, from left to right.

    strokes: 0 or 1, like `tone`. Outlines are found in an eighth of the time that connected components take.
    """
    import cv2

    outlines, nesting = cv2.findContours(strokes, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if not FEWEST <= len(outlines) <= _TEXTURE:
        return np.empty((0, 5))
    boxes = np.array([cv2.boundingRect(outline) for outline in outlines], np.int64)
    w, h = boxes[:, 2], boxes[:, 3]
    outer = nesting[0, :, 3] < 0
    boxes = boxes[outer & (h >= HEIGHTS[0]) & (h <= HEIGHTS[1]) & (w <= 1.6 * h)]
    found = []
    for x, y, w, h in boxes.tolist():
        mask = strokes[y : y + h, x : x + w]
        area = cv2.countNonZero(mask)
        fill = area / (w * h)
        if fill > 0.12 and (fill < 0.8 or w < 0.5 * h):
            found.append((x, y, w, h, cv2.mean(tone[y : y + h, x : x + w], mask)[0]))
    found.sort(key=lambda shape: -shape[4])
    return np.array(sorted(found[:_MOST]), np.float64).reshape(-1, 5)


def _rows(shapes: npt.NDArray[np.float64]) -> list[npt.NDArray[np.intp]]:
    """Indices of the shapes of each row of text: chains of like neighbours that stand on one line."""
    if len(shapes) < FEWEST:
        return []
    x, y, w, h, grey = shapes.T
    bottom = y + h
    tallest = np.maximum(h[:, None], h[None, :])
    gap = x[None, :] - (x + w)[:, None]
    after = (gap > -0.3 * tallest) & (x[None, :] > x[:, None]) & (np.abs(grey[:, None] - grey[None, :]) < 40)
    ratio = np.minimum(h[:, None], h[None, :]) / tallest
    drop = np.abs(bottom[:, None] - bottom[None, :]) / tallest
    # Over a wider gap, left by a space or by letters that ran together, the two must agree more closely.
    linked = after & (
        ((gap < 1.2 * tallest) & (ratio > 0.6) & (drop < 0.2))
        | ((gap < 3.5 * tallest) & (ratio > 0.85) & (drop < 0.07))
    )
    rows, taken = [], np.zeros(len(shapes), bool)
    for start in range(len(shapes)):
        if taken[start]:
            continue
        chain = [start]
        while True:
            nexts = np.flatnonzero(linked[chain[-1]] & ~taken)
            if not len(nexts):
                break
            chain.append(int(nexts[0]))
        row = np.array(chain)
        if _is_text(shapes[row]):
            taken[row] = True
            rows.append(row)
    return rows


def _is_text(row: npt.NDArray[np.float64]) -> bool:
    """Enough characters, one baseline, one height or two (capitals and small letters), one grey."""
    if len(row) < FEWEST:
        return False
    _, y, w, h, grey = row.T
    size, bottom = np.median(h), y + h
    level = np.median(np.abs(bottom - np.median(bottom))) <= 0.06 * size + 0.75
    even = np.median(np.abs(h - size)) <= 0.2 * size and np.std(grey) <= 18
    return bool(level and even and np.median(w) >= 0.25 * size)


def _line(row: npt.NDArray[np.float64], width: int, height: int) -> Line:
    x, y, w, h, _ = row.T
    box = (x.min() / width, y.min() / height, (x + w).max() / width, (y + h).max() / height)
    x0, y0, x1, y1 = (round(float(edge), 4) for edge in box)
    return Line((x0, y0, x1, y1), len(row))
