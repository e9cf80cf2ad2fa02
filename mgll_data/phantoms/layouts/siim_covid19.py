"""SIIM-FISABIO-RSNA COVID-19: one class per study, boxes per film in Python's spelling, studies of two films."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.boxes import somewhere
from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.dicoms import dicom
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import place, table

CLASSES = ("Negative for Pneumonia", "Typical Appearance", "Indeterminate Appearance", "Atypical Appearance")
CASES = {
    CLASSES[0]: (),
    CLASSES[1]: (Finding("covid", 2, "both"),),
    CLASSES[2]: (Finding("infiltration"),),
    CLASSES[3]: (Finding("consolidation"),),
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films; every study with an atypical film has a second film without a box, which is left out."""
    studies: list[list[object]] = []
    rows: list[list[object]] = []
    second = 0
    tally = Tally()
    for drawn in films("siim_covid19", count, seed, CASES):
        name, study = drawn.rng.bytes(6).hex(), drawn.rng.bytes(6).hex()
        studies.append([f"{study}_study", *(int(word == drawn.case) for word in CLASSES)])
        boxes, label = "", "none 1 0 0 1 1"
        if drawn.case != CLASSES[0]:
            x0, y0, x1, y1 = somewhere(drawn)
            boxes = str([{"x": float(x0), "y": float(y0), "width": float(x1 - x0), "height": float(y1 - y0)}])
            label = f"opacity 1 {x0} {y0} {x1} {y1}"
        rows.append([f"{name}_image", boxes, label, study])
        place(out / "train" / study / f"{name}s" / f"{name}.dcm", dicom(drawn), drawn.unit.damage)
        tally.counted(drawn)
        if drawn.case == CLASSES[3]:
            second += 1
            rows.append([f"{name}b_image", "", "none 1 0 0 1 1", study])
    table(out / "train_study_level.csv", ",".join(("id", *CLASSES)), studies)
    table(out / "train_image_level.csv", "id,boxes,label,StudyInstanceUID", rows)
    return tally.expected(no_label=second)
