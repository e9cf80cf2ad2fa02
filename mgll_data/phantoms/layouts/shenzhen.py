"""Shenzhen: RGB pictures of grey films with black borders, readings of several spellings, findings of class 1."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import table

CASES = {"0": (), "1": (Finding("infiltration", 3, "right", "upper"),), "1/effusion": (Finding("effusion"),)}
FINDINGS = (
    "Pleural_Effusion,Apical_Thickening,Single_Nodule_(non-calcified),Pleural_Thickening_(non-apical),"
    "Calcified_Nodule,Small_Infiltrate_(non-linear),Cavity,Linear_Density,Severe_Infiltrate_(Consolidation),"
    "Thickening_of_interlobar_fissure,Clustered_Nodule_(2mm-5mm_apart),Moderate_Infiltrate_(non-linear),Adenopathy,"
    "Calcification_(other_than_nodule&lymphnod),Calcified_lymph_node,Miliary,Retraction,Other,Unknown"
)
ABOUT = ("male 45yrs", "female 28yrs", "femal 32yrs", "Female, 28yrs", "male 16month")


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films with their readings and the table of findings."""
    base = out / "ChinaSet_AllFiles"
    (base / "ClinicalReadings").mkdir(parents=True)
    rows: list[list[object]] = []
    tally = Tally()
    for drawn in films("shenzhen", count, seed, CASES):
        digit, _, finding = drawn.case.partition("/")
        name = f"CHNCXR_{drawn.number + 1:04d}_{digit}"
        bordered = np.pad(drawn.image, ((6, 6), (12, 12)))
        tally.seen(replace(drawn, image=np.dstack([bordered] * 3)), base / "CXR_png" / f"{name}.png")
        reading = "normal" if digit == "0" else "right pleuritis" if finding else "PTB in the right upper field"
        text = f"{ABOUT[drawn.number % len(ABOUT)]}\n{reading}\n"
        (base / "ClinicalReadings" / f"{name}.txt").write_text(text, encoding="utf-8")
        if digit == "1" and drawn.unit.damage != "missing_image":
            word = "Pleural_Effusion" if finding else "Moderate_Infiltrate_(non-linear)"
            rows.append([f"{name}.png", *(int(column == word) for column in FINDINGS.split(","))])
    (out / "Annotations-2").mkdir()
    table(out / "Annotations-2" / "Statistics_ShenzhenDataset_US.csv", f"imagename,{FINDINGS}", rows)
    return tally.expected()
