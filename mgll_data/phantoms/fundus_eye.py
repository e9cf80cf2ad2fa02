"""The eye that is being drawn: where its structures lie, and brushes that paint on its planes.

Positions and lengths are in *design units*: the picture is 512 of them wide whatever its size in pixels. Everything is
drawn as a right eye (disc on the right, as a viewer sees it); `fundus.draw_fundus` mirrors left eyes at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

DESIGN = 512.0
STEPS = np.arange(128)
DECAY = np.exp(-STEPS / 30)
TURN = np.linspace(0, 2 * np.pi, 18, endpoint=False)
CIRCLE = np.stack([np.cos(TURN), np.sin(TURN)], axis=1)
WAVES = np.stack([wave(k * TURN) / size for k, size in ((2, 1.4), (3, 2.0), (5, 2.6)) for wave in (np.cos, np.sin)])
SHIFT = 4  # bits after the point in the coordinates given to OpenCV

Mask = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]
Point = tuple[float, float]
Colour = tuple[float, float, float]


@dataclass
class Vessel:
    """One vessel: its centre line (n, 2), its width at the root (both in design units), and whether it is a vein."""

    path: Points
    width: float
    vein: bool
    trunk: bool


@dataclass
class Eye:
    """Geometry (design units) and the picture so far: `planes`, float32 (3, side, side), red, green, blue, 0..255."""

    side: int
    planes: Plane
    centre: Point
    radius: float
    disc: Point
    disc_radius: float
    fovea: Point
    vessels: list[Vessel] = field(default_factory=list)

    @property
    def scale(self) -> float:
        """Pixels per design unit."""
        return self.side / DESIGN

    def blank(self) -> Mask:
        """An empty mask, uint8 (side, side)."""
        return np.zeros((self.side, self.side), np.uint8)

    def _fixed(self, values: npt.ArrayLike) -> npt.NDArray[np.int32]:
        return np.rint(np.asarray(values, np.float64) * (self.scale * (1 << SHIFT))).astype(np.int32)

    def dot(self, mask: Mask, at: Point, radius: float, value: int = 255, width: float = 0.0) -> None:
        """Draw a disc, or a ring `width` wide where that is given."""
        x, y = self._fixed(at)
        thickness = max(1, round(width * self.scale)) if width else -1
        cv2.circle(mask, (int(x), int(y)), max(1, int(self._fixed(radius))), value, thickness, cv2.LINE_AA, SHIFT)

    def ellipse(self, mask: Mask, at: Point, axes: Point, angle: float = 0.0, value: int = 255) -> None:
        """Draw a filled ellipse with half-axes `axes`, turned by `angle` degrees."""
        x, y = self._fixed(at)
        a, b = self._fixed(axes)
        axes_fixed = (max(1, int(a)), max(1, int(b)))
        cv2.ellipse(mask, (int(x), int(y)), axes_fixed, angle, 0, 360, value, -1, cv2.LINE_AA, SHIFT)

    def line(self, mask: Mask, path: npt.ArrayLike, width: float, value: int = 255) -> None:
        """Draw an open line through the points (n, 2); widths under one pixel are drawn fainter, not thinner."""
        pixels = width * self.scale
        shade = round(value * min(1.0, max(pixels, 0.3)))
        cv2.polylines(mask, [self._fixed(path)], False, shade, max(1, round(pixels)), cv2.LINE_AA, SHIFT)

    def polygon(self, mask: Mask, corners: npt.ArrayLike, value: int = 255) -> None:
        """Fill the polygon with these corners (n, 2)."""
        cv2.fillPoly(mask, [self._fixed(corners)], value, cv2.LINE_AA, SHIFT)

    def blob(
        self, rng: np.random.Generator, mask: Mask, at: Point, radius: float, rough: float = 0.25, value: int = 255
    ) -> None:
        """Fill an irregular round patch whose outline leaves the circle by about `rough` of the radius."""
        reach = radius * np.clip(1 + rough * (rng.standard_normal(len(WAVES)) @ WAVES), 0.4, 1.8)
        corners = np.asarray(at) + reach[:, None] * CIRCLE
        self.polygon(mask, corners, value)

    def soften(self, mask: Mask, sigma: float) -> Mask:
        """The mask blurred by a Gaussian of `sigma` design units (wide ones on a quarter-size copy, for speed)."""
        pixels = sigma * self.scale
        if pixels < 0.35:
            return mask
        if pixels < 3:
            kernel = 3 if pixels < 0.8 else 5 if pixels < 1.3 else 7 if pixels < 1.8 else 0
            return np.asarray(cv2.GaussianBlur(mask, (kernel, kernel), pixels), np.uint8)
        small = cv2.resize(mask, (max(1, self.side // 4),) * 2, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), pixels / 4)
        return np.asarray(cv2.resize(small, (self.side,) * 2, interpolation=cv2.INTER_LINEAR), np.uint8)

    def tint(self, mask: Mask, colour: Colour, strength: float = 1.0) -> None:
        """Lay `colour` (red, green, blue) over the picture, with opacity mask / 255 times `strength`."""
        self._mix(mask, strength, colour, multiply=False)

    def darken(self, mask: Mask, factor: Colour, strength: float = 1.0) -> None:
        """Multiply the picture by `factor` where the mask is full, less where it is faint: blood, pigment, shadow."""
        self._mix(mask, strength, factor, multiply=True)

    def _mix(self, mask: Mask, strength: float, values: Colour, *, multiply: bool) -> None:
        # A few dots are cheaper by index, a broad patch by its bounding box: both give the same pixels.
        if cv2.countNonZero(mask) * 12 < mask.size:
            index = np.flatnonzero(mask != 0)
            alpha = mask.reshape(-1)[index] * np.float32(strength / 255)
            for plane, value in zip(self.planes.reshape(3, -1), values, strict=True):
                old = plane[index]
                plane[index] = old * (1 + alpha * np.float32(value - 1)) if multiply else old + alpha * (value - old)
            return
        x, y, w, h = cv2.boundingRect(mask)
        alpha = mask[y : y + h, x : x + w] * np.float32(strength / 255)
        for plane, value in zip(self.planes, values, strict=True):
            box = plane[y : y + h, x : x + w]
            box += alpha * (box * np.float32(value - 1) if multiply else np.float32(value) - box)

    def scatter(
        self,
        rng: np.random.Generator,
        count: int,
        *,
        around: Point | None = None,
        inner: float = 0.0,
        outer: float | None = None,
        clear: Iterable[tuple[Point, float]] = (),
        sector: tuple[float, float] | None = None,
    ) -> list[Point]:
        """Up to `count` random places in the ring `inner`..`outer` around a point (default: the field's centre).

        Places outside the field, on the disc or within a circle of `clear` are left out. `sector` is its middle
        and half width in radians, 0 to the right and growing clockwise.
        """
        x0, y0 = around or self.centre
        reach = self.radius * 0.9 if outer is None else outer
        tries = 4 * count + 8
        distance = np.sqrt(rng.uniform(inner**2, reach**2, tries))
        middle, half = sector or (0.0, np.pi)
        angle = middle + half * rng.uniform(-1, 1, tries)
        x, y = x0 + distance * np.cos(angle), y0 + distance * np.sin(angle)
        good = np.hypot(x - self.centre[0], y - self.centre[1]) < self.radius * 0.93
        for (cx, cy), r in ((self.disc, self.disc_radius * 1.15), *clear):
            good &= np.hypot(x - cx, y - cy) > r
        keep = np.flatnonzero(good)[:count]
        return [(float(x[i]), float(y[i])) for i in keep]

    def polar(self, origin: Point, distance: float, angle: float) -> Point:
        """The point at this distance and angle (radians, clockwise from the right) of `origin`."""
        return origin[0] + distance * float(np.cos(angle)), origin[1] + distance * float(np.sin(angle))


def arc(centre: Point, radius: float, start: float, stop: float, count: int = 24, flat: float = 1.0) -> Points:
    """Points (count, 2) on an arc between two angles in radians; `flat` scales its height."""
    angle = np.linspace(start, stop, count)
    return np.stack([centre[0] + radius * np.cos(angle), centre[1] + flat * radius * np.sin(angle)], axis=1)


def wander(
    rng: np.random.Generator, start: Point, heading: float, steps: int, *, bend: float, noise: float, step: float = 5.0
) -> Points:
    """A random smooth path (steps + 1, 2) of up to 128 steps: `bend` radians a step, plus fading noise."""
    path = np.empty((steps + 1, 2))
    path[0] = start
    turn = heading + bend * STEPS[:steps] + noise * np.cumsum(rng.standard_normal(steps)) * DECAY[:steps]
    path[1:, 0] = step * np.cos(turn)
    path[1:, 1] = step * np.sin(turn)
    return np.cumsum(path, axis=0, out=path)


def towards(origin: Point, target: Point) -> float:
    """The angle from one point to another, radians clockwise from the right."""
    return float(np.arctan2(target[1] - origin[1], target[0] - origin[0]))
