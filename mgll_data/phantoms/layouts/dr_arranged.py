"""EyePACS arranged: a folder for each grade."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, two to a patient, into the folders of their grades."""
    tally = Tally()
    for drawn in photographs("dr_arranged", count, seed, ICDR):
        name = f"{drawn.number // 2 + 10}_{('left', 'right')[drawn.number % 2]}.jpeg"
        tally.seen(drawn, out / drawn.case / name)
    return tally.expected()
