"""Planted tokens: in every tag of a film, and in reports of both layouts. None may come out, with debug logging on."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pydicom
import pytest

from mgll_data import phantoms
from mgll_data.publish import publish
from mgll_data.sources import base
from tests.data.planted import planted_film
from tests.e2e.conftest import Sandbox
from tests.e2e.test_phi import outputs

FILMS = 3
# The command line in a process whose loggers are all at DEBUG, pydicom's too. Workers run these lines as well.
DEBUG = """
import logging
logging.basicConfig(level=logging.DEBUG)
import pydicom.config
pydicom.config.debug(True, default_handler=True)
from mgll_data.cli import main
if __name__ == "__main__":
    main()
"""
SAID = """{section}
 Discussed with Dr. Zaphod Quillworth (MRN ZQ7788123) by phone at 617-555-0182 on 03/17/2031 at 4:37 PM.
 No pleural effusion. Mild cardiomegaly as told to Nurse Quillworth.
 Seen at Quillworth General Hospital on March 17, 2031.
 Accession number QA5512907 for Trillian Quillworth, zaphod@quillworth.example.org."""
SPOKEN = (
    "Zaphod",
    "Quillworth",
    "QUILLWORTH",
    "Trillian",
    "ZQ7788123",
    "617-555-0182",
    "03/17/2031",
    "4:37",
    "March 17",
)
SPOKEN += ("QA5512907", "quillworth.example")


@pytest.fixture
def roots(sandbox: Sandbox) -> Path:
    """RSNA with planted films, OpenI and MIMIC-CXR-JPG with planted reports."""
    folder = sandbox.folder / "roots"
    for name in ("rsna_pneumonia", "openi"):
        shutil.copytree(sandbox.roots / name, folder / name)
    phantoms.draw("mimic_cxr_jpg", 24, folder / "mimic_cxr_jpg", 3)
    return folder


def plant_films(folder: Path) -> tuple[set[str], set[str]]:
    """The tokens, and the films that hold them."""
    marks: set[str] = set()
    names: set[str] = set()
    sound = sorted(path for path in folder.rglob("*.dcm") if path.stat().st_size > 1000)
    for number in range(FILMS):
        rng = np.random.default_rng(number)
        gray = cv2.GaussianBlur(rng.integers(0, 256, (300, 300), dtype=np.uint8), (0, 0), 4 + number)
        data, found = planted_film(cv2.normalize(gray, None, 0, 255, cv2.NORM_MINMAX), number)
        sound[number + 5].write_bytes(data)
        marks |= found
        names.add(sound[number + 5].name)
    return marks, names


def plant_reports(folder: Path) -> int:
    """Every report says things of people that it must not pass on; the number of reports changed."""
    changed = 0
    for path in sorted((folder / "openi").rglob("*.xml")):
        text = path.read_text(encoding="utf-8")
        said = SAID.format(section="").replace("\n", " ")
        path.write_text(
            re.sub(r'(<AbstractText Label="(?:FINDINGS|IMPRESSION)">)', rf"\1{said} ", text), encoding="utf-8"
        )
        changed += 1
    for path in sorted((folder / "mimic_cxr_jpg").rglob("s*.txt")):
        text = path.read_text(encoding="utf-8")
        path.write_text(text + SAID.format(section=" \n IMPRESSION:") + "\n", encoding="utf-8")
        changed += 1
    return changed


@pytest.mark.filterwarnings("ignore:Unknown encoding")
def test_the_planted_film_covers_the_standard() -> None:
    data, marks = planted_film(np.zeros((64, 64), np.uint8), 0)
    assert len(marks) > 2500
    from io import BytesIO

    ds = pydicom.dcmread(BytesIO(data))
    assert ds.pixel_array.shape == (64, 64) and "ZT0" in str(ds.PatientName) and "ZT0" in str(ds.InstitutionAddress)
    assert "ZN0" in str(ds.RequestAttributesSequence[0].PatientName)
    assert "ZT0" in ds[0x0009, 0x1001].value and ds.file_meta.SourceApplicationEntityTitle.startswith("ZT0")


def test_no_token_leaves(sandbox: Sandbox, roots: Path) -> None:
    marks, films = plant_films(roots / "rsna_pneumonia")
    assert plant_reports(roots) > 20
    licences = {base.find(name).card.licence for name in ("rsna_pneumonia", "openi", "mimic_cxr_jpg")}
    recipe = Sandbox(roots, sandbox.folder).recipe(
        "cxr",
        ("rsna_pneumonia", "openi", "mimic_cxr_jpg"),
        texts="{levels: [modality, study, series, category, diagnostic, explanatory, report], per_level: 8}",
        licences=f"{{accept: [{', '.join(sorted(licences))}]}}",
        limits="{quarantine: 0.5}",
    )
    script = sandbox.folder / "debug.py"
    script.write_text(DEBUG)
    work = sandbox.folder / "b"
    command = [sys.executable, script, "build", "--recipe", recipe, "--work", work, "--workers", "2"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "DEBUG" in done.stderr, "debug logging was not on"
    folder = work / "small-cxr"
    publish(folder, str(sandbox.folder / "pub"))
    # The films with tokens are in the dataset, not merely thrown away; so are texts from the planted reports.
    lost = pq.read_table(work / ".cache" / "small-cxr" / "quarantine.parquet")["image"].to_pylist()
    assert len(films) == FILMS and not films & {Path(image).name for image in lost}
    content = dict(outputs(sandbox.folder / "pub"))
    joined = b"\n".join(content.values())
    assert joined.count(b'"source":"rsna_pneumonia"') >= 25
    assert b"XR Chest" in joined and b'"report":[{' in joined
    everything = {"the log": (done.stdout + done.stderr).encode(), **content}
    everything |= {f"work {name}": data for name, data in outputs(folder)}
    pattern = re.compile(b"|".join(re.escape(mark.encode()) for mark in sorted(marks | set(SPOKEN), reverse=True)))
    anything = re.compile(rb"Z[TN]\d[0-9A-F]{8}Q")
    assert len(marks) > 7500
    for name, data in everything.items():
        for found in (anything.search(data), pattern.search(data)):
            assert found is None, (
                f"{name} holds {found.group()!r}: {data[max(0, found.start() - 80) : found.end() + 40]!r}"
            )


def test_a_name_in_a_table_does_not_leave_as_a_description(sandbox: Sandbox) -> None:
    """The covid19 style tables carry free descriptions: only composed study names come out."""
    root = sandbox.folder / "covid19_ny_sbu"
    phantoms.draw("covid19_ny_sbu", 24, root, 3)
    path = root / "idc_index.csv"
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        rows, names = list(reader), reader.fieldnames or []
    for row in rows:
        row["StudyDescription"] += " for Zaphod Quillworth 617-555-0182"
        row["SeriesDescription"] += " Quillworth Sep1999"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    licence = base.find("covid19_ny_sbu").card.licence
    recipe = Sandbox(sandbox.folder, sandbox.folder).recipe(
        "cxr", ("covid19_ny_sbu",), licences=f"{{accept: [{licence}]}}", limits="{quarantine: 0.5}"
    )
    command = [sys.executable, "-m", "mgll_data.cli", "build", "--recipe", recipe, "--work", sandbox.folder / "b"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = b"\n".join(data for _, data in outputs(sandbox.folder / "b" / "small-cxr"))
    assert b"XR Chest" in found
    for word in (b"Quillworth", b"QUILLWORTH", b"Zaphod", b"617-555", b"Sep1999", b"SEP1999"):
        assert word not in found
