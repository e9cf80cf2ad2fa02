"""Kermany's films of children as Mendeley Data has them: class and patient in the name, the part in the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.drawn import Tally, films

CASES = {
    "NORMAL": (),
    "BACTERIA": (Finding("consolidation"),),
    "VIRUS": (Finding("infiltration", 2, "both"),),
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films, every fifth for test, and a file of macOS that is no picture."""
    tally = Tally()
    for drawn in films("pneumonia_kermany", count, seed, CASES, views=("ap",)):
        split = "test" if drawn.unit.shows % 5 == 4 else "train"
        folder = "NORMAL" if drawn.case == "NORMAL" else "PNEUMONIA"
        name = f"{drawn.case}-{1003233 + drawn.number}-0001.jpeg"
        tally.seen(drawn, out / "chest_xray" / split / folder / name)
    (out / "chest_xray" / "train" / ".DS_Store").write_bytes(b"\0")
    return tally.expected()
