"""HRDC: 712 photographs twice, once with the patient's hypertension and once with hypertensive retinopathy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import UsageError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import graded, spreadsheet
from mgll_data.sources.tables import Row, made

CARD = SourceCard(
    name="hrdc",
    modality="fundus",
    title="Hypertensive Retinopathy Diagnosis Challenge (CGI-HRDC 2023)",
    release="2023",
    images=1_424,
    licence="LicenseRef-HRDC-challenge",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://codalab.lisn.upsaclay.fr/competitions/11877",
    cite="""@misc{hrdc2023,
  title = {{CGI-HRDC} 2023: Hypertensive Retinopathy Diagnosis Challenge},
  year  = {2023},
  url   = {https://codalab.lisn.upsaclay.fr/competitions/11877}
}""",
    label_origin="Task 1: whether the patient has hypertension, which is no finding of the eye. Task 2: whether the "
    "photograph shows hypertensive retinopathy.",
    scope=("fundus.htr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Join the challenge on CodaLab and unpack the archives of both tasks (either may be left out). Some
pictures stand in both. The labels of the test set are not public.

hrdc/
  1-Hypertensive Classification/
    1-Images/1-Training Set/00000dc7.png ...
    2-Groundtruths/HRDC Hypertensive Classification Training Labels.csv
  2-Hypertensive Retinopathy Classification/
    1-Images/1-Training Set/00000ce7.png ...
    2-Groundtruths/HRDC Hypertensive Retinopathy Classification Training Labels.csv""",
    needs=("*-Hypertensive*/2-Groundtruths/HRDC*", "*-Hypertensive*/1-Images/**/*.png"),
)

_TASKS = {
    "1-Hypertensive Classification": "Hypertensive",
    "2-Hypertensive Retinopathy Classification": "Hypertensive Retinopathy",
}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of both tasks: the words `Hypertensive=<value>` and `Hypertensive Retinopathy=<value>`."""
    images = Images(root, ("*/1-Images/**/*.png",), _key)
    found = False
    for task, column in _TASKS.items():

        def record(origin: str, row: Row, task: str = task, column: str = column) -> RawRecord:
            image = images.take(f"{task}/{row['Image']}", f"{task}/1-Images/1-Training Set/{row['Image']}")
            return RawRecord(image, origin, labels=graded(row, column), official_split="train")

        sheets = list_images(root, (f"{task}/2-Groundtruths/HRDC*Labels.*",))
        for path in sorted({(root / sheet).with_suffix(".xlsx") for sheet in sheets}):
            found = True
            yield from made(path.name, spreadsheet(path, required=("Image", column)), record)
    if not found:
        raise UsageError(f"{root}: no 2-Groundtruths/HRDC ... Training Labels.csv in {' or '.join(_TASKS)}.")
    yield from images.unlisted()


def _key(path: str) -> str:
    """Task and file name: the two tasks share names."""
    parts = path.split("/")
    return f"{parts[0]}/{parts[-1]}"
