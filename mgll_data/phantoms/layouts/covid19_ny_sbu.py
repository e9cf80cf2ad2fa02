"""COVID-19-NY-SBU as the Imaging Data Commons has it: series in folders of UIDs, films of the abdomen among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.dicoms import IDC_HEADER, dicom, idc_row, uid
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import place, table

CASES = {"covid": (Finding("covid", 2, "both"),), "clear": ()}
CHEST = ("CHEST AP PORT", "CHEST AP VIEWONLY", "CHEST AP PORT CENTRAL LINE PL")
ABDOMEN = ("FLAT PLATE OF ABDOMEN PORTABLE", "ABD SERIES FLAT AND ERECT PORTABLE", "ABDOMEN SUPINE KUB")


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films of the chest, and after every eighth a row of the abdomen, one of them tagged as chest."""
    return collection(out, count, seed, "covid19_ny_sbu", "covid_19_ny_sbu", "A{:06d}", CHEST, ABDOMEN)


def collection(
    out: Path,
    count: int,
    seed: int,
    source: str,
    name: str,
    patients: str,
    chest: tuple[str, ...],
    abdomen: tuple[str, ...],
) -> dict[str, Any]:
    """A collection of `idc_index.csv`, one film a series and four films a patient."""
    rows: list[list[str]] = []
    elsewhere = 0
    tally = Tally()
    for drawn in films(source, count, seed, CASES, views=("ap",)):
        number, modality = drawn.number, ("CR", "DX")[drawn.unit.shows % 2]
        patient, study, series = patients.format(number // 4 + 1), uid(11, number + 1), uid(12, number + 1)
        person = {
            "PatientID": patient,
            "PatientAge": f"{40 + number // 4 % 50:03d}Y",
            "PatientSex": "MF"[number // 4 % 2],
        }
        words = {"SeriesDescription": "AP", "Modality": modality, "StudyDate": "1901-01-01", "instanceCount": "1"}
        described = chest[number % len(chest)]
        place_ = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "StudyDescription": described}
        rows.append(idc_row(name, **person, **words, **place_, BodyPartExamined="CHEST"))
        folder = out / patient / study / f"{modality}_{series}"
        place(folder / f"{drawn.rng.bytes(16).hex()}.dcm", dicom(drawn, modality=modality), drawn.unit.damage)
        tally.counted(drawn)
        if number % 8 == 0 and abdomen:
            other = {"StudyInstanceUID": uid(13, number + 1), "SeriesInstanceUID": uid(14, number + 1)}
            described = abdomen[elsewhere % len(abdomen)]
            body = "CHEST" if elsewhere == 0 else "ABDOMEN"
            rows.append(idc_row(name, **person, **words, **other, StudyDescription=described, BodyPartExamined=body))
            elsewhere += 1
    table(out / "idc_index.csv", IDC_HEADER, rows)
    return tally.expected(not_chest=elsewhere)
