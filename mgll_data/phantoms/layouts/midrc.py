"""MIDRC: Gen3 node tables with tabs, one with the asterisks of the templates, and series in folders of UIDs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.dicoms import dicom, uid
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import place

CASE = (
    "type,project_id,submitter_id,datasets.submitter_id,age_at_index,case_ids,country_of_origin,covid19_positive,"
    "data_submission_guid,ethnicity,icu_indicator,index_event,race,sex,site_id,treatment_info,ventilator_indicator,zip"
)
STUDY = (
    "*type,project_id,*submitter_id,*cases.submitter_id,age_at_imaging,body_part_examined,case_ids,"
    "days_from_study_to_neg_covid_test,days_from_study_to_pos_covid_test,days_to_study,loinc_code,"
    "loinc_long_common_name,study_description,study_location,study_modality,study_uid,study_year,study_year_shifted"
)
SERIES = (
    "type,project_id,submitter_id,core_metadata_collections.submitter_id,imaging_studies.submitter_id,data_category,"
    "data_format,data_type,file_name,file_size,md5sum,associated_ids,case_ids,contrast_bolus_agent,detector_type,"
    "file_description,image_type,imager_pixel_spacing,lossy_image_compression,manufacturer,manufacturer_model_name,"
    "modality,object_id,pixel_spacing,series_description,series_uid,spatial_resolution,storage_urls,view_position"
)
CASES = {"covid": (Finding("covid", 2, "both"),), "clear": ()}
STATES = ("Yes", "No", "Not Reported", "Indeterminate")
DESCRIBED = ("XR CHEST AP PORTABLE", "XR CHEST 1 VIEW", "[blank]", "XR CHEST AP PORTABLE for Phantom Name")


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films, two to a case, and after every eighth a series of the knee."""
    cases: list[dict[str, object]] = []
    studies: list[dict[str, object]] = []
    series: dict[str, list[dict[str, object]]] = {"CR": [], "DX": []}
    knees = 0
    tally = Tally()

    def add(number: int, case: str, study: str, modality: str, described: str) -> str:
        own = uid(15, number + 1)
        common = {"submitter_id": study, "cases.submitter_id": case, "study_description": described}
        studies.append(common | {"age_at_imaging": 50, "study_modality": modality, "loinc_code": "36554-4"})
        place_ = {"series_uid": own, "file_name": f"{case}/{study}/{own}.zip", "series_description": "AP"}
        series[modality].append({"imaging_studies.submitter_id": study, "modality": modality, **place_})
        return own

    for drawn in films("midrc", count, seed, CASES, views=("ap",)):
        number, modality = drawn.number, ("CR", "DX")[drawn.unit.shows % 2]
        case, study = f"10000364-{1000000 + number // 2}", uid(16, number + 1)
        if number % 2 == 0:
            state = STATES[number // 2 % len(STATES)]
            cases.append({"submitter_id": case, "covid19_positive": state, "age_at_index": 50, "sex": "Female"})
        own = add(number, case, study, modality, DESCRIBED[number % len(DESCRIBED)])
        place(
            out / case / study / own / f"{uid(17, number + 1)}.dcm", dicom(drawn, modality=modality), drawn.unit.damage
        )
        tally.counted(drawn)
        if number % 8 == 0:
            knees += 1
            add(1_000_000 + number, case, uid(18, number + 1), modality, "XR KNEE 2 VIEWS")
    _table(out / "Open-R1_case.tsv", CASE, "case", cases)
    _table(out / "Open-R1_imaging_study.tsv", STUDY, "imaging_study", studies)
    for modality, rows in series.items():
        _table(out / f"Open-R1_{modality.lower()}_series_file.tsv", SERIES, f"{modality.lower()}_series_file", rows)
    return tally.expected(not_chest=knees)


def _table(path: Path, header: str, node: str, rows: Sequence[dict[str, object]]) -> None:
    names = header.split(",")
    cells = [names, *([str(({"type": node} | row).get(name.lstrip("*"), "")) for name in names] for row in rows)]
    path.write_text("".join("\t".join(row) + "\n" for row in cells), encoding="utf-8")
