"""MIMIC-CXR-JPG: films in folders of patient and study, gzipped tables, reports as text files beside the studies."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

from mgll_data.phantoms.chest_reports import report
from mgll_data.phantoms.chexpert_labels import CASES, cells
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import table
from mgll_data.sources.chexpert import OBSERVATIONS

METADATA = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate,StudyTime,"
    "ProcedureCodeSequence_CodeMeaning,ViewCodeSequence_CodeMeaning,PatientOrientationCodeSequence_CodeMeaning"
)
_CODES = {"pa": "postero-anterior", "ap": "antero-posterior", "lateral": "lateral"}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Writes `count` films in studies of two; one view in eight is told by its code alone, one report in four lacks."""
    tally = Tally()
    ordered = sorted(OBSERVATIONS)  # the tables list the observations by their names
    metadata: list[list[object]] = []
    labels: dict[int, list[object]] = {}
    split: list[list[object]] = []
    for film in films("mimic_cxr_jpg", count, seed, CASES, views=("ap", "pa", "lateral")):
        subject, study = 10_000_032 + film.number // 4, 50_414_267 + film.number // 2
        digest = hashlib.sha256(f"mimic_cxr_jpg {seed} {film.number}".encode()).hexdigest()
        name = "-".join(digest[start : start + 8] for start in range(0, 40, 8))
        view = "" if film.number % 8 == 5 else {"lateral": "LATERAL"}.get(film.view, film.view.upper())
        procedure = "CHEST (PORTABLE AP)" if film.view == "ap" else "CHEST (PA AND LAT)"
        date = 21_800_506 + film.number
        facts = [procedure, view, film.image.shape[0], film.image.shape[1], date, 213014.531]
        metadata.append([name, subject, study, *facts, procedure, _CODES[film.view], "Erect"])
        labels.setdefault(study, [subject, study, *cells(film.case, film.unit.shows, ordered)])
        split.append([name, study, subject, "validate" if subject % 6 == 3 else "train"])
        folder = out / "files" / f"p{str(subject)[:2]}" / f"p{subject}"
        tally.placed(film, folder / f"s{study}" / f"{name}.jpg")
        if study % 4 and not (path := folder / f"s{study}.txt").exists():
            said = report(CASES[film.case], film.rng)
            text = "".join(f" {section}: {part}\n \n" for section, part in said.items() if part)
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(f"                                 FINAL REPORT\n{text}", encoding="utf-8")
    _packed(out / "mimic-cxr-2.0.0-metadata.csv.gz", METADATA, metadata)
    _packed(out / "mimic-cxr-2.0.0-chexpert.csv.gz", ",".join(("subject_id", "study_id", *ordered)), [*labels.values()])
    _packed(out / "mimic-cxr-2.0.0-split.csv.gz", "dicom_id,study_id,subject_id,split", split)
    return tally.expected()


def _packed(path: Path, header: str, rows: list[list[object]]) -> None:
    table(path, header, rows)
    path.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
