"""NIH ChestX-ray14: PNG films named after patient and follow-up, labels joined by `|`, boxes for the test patients."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mgll_data.phantoms.chest import Chest, draw_chest
from mgll_data.phantoms.chest_cases import mix
from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.writing import encode, expected, grey_bytes, place, stream, table, units

ENTRY_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
BOX_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
WORDS = {
    "atelectasis": "Atelectasis",
    "cardiomegaly": "Cardiomegaly",
    "consolidation": "Consolidation",
    "edema": "Edema",
    "effusion": "Effusion",
    "emphysema": "Emphysema",
    "fibrosis": "Fibrosis",
    "hernia": "Hernia",
    "infiltration": "Infiltration",
    "mass": "Mass",
    "nodule": "Nodule",
    "pleural_thickening": "Pleural_Thickening",
    "pneumonia": "Pneumonia",
    "pneumothorax": "Pneumothorax",
}
BOXED = {
    "atelectasis": "Atelectasis",
    "cardiomegaly": "Cardiomegaly",
    "effusion": "Effusion",
    "infiltration": "Infiltrate",  # not spelled as in the label column
    "mass": "Mass",
    "nodule": "Nodule",
    "pneumonia": "Pneumonia",
    "pneumothorax": "Pneumothorax",
}
RATES = dict.fromkeys(WORDS, 0.17)
_FILMS_IN_FIRST_FOLDER, _FILMS_IN_A_FOLDER = 4999, 10000


@dataclass
class _Patient:
    number: int
    films: int
    test: bool
    age: int
    sex: str
    seen: int = field(default=0)

    @classmethod
    def born(cls, seed: int, number: int) -> _Patient:
        rng = stream("nih_cxr14/patient", seed, number)
        films = int(min(rng.geometric(0.45), 6))
        return cls(number, films, bool(rng.random() < 0.23), int(rng.integers(18, 90)), str(rng.choice(["M", "F"])))


def labels(findings: list[Finding]) -> list[str]:
    """The label words of a film, sorted. A drawn pneumonia is a consolidation too."""
    words = {WORDS[finding.name] for finding in findings}
    if "Pneumonia" in words:
        words.add("Consolidation")
    return sorted(words) or ["No Finding"]


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Writes `count` films with the entry table, the box list and the two split lists."""
    entries: list[list[object]] = []
    boxes: list[list[object]] = []
    lists: dict[bool, list[str]] = {True: [], False: []}
    damages: Counter[str] = Counter()
    copies = 0
    current = _Patient.born(seed, 1)
    newest = 1
    data, words, chest, test = b"", ["No Finding"], None, False
    for unit in units(count):
        if unit.is_copy:
            # The same film once more, under a patient of its own in the same split.
            newest += 1
            patient = _Patient.born(seed, newest)
            patient.test = test
            copies += 1
        else:
            if current.seen >= current.films:
                newest += 1
                current = _Patient.born(seed, newest)
            patient = current
            rng = stream("nih_cxr14", seed, unit.number)
            findings = mix(rng, RATES, most=4)
            view = "PA" if rng.random() < 0.6 else "AP"
            size = [(2500, 2048, 0.168), (2992, 2991, 0.143), (2682, 2749, 0.143)][int(rng.integers(3))]
            chest = draw_chest(rng, findings, view="pa" if view == "PA" else "ap")
            grey = grey_bytes(chest.image)
            if unit.number % 41 == 9:  # the published set has a few of these
                grey = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
            data, words, test = encode(grey, "png"), labels(findings), patient.test
        name = f"{patient.number:08d}_{patient.seen:03d}.png"
        folder = 1 if unit.number < _FILMS_IN_FIRST_FOLDER else 2 + (unit.number - 4999) // _FILMS_IN_A_FOLDER
        place(out / f"images_{folder:03d}" / "images" / name, data, unit.damage)
        if unit.damage:
            damages[unit.damage] += 1
        age = patient.age + patient.seen // 3
        entries.append(
            [name, "|".join(words), patient.seen, patient.number, age, patient.sex, view, *size, size[2]],
        )
        lists[patient.test].append(name)
        if patient.test and chest is not None:
            boxes += _box_rows(name, chest)
        patient.seen += 1
    table(out / "Data_Entry_2017_v2020.csv", ENTRY_HEADER, entries)
    table(out / "BBox_List_2017.csv", BOX_HEADER, boxes)
    (out / "train_val_list.txt").write_text("\n".join(lists[False]), encoding="utf-8")
    (out / "test_list.txt").write_text("\n".join(lists[True]), encoding="utf-8")
    return expected(count, damages, copies)


def _box_rows(name: str, chest: Chest) -> list[list[object]]:
    return [
        [name, BOXED[finding], float(x0), float(y0), float(x1 - x0), float(y1 - y0)]
        for finding, boxes in chest.boxes.items()
        if finding in BOXED
        for x0, y0, x1, y1 in boxes
    ]
