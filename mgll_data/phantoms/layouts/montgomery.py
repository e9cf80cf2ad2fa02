"""Montgomery: the class is the last digit of a name, sex, age and reading stand in a text file of that name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.drawn import Tally, films

CASES = {"0": (), "1": (Finding("infiltration", 3, "right", "upper"),)}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films with their readings and one lung mask, which is no film."""
    base = out / "MontgomerySet"
    (base / "ClinicalReadings").mkdir(parents=True)
    tally = Tally()
    for drawn in films("montgomery", count, seed, CASES, side=256):
        name = f"MCUCXR_{drawn.number + 1:04d}_{drawn.case}"
        tally.seen(drawn, base / "CXR_png" / f"{name}.png")
        reading = "normal" if drawn.case == "0" else "infiltrate in the right upper lobe"
        about = f"Patient's Sex: {'FM'[drawn.number % 2]} \nPatient's Age: {20 + drawn.number % 60:03d}Y\n"
        (base / "ClinicalReadings" / f"{name}.txt").write_text(f"{about}{reading}\n", encoding="utf-8")
    masks = base / "ManualMask" / "leftMask"
    masks.mkdir(parents=True)
    (masks / "MCUCXR_0001_0.png").write_bytes(b"\x89PNG")
    return tally.expected()
