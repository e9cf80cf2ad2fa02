"""mBRSET: 24 columns, grades left empty where the quality is no, names with two dots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR, UNGRADABLE
from mgll_data.phantoms.writing import table

HEADER = (
    "file,patient,age,sex,dm_time,insulin,insulin_time,oraltreatment_dm,systemic_hypertension,insurance,"
    "educational_level,alcohol_consumption,smoking,obesity,vascular_disease,acute_myocardial_infarction,nephropathy,"
    "neuropathy,diabetic_foot,laterality,final_artifacts,final_quality,final_icdr,final_edema"
)


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures, four to a patient; every sixth is of no quality and has no grade."""
    rows, tally = [], Tally()
    for drawn in photographs("mbrset", count, seed, {**ICDR, "": UNGRADABLE}):
        patient = drawn.number // 4 + 1
        name = f"{patient}.{drawn.number % 4 + 1}.jpg"
        good, edema = bool(drawn.case), ("yes" if drawn.case == "4" else "no") if drawn.case else ""
        grade = f"{drawn.case}.0" if good else ""
        quality = [drawn.laterality, "no" if good else "yes", "yes" if good else "no", grade, edema]
        rows.append([name, patient, 40 + patient, 0, *[""] * 15, *quality])
        tally.placed(drawn, out / "images" / name)
    table(out / "labels_mbrset.csv", HEADER, rows)
    return tally.expected()
