"""SMDG-19: one table of 48 columns about pictures of many collections, with their names in those."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Drawn, Tally, photographs
from mgll_data.phantoms.writing import table

CASES: dict[str, dict[str, float]] = {"1": {"disc_cupping": 0.9}, "0": {}, "-1": {"disc_cupping": 0.4}}
HEADER = (
    "names,types,type_expanded,isColor,original_name,patient_id,fundus,fundus_od_seg,fundus_oc_seg,bv_seg,artery_seg,"
    "vein_seg,oct,oct_oc_seg,oct_od_seg,sex,gender,age,eye,sbp,dbp,hr,iop,vcdr,Unnamed: 24,notchI_present,"
    "notchS_present,notchN_present,notchT_present,expert1_grade,expert2_grade,expert3_grade,expert4_grade,"
    "expert5_grade,cdr_avg,cdr_expert1,cdr_expert2,cdr_expert3,cdr_expert4,refractive_dioptre_1,"
    "refractive_dioptre_2,refractive_astigmatism,phakic_or_pseudophakic,iop_perkins,iop_pneumatic,pachymetry,"
    "axial_length,visual_field_mean_defect"
)


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures of five parents in turn."""
    tally, rows = Tally(), []
    for drawn in photographs("smdg19", count, seed, CASES):
        facts = _facts(drawn)
        rows.append([facts.get(column, "") for column in HEADER.split(",")])
        tally.placed(drawn, out / "full-fundus/full-fundus" / f"{facts['names']}.png")
    table(out / "metadata - standardized.csv", HEADER, rows)
    return tally.expected()


def _facts(drawn: Drawn) -> dict[str, str]:
    n, side = drawn.number + 1, "OD" if drawn.laterality == "right" else "OS"
    facts = {"types": drawn.case, "isColor": "1"}
    match drawn.number % 5:
        case 0:
            facts |= {"names": f"OIA-ODIR-TRAIN-{n}", "original_name": f"{n}_{drawn.laterality}.jpg", "sex": "F"}
            facts |= {"age": "58", "eye": side}
        case 1:
            facts |= {"names": f"REFUGE1-train-{n}", "original_name": f"n{n:04d}.jpg"}
        case 2:
            facts |= {"names": f"PAPILA-{n}", "original_name": str(n), "patient_id": f"PAPILA-{n}", "eye": side}
            facts |= {"type_expanded": "Healthy", "gender": "0", "age": "70", "visual_field_mean_defect": " "}
        case 3:
            facts |= {"names": f"EyePACS-Glaucoma-{n}", "original_name": f"TRAIN{n:06d}.jpg", "types": "1"}
            facts["type_expanded"] = "Referable Glaucoma"
        case _:
            facts |= {"names": f"DRISHTI-GS1-test-{n}", "original_name": f"drishtiGS_{n:03d}.png", "cdr_avg": "0.8225"}
    return facts | {"fundus": f"/full-fundus/{facts['names']}.png"}
