"""VinDr-CXR as PhysioNet has it: a row per film and reader, boxes of each, another spelling in the test table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.boxes import somewhere
from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.dicoms import dicom
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import place, table

WORDS = (
    "Aortic enlargement,Atelectasis,Calcification,Cardiomegaly,Clavicle fracture,Consolidation,Edema,Emphysema,"
    "Enlarged PA,ILD,Infiltration,Lung Opacity,Lung cavity,Lung cyst,Mediastinal shift,Nodule/Mass,Pleural effusion,"
    "Pleural thickening,Pneumothorax,Pulmonary fibrosis,Rib fracture,Other lesion,COPD,Lung tumor,Pneumonia,"
    "Tuberculosis,Other diseases,No finding"
)
CASES = {
    "No finding": (),
    "Cardiomegaly": (Finding("cardiomegaly"),),
    "Consolidation": (Finding("consolidation"),),
    "Pleural effusion": (Finding("effusion"),),
    "Nodule/Mass": (Finding("nodule"),),
    "Rib fracture": (Finding("rib_fracture"),),
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films; of every five the last is a test film, and the third reader misses what the second shows."""
    labels: dict[str, list[list[object]]] = {"train": [], "test": []}
    boxes: dict[str, list[list[object]]] = {"train": [], "test": []}
    tally = Tally()
    for drawn in films("vindr_cxr", count, seed, CASES):
        name, split = drawn.rng.bytes(16).hex(), "test" if drawn.unit.shows % 5 == 4 else "train"
        for reader in ("R8", "R9", "R10") if split == "train" else ("",):
            missed = reader == "R10" and drawn.unit.shows % 5 == 1
            case = "No finding" if missed else drawn.case
            who = [reader] if reader else []
            labels[split].append([name, *who, *(int(word == case) for word in WORDS.split(","))])
            box = [""] * 4 if case == "No finding" else [*map(float, somewhere(drawn))]
            boxes[split].append([name, *who, case, *box])
        place(out / split / f"{name}.dicom", dicom(drawn, modality="DX"), drawn.unit.damage)
        tally.counted(drawn)
    folder = out / "annotations"
    folder.mkdir()
    table(folder / "image_labels_train.csv", f"image_id,rad_id,{WORDS}", labels["train"])
    table(folder / "image_labels_test.csv", f"image_id,{WORDS.replace('diseases', 'disease')}", labels["test"])
    table(folder / "annotations_train.csv", "image_id,rad_id,class_name,x_min,y_min,x_max,y_max", boxes["train"])
    table(folder / "annotations_test.csv", "image_id,class_name,x_min,y_min,x_max,y_max", boxes["test"])
    return tally.expected()
