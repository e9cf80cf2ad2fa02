"""No key of a patient, DICOM UID, date, institution or local path of the inputs leaves in what we write."""

from __future__ import annotations

import csv
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from mgll_data.publish import publish
from tests.e2e.conftest import SOURCES, Sandbox, build, run


def outputs(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every published byte, tar members and decompressed Parquet columns included."""
    import pyarrow.parquet as pq

    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.suffix == ".parquet":
            yield path.name, repr(pq.read_table(path).to_pylist()).encode()
        elif path.suffix == ".tar":
            with tarfile.open(path) as tar:
                for member in tar:
                    file = tar.extractfile(member)
                    assert file is not None
                    yield f"{path.name}/{member.name}", member.name.encode() + b"\n" + file.read()
        else:
            yield path.name, path.read_bytes()


def secrets(roots: Path) -> set[str]:
    """Every identifying string of the drawn inputs, read with other code than the adapters'."""
    found = {str(roots)}
    for dicom in roots.rglob("*.dcm"):
        if dicom.stat().st_size < 1000:
            continue
        header = pydicom.dcmread(dicom, stop_before_pixels=True, force=True)
        for element in header.iterall():
            if element.VR in ("PN", "UI", "DA", "DT", "LO", "SH", "UC") and element.tag != 0x00080016:
                value = str(element.value)
                if len(value) >= 8 and not value.startswith("1.2.840.10008"):
                    found.add(value)
        found.add(dicom.stem)
    for table, columns in (
        ("covid19_hannover/data.csv", ("patient_id", "image_id")),
        ("nih_cxr14/Data_Entry_2017_v2020.csv", ("Image Index",)),
        ("aptos2019/train.csv", ("id_code",)),
    ):
        with (roots / table).open(newline="") as file:
            for row in csv.DictReader(file):
                found |= {row[column].rpartition(".")[0] or row[column] for column in columns}
    found |= {path.stem for path in (roots / "openi").rglob("*.png")}
    return {value for value in found if len(value) >= 6}


@pytest.mark.parametrize("modality", ["cxr", "fundus"])
def test_nothing_identifying_is_written(sandbox: Sandbox, modality: str) -> None:
    done = run("build", "--recipe", sandbox.recipe(modality), "--work", sandbox.folder / "b")
    folder = sandbox.folder / "b" / f"small-{modality}"
    publish(folder, str(sandbox.folder / "pub"))
    planted = secrets(sandbox.roots)
    assert len(planted) > 200, "the phantoms plant too little to find"
    assert any("PHANTOM" in value.upper() for value in planted)
    # One pattern of all secrets is far quicker than a search for each.
    pattern = re.compile(b"|".join(re.escape(value.encode()) for value in sorted(planted, key=len, reverse=True)))
    log = (done.stdout + done.stderr).encode()
    for name, content in [("the log", log), *outputs(sandbox.folder / "pub")]:
        match = pattern.search(content)
        assert match is None, f"{name} holds {match.group()!r}"
        assert b"PHANTOMNAME" not in content.upper(), name
    assert {p.name for p in (sandbox.roots).iterdir()} >= set(SOURCES[modality])


def test_pseudonyms_follow_the_seed_or_the_secret(sandbox: Sandbox) -> None:
    def patients(**environment: str) -> set[str]:
        work = sandbox.folder / str(len(environment)) / environment.get("MGLL_SECRET", "none")
        report = build(sandbox.recipe("cxr", ("covid19_hannover",)), work, **environment)
        pattern = re.compile(rb'"patient":"(p-[0-9a-f]{16})"')
        found = set()
        for name, content in outputs(Path(report["folder"])):
            found |= {m.decode() for m in pattern.findall(content)} if name.endswith(".json") else set()
        return found

    assert patients()
    assert patients(MGLL_SECRET="one") == patients(MGLL_SECRET="one")
    assert not patients(MGLL_SECRET="one") & patients(MGLL_SECRET="two")
    assert not patients() & patients(MGLL_SECRET="one")
