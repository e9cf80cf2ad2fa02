"""HEI-MED: a list of outlined lesions for each picture, and a .meta file that nobody may read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import encode, place

CASES: dict[str, dict[str, float]] = {
    "Exudates": {"macular_exudates": 0.8},
    "MicroAneurysm": {"microaneurysms": 0.8},
    "": {},
    "Drusen": {"drusen": 0.8},
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures; every sixth has no list of lesions. Each .meta file names a phantom patient."""
    tally, without = Tally(), 0
    for drawn in photographs("hei_med", count, seed, CASES):
        name = out / "DMED" / f"{drawn.number + 1:08d}"
        place(name.with_suffix(".meta"), b"PatientName~PHANTOMNAME\nPatientDOB~01/02/1903\n", None)
        if drawn.number % 6 == 5:
            place(name.with_suffix(".jpg"), encode(drawn.image, "jpg"), None)
            without += 1
            continue
        tally.seen(drawn, name.with_suffix(".jpg"))
        kinds = [drawn.case] if drawn.case else []
        text = [
            "GNDVERSION2.0 (INCLUDES NOTES AT THE END OF THE FILE)",
            str(len(kinds)),
            *kinds,
            "0",
            "note PHANTOMNOTE",
        ]
        place(name.with_suffix(".GND"), "\n".join(text).encode(), None)
    return tally.expected(no_label=without)
