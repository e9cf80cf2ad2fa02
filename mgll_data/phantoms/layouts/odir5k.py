"""ODIR-5K as on Kaggle: both eyes of a patient, keywords for each eye, flags for the patient, one row an image."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mgll_data.phantoms.fundus import draw_fundus, retinopathy
from mgll_data.phantoms.writing import encode, expected, place, stream, units

FLAGS = ("N", "D", "G", "C", "A", "H", "M", "O")
HEADER = [
    *("ID", "Patient Age", "Patient Sex", "Left-Fundus", "Right-Fundus"),
    *("Left-Diagnostic Keywords", "Right-Diagnostic Keywords", *FLAGS),
    *("filepath", "labels", "target", "filename"),
]
KAGGLE = "../input/ocular-disease-recognition-odir5k/ODIR-5K/Training Images"
SEPARATOR = "\uff0c"  # the full-width comma between keywords
EYES = ("left", "right")
NORMAL = "normal fundus"
# Words for the photograph, which say nothing of the eye, and what is drawn for them.
ARTEFACTS = {"lens dust": "lens_dust", "low image quality": "poor_quality"}
GRADES = {
    "mild nonproliferative retinopathy": 1,
    "moderate non proliferative retinopathy": 2,
    "severe nonproliferative retinopathy": 3,
    "proliferative diabetic retinopathy": 4,
}
# keyword -> (the patient's flag, weight, what is drawn); retinopathy is composed by its grade.
KEYWORDS: dict[str, tuple[str, float, tuple[str, ...]]] = {
    NORMAL: ("N", 6.0, ()),
    **{keyword: ("D", 1.6, ()) for keyword in GRADES},
    "glaucoma": ("G", 2.0, ("disc_cupping",)),
    "cataract": ("C", 2.0, ("cataract",)),
    "dry age-related macular degeneration": ("A", 1.5, ("drusen", "geographic_atrophy")),
    "wet age-related macular degeneration": ("A", 1.5, ("choroidal_neovascularization",)),
    "hypertensive retinopathy": ("H", 2.0, ("arterial_narrowing", "flame_hemorrhages", "cotton_wool_spots")),
    "pathological myopia": ("M", 2.0, ("tessellation", "myopic_crescent", "patchy_atrophy")),
    "epiretinal membrane": ("O", 1.2, ("epiretinal_membrane",)),
    "macular epiretinal membrane": ("O", 1.2, ("epiretinal_membrane",)),
    "drusen": ("O", 1.5, ("drusen",)),
    "myelinated nerve fibers": ("O", 1.2, ("myelinated_fibers",)),
    "refractive media opacity": ("O", 1.2, ("media_haze",)),
    "laser spot": ("O", 1.2, ("laser_scars",)),
    "branch retinal vein occlusion": ("O", 1.2, ("branch_vein_occlusion",)),
    "central retinal vein occlusion": ("O", 1.2, ("central_vein_occlusion", "swollen_veins")),
    "central retinal artery occlusion": ("O", 1.2, ("central_artery_occlusion", "arterial_narrowing")),
    "macular hole": ("O", 1.2, ("macular_hole",)),
    "central serous chorioretinopathy": ("O", 1.2, ("central_serous",)),
    "optic disc edema": ("O", 1.2, ("disc_edema",)),
    "optic nerve atrophy": ("O", 1.2, ("disc_pallor",)),
    "peripapillary atrophy": ("O", 1.2, ("peripapillary_atrophy",)),
    "tessellated fundus": ("O", 1.2, ("tessellation",)),
    "retinitis pigmentosa": ("O", 1.2, ("retinitis_pigmentosa", "arterial_narrowing")),
}
# Second keywords that can be seen beside any first one but a cloudy lens.
COMPANIONS = (
    "laser spot",
    "myelinated nerve fibers",
    "epiretinal membrane",
    "drusen",
    "glaucoma",
    "tessellated fundus",
)
CLOUDY = ("cataract", "refractive media opacity")


@dataclass(frozen=True)
class Photograph:
    """One eye: its JPEG file and its keywords in the order of the table."""

    data: bytes
    keywords: tuple[str, ...]


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write (count + 1) // 2 patients. One in 25 has only a left picture and row, which still describe the right eye.

    Every eye described is counted as read, and a right one without a picture as excluded.
    """
    rows: dict[str, list[list[str]]] = {eye: [] for eye in EYES}
    damages: Counter[str] = Counter()
    copies = 0
    person: list[str] = []
    pair: dict[str, Photograph] = {}
    for unit in units((count + 1) // 2):
        if not unit.is_copy:
            person, pair = _patient(seed, unit.number)
        for eye in ("left",) if unit.shows % 25 == 11 else EYES:
            # Only the left picture of a damaged patient is damaged.
            damage = unit.damage if eye == "left" else None
            place(out / "preprocessed_images" / f"{unit.number}_{eye}.jpg", pair[eye].data, damage)
            damages.update([damage] if damage else [])
            copies += unit.is_copy
            rows[eye].append(_row(unit.number, eye, person, pair))
    out.mkdir(parents=True, exist_ok=True)
    with (out / "full_df.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER, *rows["right"], *rows["left"]])
    described = 2 * len(rows["left"])
    return expected(described, damages, copies, len(rows["left"]) - len(rows["right"]))


def _row(number: int, eye: str, person: list[str], pair: dict[str, Photograph]) -> list[str]:
    names = {side: f"{number}_{side}.jpg" for side in EYES}
    of_eye = _flags(pair[eye].keywords)
    of_patient = _flags([word for side in EYES for word in pair[side].keywords])
    first = next(flag for flag in FLAGS if flag in of_eye)
    return [
        str(number),
        *person,
        *(names[side] for side in EYES),
        *(SEPARATOR.join(pair[side].keywords) for side in EYES),
        *(str(int(flag in of_patient)) for flag in FLAGS),
        f"{KAGGLE}/{names[eye]}",
        str([first]),
        str([int(flag == first) for flag in FLAGS]),
        names[eye],
    ]


def _flags(keywords: Any) -> set[str]:
    """The flags of all keywords; N only where nothing else is found."""
    flags = {KEYWORDS[word][0] for word in keywords if word not in ARTEFACTS}
    return flags if flags == {"N"} else flags - {"N"}


def _patient(seed: int, number: int) -> tuple[list[str], dict[str, Photograph]]:
    rng = stream("odir5k", seed, number)
    person = [str(int(rng.integers(25, 88))), str(rng.choice(["Female", "Male"]))]
    pigment = float(rng.random())
    first = _keyword(rng)
    diseases = {"left": first, "right": first if rng.random() < 0.4 else _keyword(rng)}
    pair: dict[str, Photograph] = {}
    for eye in EYES:
        words, findings = compose(rng, diseases[eye])
        image = draw_fundus(rng, findings, laterality="left" if eye == "left" else "right", pigment=pigment)
        pair[eye] = Photograph(encode(image, "jpg"), words)
    return person, pair


def _keyword(rng: np.random.Generator) -> str:
    weights = np.array([weight for _, weight, _ in KEYWORDS.values()])
    return list(KEYWORDS)[int(rng.choice(len(weights), p=weights / weights.sum()))]


def compose(rng: np.random.Generator, disease: str) -> tuple[tuple[str, ...], dict[str, float]]:
    """Keywords of an eye with this first one, perhaps with a companion or an artefact, and what to draw for them."""
    words = [disease]
    if disease not in (NORMAL, *CLOUDY) and rng.random() < 0.3:
        second = str(rng.choice(COMPANIONS))
        drawn = {name for word in words for name in KEYWORDS[word][2]}
        if second not in words and not drawn & set(KEYWORDS[second][2]) and not _same_place(disease, second):
            words.insert(int(rng.integers(0, 2)), second)
    findings: dict[str, float] = {}
    for word in words:
        if word in GRADES:
            findings |= retinopathy(rng, GRADES[word])
        findings |= {name: float(rng.uniform(0.5, 1.0)) for name in KEYWORDS[word][2]}
    if rng.random() < 0.06:
        artefact = str(rng.choice(list(ARTEFACTS)))
        words.append(artefact)
        findings[ARTEFACTS[artefact]] = float(rng.uniform(0.3, 0.8))
    return tuple(words), findings


def _same_place(first: str, second: str) -> bool:
    """Whether the second finding would hide the first, or be hidden by it."""
    on_disc = {"glaucoma", "optic disc edema", "optic nerve atrophy"}
    at_macula = {
        "drusen",
        "epiretinal membrane",
        "macular epiretinal membrane",
        "macular hole",
        "central serous chorioretinopathy",
        "wet age-related macular degeneration",
        "dry age-related macular degeneration",
    }
    return {first, second} <= on_disc or {first, second} <= at_macula
