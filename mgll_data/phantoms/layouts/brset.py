"""BRSET 1.0.1: 34 columns, one misspelled; 1 is normal and 2 abnormal in the columns of anatomy and quality."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import DISEASES
from mgll_data.phantoms.writing import table

HEADER = (
    "image_id,patient_id,camera,patient_age,comorbidities,diabetes_time_y,insuline,patient_sex,exam_eye,diabetes,"
    "nationality,optic_disc,vessels,macula,DR_SDRG,DR_ICDR,focus,Illuminaton,image_field,artifacts,"
    "diabetic_retinopathy,macular_edema,scar,nevus,amd,vascular_occlusion,hypertensive_retinopathy,drusens,hemorrhage,"
    "retinal_detachment,myopic_fundus,increased_cup_disc,other,quality"
)
FINDINGS = HEADER.split(",")[20:33]
CASES: dict[str, dict[str, float]] = {
    "": {},
    "diabetic_retinopathy": DISEASES["dr"],
    "amd": DISEASES["amd"],
    "hypertensive_retinopathy": DISEASES["htr"],
    "drusens": {"drusen": 0.8},
    "myopic_fundus": DISEASES["myopia"],
    "increased_cup_disc": DISEASES["glaucoma"],
    "vascular_occlusion": DISEASES["vein"],
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, two to a patient; every ninth has a bad focus and so an inadequate quality."""
    rows, tally = [], Tally()
    for drawn in photographs("brset", count, seed, CASES):
        name, case, blurred = f"img{drawn.number + 1:05d}", drawn.case, drawn.number % 9 == 8
        disc, macula = 1 + (case == "increased_cup_disc"), 1 + (case in ("amd", "drusens"))
        vessels = 1 + (case in ("hypertensive_retinopathy", "vascular_occlusion"))
        grade = 2 if case == "diabetic_retinopathy" else 0
        person = [drawn.number // 2 + 1, "Canon CR", 60, "", "", "", 1 + drawn.number // 2 % 2]
        eye = [1 if drawn.laterality == "right" else 2, "no", "Brazil", disc, vessels, macula, grade, grade]
        found = [int(case == finding) for finding in FINDINGS]
        quality = "Inadequate" if blurred else "Adequate"
        rows.append([name, *person, *eye, 1 + blurred, 1, 1, 1, *found, quality])
        tally.placed(drawn, out / "fundus_photos" / f"{name}.jpg")
    table(out / "labels_brset.csv", HEADER, rows)
    return tally.expected()
