"""Builds from the real files, compared with what their label files say, read here without our adapters."""

from __future__ import annotations

import csv
import json
import shutil
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from mgll_data.recipe import VOCAB
from tests.e2e.conftest import build


def samples(folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.glob("*/*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    file = tar.extractfile(member)
                    assert file is not None
                    found.append(json.loads(file.read()))
    return found


def recipe(folder: Path, modality: str, source: str, extra: str = "") -> Path:
    levels = "modality, series, diagnostic" if modality == "cxr" else "modality, category, diagnostic, explanatory"
    mode = "gray8" if modality == "cxr" else "rgb8"
    path = folder / "real.yaml"
    path.write_text(
        f"name: real\nversion: 0.1.0\nlabels: {{hierarchy: {modality}}}\ntexts: {{levels: [{levels}]}}\n"
        f"images: {{side: 256, mode: {mode}}}\nsources:\n  - {{use: {source}, {extra}}}\n"
        "limits: {quarantine: 0.2}\nlicences: {accept: [LicenseRef-RSNA-Pneumonia-2018]}\n"
        "curate: {phi: {burned_in: flag}}\n"  # every film is to come through and be counted
    )
    return path


def test_hannover(shared: Path, tmp_path: Path) -> None:
    root = shared / "hannover-covid-19-image-repository"
    with (root / "data.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    report = build(recipe(tmp_path, "cxr", "covid19_hannover", f"root: {root}"), tmp_path / "b", "--workers", 2)
    found = samples(Path(report["folder"]))
    assert report["sources"]["covid19_hannover"]["read"] == len(rows) == 243
    assert len(found) == len(rows) - report["sources"]["covid19_hannover"]["duplicate"]
    assert Counter(s["view"] for s in found) == Counter(row["projection"] for row in rows)
    assert Counter(s["attrs"]["sex"] for s in found) == Counter(row["sex"].upper() for row in rows)
    assert len({s["patient"] for s in found}) == len({row["patient_id"] for row in rows}) == 71
    wording = yaml.safe_load((VOCAB / "cxr" / "templates.yaml").read_text())["modality"]
    for code in ("CR", "DX"):
        said = sum(any(text["text"] in wording[code] for text in s["texts"]["modality"]) for s in found)
        assert said == sum(row["modality"] == code for row in rows), code
    splits: dict[str, set[str]] = {}
    for sample in found:
        splits.setdefault(sample["patient"], set()).add(sample["split"])
    assert all(len(where) == 1 for where in splits.values())


def test_idrid(shared: Path, tmp_path: Path) -> None:
    root = shared / "IDRiD"
    table = next(root.rglob("b. IDRiD_Disease Grading_Testing Labels.csv"))
    with table.open(newline="", encoding="utf-8-sig") as file:
        rows = [{key.strip(): value for key, value in row.items() if key} for row in csv.DictReader(file)]
    grades = Counter(row["Retinopathy grade"] for row in rows)
    risks = Counter(row["Risk of macular edema"] for row in rows)
    report = build(recipe(tmp_path, "fundus", "idrid", f"root: {root}, partial: true"), tmp_path / "b", "--workers", 2)
    assert report["sources"]["idrid"] == {"read": 516, "kept": 103, "duplicate": 0, "quarantined": 0, "excluded": 413}
    assert report["splits"] == {"test": len(rows)}
    found = samples(Path(report["folder"]))
    present = Counter(concept for s in found for concept in s["concepts"]["present"])
    stages = {"0": "no_dr", "1": "dr_mild", "2": "dr_mod", "3": "dr_sev", "4": "pdr"}
    assert {grade: present[f"fundus.{name}"] for grade, name in stages.items()} == dict(grades)
    edema = {"0": "no_dme", "1": "dme_nonref", "2": "dme_csme"}
    assert {risk: present[f"fundus.{name}"] for risk, name in edema.items()} == dict(risks)
    assert report["near_duplicates"] == 0, "different eyes were taken for copies"
    for sample in found:
        if "fundus.no_dr" in sample["concepts"]["present"]:
            assert "fundus.normal" not in sample["concepts"]["present"], "no retinopathy is not normal"


# What each file is, from the notes of its source and a look at its picture; the reason it must get.
DICOMS = {
    "dicom-nema-wg04/REF/RG1_UNC": "kept",
    "dicom-nema-wg04/J2KR/RG1_J2KR": "duplicate",  # equal pixels, lossless
    "dicom-nema-wg04/J2KI/RG1_J2KI": "kept",
    "dicom-nema-wg04/JLSN/RG1_JLSN": "kept",
    "dicom-nema-wg04/JPLL/RG2_JPLL": "not_chest",
    "dicom-nema-wg04/J2KR/RG3_J2KR": "not_chest",
    "dicom-nema-wg04/JLSL/RG3_JLSL": "not_chest",
    "dicom-nema-wg04/RLE/RG3_RLE": "not_chest",
    "dicom-nema-wg04/JPLY/RG2_JPLY": "not_chest",
    "dicom-nema-wg04/JPLY/RG3_JPLY": "not_chest",
    "dicom-nema-wg04/J2KI/VL4_J2KI": "colour",
    "dicom-misc-xray/fo-dicom/CR-MONO1-10-chest": "kept",
    "dicom-misc-xray/rse-panimg/cxr.dcm": "duplicate",  # the same pixels with a preamble
    "dicom-misc-xray/fo-dicom/CR-ModalitySequenceLUT.dcm": "not_chest",
    "dicom-misc-xray/nhsx-nccid/*.dcm": "kept",
}


@pytest.mark.slow
def test_dicoms_in_the_layout_of_rsna(shared: Path, tmp_path: Path) -> None:
    root = tmp_path / "rsna"
    films = root / "stage_2_train_images"
    films.mkdir(parents=True)
    names = {}
    for number, pattern in enumerate(DICOMS):
        names[f"film{number:02d}"] = pattern
        shutil.copyfile(next(shared.glob(pattern)), films / f"film{number:02d}.dcm")
    for table, header, row in (
        ("stage_2_train_labels.csv", "patientId,x,y,width,height,Target", "{},,,,,0"),
        ("stage_2_detailed_class_info.csv", "patientId,class", "{},Normal"),
    ):
        (root / table).write_text("\n".join([header, *(row.format(name) for name in names)]) + "\n")
    report = build(recipe(tmp_path, "cxr", "rsna_pneumonia", f"root: {root}"), tmp_path / "b", "--workers", 2)
    import pyarrow.parquet as pq

    lost = pq.read_table(tmp_path / "b" / ".cache" / "real" / "quarantine.parquet").to_pylist()
    reasons = {Path(r["image"]).stem: r["reason"] if r["outcome"] != "duplicate" else "duplicate" for r in lost}
    found = {pattern: reasons.get(name, "kept") for name, pattern in names.items()}
    # Of two equal pictures either may be the one that is kept.
    for pair in (("REF/RG1_UNC", "J2KR/RG1_J2KR"), ("CR-MONO1-10-chest", "cxr.dcm")):
        members = [name for name in found if name.endswith(pair)]
        assert sorted(found[name] for name in members) == ["duplicate", "kept"]
    alone = {
        name: reason for name, reason in DICOMS.items() if not name.endswith(("_UNC", "RG1_J2KR", "chest", "cxr.dcm"))
    }
    assert {name: found[name] for name in alone} == alone
    assert report["sources"]["rsna_pneumonia"]["read"] == len(DICOMS)
