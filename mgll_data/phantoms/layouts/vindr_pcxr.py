"""VinDr-PCXR: diagnoses as columns, misspelt as published, findings as boxes in a table of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.boxes import somewhere
from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.dicoms import dicom
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import place, table

WORDS = (
    "No finding,Bronchitis,Brocho-pneumonia,Other disease,Bronchiolitis,Situs inversus,Pneumonia,Pleuro-pneumonia,"
    "Diagphramatic hernia,Tuberculosis,Congenital emphysema,CPAM,Hyaline membrane disease,Mediastinal tumor,Lung tumor"
)
# Diagnosis and finding, joined by `/`.
CASES = {
    "No finding/": (),
    "Pneumonia/Consolidation": (Finding("consolidation"),),
    "Brocho-pneumonia/Diffuse aveolar opacity": (Finding("infiltration"),),
    "Bronchiolitis/Lung hyperinflation": (Finding("emphysema", 1, "both"),),
    "Pleuro-pneumonia/Pleural effusion": (Finding("effusion"),),
    "Diagphramatic hernia/Intrathoracic digestive structure": (Finding("hernia"),),
    "Other disease/Boot-shaped heart": (Finding("cardiomegaly"),),
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films, every sixth of them for test."""
    labels: dict[str, list[list[object]]] = {"train": [], "test": []}
    boxes: dict[str, list[list[object]]] = {"train": [], "test": []}
    tally = Tally()
    for drawn in films("vindr_pcxr", count, seed, CASES, views=("ap",)):
        name, split = drawn.rng.bytes(16).hex(), "test" if drawn.unit.shows % 6 == 5 else "train"
        diagnosis, _, finding = drawn.case.partition("/")
        reader = f"R{drawn.number % 3 + 1}"
        labels[split].append([name, reader, *(float(word == diagnosis) for word in WORDS.split(","))])
        box = [*map(float, somewhere(drawn))] if finding else [""] * 4
        boxes[split].append([name, reader, finding or "No finding", *box])
        place(out / split / f"{name}.dicom", dicom(drawn, PatientAge=f"{drawn.number % 9:03d}Y"), drawn.unit.damage)
        tally.counted(drawn)
    for split in labels:
        table(out / f"image_labels_{split}.csv", f"image_id,rad_ID,{WORDS}", labels[split])
        table(out / f"annotations_{split}.csv", "image_id,rad_ID,class_name,x_min,y_min,x_max,y_max", boxes[split])
    return tally.expected()
