"""FGADR: a grading table without a header, and six masks for every picture, most of them blank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR, write_mask

LESIONS = {
    "Microaneurysms_Masks": "1234",
    "Hemohedge_Masks": "234",
    "HardExudate_Masks": "",
    "SoftExudate_Masks": "",
    "IRMA_Masks": "3",
    "Neovascularization_Masks": "4",
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures with their six masks; a lesion is marked in the grades that are drawn with it."""
    lines, tally = [], Tally()
    for drawn in photographs("fgadr", count, seed, ICDR):
        name = f"{drawn.number:04d}_1.png"
        lines.append(f"{name},{drawn.case}\n")
        tally.placed(drawn, out / "Seg-set" / "Original_Images" / name)
        for lesion, grades in LESIONS.items():
            write_mask(out / "Seg-set" / lesion / name, drawn, drawn.case in grades)
    (out / "Seg-set" / "DR_Seg_Grading_Label.csv").write_text("".join(lines), encoding="utf-8")
    return tally.expected()
