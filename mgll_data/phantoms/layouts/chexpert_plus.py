"""CheXpert Plus: PNGs, one table with demographics and report sections, CheXbert's labels as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mgll_data.phantoms.chest_reports import report
from mgll_data.phantoms.chexpert_labels import CASES, states
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import table
from mgll_data.sources.chexpert import OBSERVATIONS

_SECTIONS = (
    "narrative",
    "clinical_history",
    "history",
    "comparison",
    "technique",
    "procedure_comments",
    "findings",
    "impression",
    "end_of_impression",
    "summary",
    "accession_number",
)
HEADER = (
    "path_to_image,path_to_dcm,frontal_lateral,ap_pa,deid_patient_id,patient_report_date_order,age,sex,race,ethnicity,"
    "split,report," + ",".join(f"section_{name}" for name in _SECTIONS)
)


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Writes `count` films; the table names .jpg files where .png files lie, as the published one does."""
    tally = Tally()
    rows: list[list[object]] = []
    lines: list[str] = []
    for film in films("chexpert_plus", count, seed, CASES, views=("ap", "pa", "lateral")):
        part = "valid" if film.number % 8 == 7 else "train"
        plane = "lateral" if film.view == "lateral" else "frontal"
        patient = f"patient{film.number // 2 + 1:05d}"
        stem = f"{part}/{patient}/study{film.number % 2 + 1}/view1_{plane}"
        said = report(CASES[film.case], film.rng)
        # Three reports in four have no section FINDINGS.
        sections = {"findings": said["FINDINGS"] if film.number % 4 == 0 else "", "impression": said["IMPRESSION"]}
        sections |= {"history": said["INDICATION"], "accession_number": "unknown"}
        whole = "\n".join(f"{name.upper()}: {text}" for name, text in sections.items() if text)
        facts = ["" if plane == "lateral" else film.view.upper(), patient, film.number % 2 + 1, 40, "Female", "", ""]
        cells = [sections.get(name, "") for name in _SECTIONS]
        rows.append([f"{stem}.jpg", f"{stem}.dcm", plane.title(), *facts, part, whole, *cells])
        given = states(film.case, film.unit.shows)
        lines.append(json.dumps({"path_to_image": f"{stem}.jpg"} | {word: given.get(word) for word in OBSERVATIONS}))
        tally.placed(film, out / "PNG" / f"{stem}.png")
    table(out / "df_chexpert_plus_240401.csv", HEADER, rows)
    (out / "chexbert_labels").mkdir()
    (out / "chexbert_labels" / "report_fixed.json").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tally.expected()
