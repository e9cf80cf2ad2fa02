"""A drawn chest film as layers: soft tissue, air, markings, bone and what findings add to them.

Points are given in frame coordinates: x to the viewer's right and y down, both 0 to 1 over the film before the
patient's position (zoom, turn, shift) is applied. "right" and "left" are the patient's: the right lung of a frontal
film is at the viewer's left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float32]
Bytes: TypeAlias = NDArray[np.uint8]
View = Literal["pa", "ap", "lateral"]
Box: TypeAlias = tuple[int, int, int, int]

AIR = 0.40  # how much darker fully aerated lung is than the chest wall
_SUBPIXEL = 4  # fractional bits of the coordinates that OpenCV draws with


@dataclass(frozen=True, slots=True)
class Finding:
    """What to draw. grade: 1 mild, 2 moderate, 3 severe. side: the patient's right, left or both. zone: of the lung."""

    name: str
    grade: int = 2
    side: Literal["right", "left", "both"] = "right"
    zone: Literal["upper", "middle", "lower"] = "lower"


@dataclass(frozen=True)
class Frame:
    """How the patient stands on the film: frame coordinates to pixels."""

    side: int
    zoom: tuple[float, float]
    turn: float  # radians
    shift: tuple[float, float]

    def px(self, points: ArrayLike) -> Floats:
        """Pixels (n, 2) of points (n, 2)."""
        centred = (np.asarray(points, np.float32).reshape(-1, 2) - 0.5) * np.array(self.zoom, np.float32)
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        turned = centred @ np.array([[cos, sin], [-sin, cos]], np.float32)
        return ((turned + 0.5 + np.array(self.shift, np.float32)) * self.side).astype(np.float32)


@dataclass
class Lung:
    """One lung in pixels. outer: +1 where its chest wall lies at larger x. wall: from apex to costophrenic angle."""

    side: str
    outer: int
    outline: Floats
    wall: Floats
    hilum: Floats
    dome: float
    mask: Floats

    @property
    def top(self) -> float:
        """Row of the apex."""
        return float(self.outline[:, 1].min())

    @property
    def bottom(self) -> float:
        """Row of the costophrenic angle."""
        return float(self.outline[:, 1].max())

    def at(self, height: float, depth: float) -> Floats:
        """Point (2,): height 0 at the apex and 1 at the dome, depth 0 at the inner border and 1 at the chest wall."""
        last = self.mask.shape[0] - 1
        row = int(np.clip(self.top + (self.dome - self.top) * height, 0, last))
        columns = np.flatnonzero(self.mask[row] > 0.5)
        if columns.size == 0:
            return self.hilum
        inner, outer = (columns[0], columns[-1]) if self.outer > 0 else (columns[-1], columns[0])
        return np.array([inner + (outer - inner) * depth, row], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Rib:
    """A rib or another thin bone: points (n, 2) and width in pixels. side: of a rib that may break, else empty."""

    points: Floats
    density: float
    width: int
    side: str = ""


@dataclass
class Film:
    """The layers of one film, (side, side) float32 each, and the boxes (x0, y0, x1, y1) of what was drawn on them."""

    side: int
    view: View
    frame: Frame
    lungs: dict[str, Lung]
    soft: Floats  # density of soft tissue
    air: Floats  # 0 no lung, 1 aerated lung, more where overinflated
    markings: Floats  # vessels
    trachea: Floats  # points (n, 2) in pixels, from the neck to the carina
    heart: Box
    midline: float
    ribs: list[Rib] = field(default_factory=list)
    opacity: Floats = field(init=False)  # 0 air, 1 filled
    extra: Floats = field(init=False)  # density on top of everything
    boxes: dict[str, list[Box]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.opacity = np.zeros((self.side, self.side), np.float32)
        self.extra = np.zeros((self.side, self.side), np.float32)

    @property
    def unit(self) -> float:
        """Pixels of this film for one pixel of a 512-pixel film."""
        return self.side / 512

    def chosen(self, side: str) -> list[Lung]:
        """The lungs of a side: one, or two for "both"."""
        return list(self.lungs.values()) if side == "both" else [self.lungs[side]]

    def fill(self, amount: Floats, density: float = 0.0) -> None:
        """Replaces air by `amount` (0 to 1) of fluid or tissue, which is denser than chest wall by `density`.

        Where no lung lies there is nothing to fill.
        """
        np.maximum(self.opacity, amount, out=self.opacity)
        if density:
            self.extra += amount * np.minimum(self.air, 1) * np.float32(density)

    def mark(self, name: str, amount: Floats | Bytes, floor: float) -> None:
        """Records the box around all pixels of `amount` above `floor`, if there are any."""
        x, y, w, h = cv2.boundingRect((amount > floor).astype(np.uint8))
        if w and h:
            self.boxes.setdefault(name, []).append((x, y, x + w, y + h))

    def compose(self) -> Floats:
        """The film's density, (side, side) float32, before exposure and noise."""
        # Lung borders are soft; what fills a lung reaches across them, lest a dark rim remain.
        aerated = self.air * (1 - cv2.dilate(self.opacity, np.ones((5, 5), np.uint8)))
        density = self.soft + self.extra
        density -= np.float32(AIR) * aerated
        density += self.markings * np.minimum(aerated, 1)
        bones = np.zeros((self.side, self.side), np.uint8)
        alike: dict[tuple[float, int], list[NDArray[np.int32]]] = {}
        for rib in self.ribs:
            alike.setdefault((rib.density, rib.width), []).append(_fixed(rib.points))
        for (amount, width), lines in alike.items():
            # A rib is a tube: its rims are denser than its middle.
            for wide, part in ((width, 1.0), (max(1, width - round(5 * self.unit)), 0.6)):
                cv2.polylines(bones, lines, False, (round(1000 * amount * part),), wide, cv2.LINE_8, _SUBPIXEL)
        density += cv2.blur(bones, (3, 3)) * np.float32(0.001)
        # Dense parts come near the film's toe: further thickness shows less and less.
        density -= np.float32(0.55) * np.maximum(density - np.float32(0.66), 0)
        return density


def _fixed(points: Floats) -> NDArray[np.int32]:
    return np.round(points * (1 << _SUBPIXEL)).astype(np.int32)


def filled(side: int, *outlines: Floats) -> Floats:
    """Mask (side, side) of closed outlines in pixels, 0 to 1 with smooth edges."""
    canvas = np.zeros((side, side), np.uint8)
    for outline in outlines:
        cv2.fillPoly(canvas, [_fixed(outline)], (255,), cv2.LINE_AA, _SUBPIXEL)
    return canvas.astype(np.float32) * np.float32(1 / 255)


def soft_filled(side: int, sigma: float, *outlines: Floats) -> Floats:
    """As `filled`, with edges blurred over `sigma` pixels; drawn at a quarter of the size, for speed."""
    return enlarged(soft_small(side, sigma, *outlines), side)


def soft_small(side: int, sigma: float, *outlines: Floats) -> Floats:
    """`soft_filled` before it is enlarged, (side / 4, side / 4): sums of several are enlarged once."""
    mask = filled(side // 4, *(np.asarray(outline / 4, np.float32) for outline in outlines))
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.3, sigma / 4)), np.float32)


def enlarged(small: Floats, side: int) -> Floats:
    """A smaller field brought to (side, side)."""
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), np.float32)


def stroke(canvas: Floats, points: Floats, width: float, value: float) -> None:
    """Draws an open line of `width` pixels onto a float canvas, which then holds `value` there."""
    cv2.polylines(canvas, [_fixed(points)], False, (value,), max(1, round(width)), cv2.LINE_8, _SUBPIXEL)


def paint(canvas: Bytes, lines: Sequence[Floats] | Floats, width: float, value: int = 255) -> None:
    """Draws open lines (n, 2) of one width, with smooth edges, onto a byte canvas."""
    fixed = list(_fixed(lines)) if isinstance(lines, np.ndarray) else [_fixed(line) for line in lines]
    cv2.polylines(canvas, fixed, False, (value,), max(1, round(width)), cv2.LINE_AA, _SUBPIXEL)


def strokes(side: int, lines: Sequence[Floats] | Floats, width: float) -> Floats:
    """Mask (side, side) of open lines (n, 2) of one width, 0 to 1 with smooth edges."""
    canvas = np.zeros((side, side), np.uint8)
    paint(canvas, lines, width)
    return canvas.astype(np.float32) * np.float32(1 / 255)


def rounded(points: ArrayLike, *, closed: bool = True, passes: int = 3) -> Floats:
    """Corner cutting (Chaikin): a smooth curve from a few points."""
    curve = np.asarray(points, np.float32)
    for _ in range(passes):
        ahead = np.roll(curve, -1, axis=0) if closed else curve[1:]
        here = curve if closed else curve[:-1]
        cut = np.stack([0.75 * here + 0.25 * ahead, 0.25 * here + 0.75 * ahead], axis=1).reshape(-1, 2)
        curve = cut if closed else np.concatenate([curve[:1], cut, curve[-1:]])
    return curve


def round_outline(
    centre: Floats, radius: float, rng: np.random.Generator, *, rough: float, flat: float = 1.0
) -> Floats:
    """An uneven closed outline (n, 2): `rough` is the relative spread of the radius, `flat` height over width."""
    angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    reach = radius * (1 + rough * rng.uniform(-1, 1, 14))
    return rounded(centre + np.stack([np.cos(angles) * reach, np.sin(angles) * reach * flat], axis=1), passes=2)


def clouds(side: int, cells: int, rng: np.random.Generator) -> Floats:
    """Smooth random field (side, side), mean near 0, spread near 1, with about `cells` waves across."""
    small = rng.standard_normal((cells, cells), np.float32)
    return np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC), np.float32) * np.float32(1.4)


@cache
def _grain() -> Floats:
    grain = np.random.default_rng(0).standard_normal((1024, 1024), np.float32)
    return np.asarray(cv2.GaussianBlur(grain, (0, 0), 0.6), np.float32)


def grain(side: int, rng: np.random.Generator) -> Floats:
    """Film noise (side, side): a window of one fixed field, since drawing it anew would take a third of the time."""
    if side > 1024:
        return rng.standard_normal((side, side), np.float32) * np.float32(0.45)
    y, x = rng.integers(0, 1025 - side, 2)
    flip = int(rng.integers(0, 2))
    return _grain()[y : y + side, x : x + side][:, :: 1 - 2 * flip]
