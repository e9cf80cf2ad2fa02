"""Technical quality of a picture: four numbers and the words that follow from them. It says nothing of disease."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FIXED_SIDE = 256  # all figures are taken at this longest side, so that they compare between sizes and sources

# Set so low that 2 of 1,763 real films and photographs are flagged (both dark): a flag is for looking at the picture.
DARK_MEAN = 20.0
BRIGHT_MEAN = 225.0
FLAT_STD = 10.0
BLURRED_SHARPNESS = 6.0


@dataclass(frozen=True, slots=True)
class Quality:
    """mean and std in grey levels (0 to 255); sharpness: variance of the Laplacian, in grey levels squared."""

    mean: float
    std: float
    sharpness: float

    @property
    def flags(self) -> tuple[str, ...]:
        """The words among dark, bright, flat and blurred that hold. A flat picture is not called blurred as well."""
        found = []
        if self.mean < DARK_MEAN:
            found.append("dark")
        if self.mean > BRIGHT_MEAN:
            found.append("bright")
        if self.std < FLAT_STD:
            found.append("flat")
        elif self.sharpness < BLURRED_SHARPNESS:
            found.append("blurred")
        return tuple(found)


def measure(gray: npt.NDArray[np.uint8]) -> Quality:
    """Quality of a grey picture, H x W, uint8. Pictures smaller than `FIXED_SIDE` are measured as they are.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al., ICPR 2000). Values are rounded to four decimals:
    they go into a table that must be equal on every machine.
    """
    import cv2

    small: Any = gray
    longest = max(gray.shape)
    if longest > FIXED_SIDE:
        size = tuple(max(1, round(n * FIXED_SIDE / longest)) for n in gray.shape[::-1])
        small = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    mean, std = float(small.mean()), float(small.std())
    sharpness = float(cv2.Laplacian(small, cv2.CV_64F).var())
    return Quality(round(mean, 4), round(std, 4), round(sharpness, 4))
