"""A box for the layouts of sources that publish boxes: within its film, otherwise anywhere."""

from __future__ import annotations

from mgll_data.phantoms.drawn import Drawn


def somewhere(drawn: Drawn) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 in whole pixels inside the film."""
    height, width = drawn.image.shape[:2]
    x0, y0 = int(drawn.rng.integers(width // 2)), int(drawn.rng.integers(height // 2))
    return x0, y0, x0 + int(drawn.rng.integers(8, width // 2)), y0 + int(drawn.rng.integers(8, height // 2))
