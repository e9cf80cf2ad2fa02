"""PAPILA: both eyes of 244 patients, with the clinical data of each eye."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import eye, graded, numbers, spreadsheet
from mgll_data.sources.tables import Row, age_in_years, made

CARD = SourceCard(
    name="papila",
    modality="fundus",
    title="PAPILA: fundus images and clinical data of both eyes of the same patient for glaucoma assessment",
    release="2",
    images=488,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://figshare.com/articles/dataset/PAPILA/14798004",
    cite="""@article{kovalyk2022papila,
  title   = {{PAPILA}: Dataset with Fundus Images and Clinical Data of Both Eyes of the Same Patient for Glaucoma
             Assessment},
  author  = {Kovalyk, Oleksandr and Morales-S{\\'a}nchez, Juan and Verd{\\'u}-Monedero, Rafael and others},
  journal = {Scientific Data},
  volume  = {9},
  pages   = {291},
  year    = {2022},
  doi     = {10.1038/s41597-022-01388-1}
}""",
    label_origin="Clinical diagnosis of each eye: 0 healthy, 1 glaucoma, 2 suspect. Suspicion may rest on the eye "
    "pressure rather than on the disc.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download PAPILA.zip from figshare (the article says CC BY 4.0, the figshare entry GPL 3) and unpack it.
The two sheets begin with three header rows. Expert contours are not read.

papila/
  FundusImages/RET002OD.jpg, RET002OS.jpg ...
  ClinicalData/patient_data_od.xlsx
  ClinicalData/patient_data_os.xlsx""",
    needs=("**/FundusImages/RET*.jpg", "**/ClinicalData/patient_data_o?.*"),
)

_SEX = {"0": "M", "1": "F"}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the right eyes, then of the left ones; the word is `Diagnosis=<value>`."""
    images = Images(root, ("**/RET*.jpg",))
    for sheet in sorted({Path(path).with_suffix("") for path in list_images(root, ("**/patient_data_o?.*",))}):
        side = sheet.name[-2:].upper()

        def record(origin: str, row: Row, side: str = side) -> RawRecord:
            number = row["ID"].lstrip("#")
            if not number.isdigit():
                raise SampleError("bad_row", "no patient number such as #002")
            name = f"RET{int(number):03d}{side}.jpg"
            return RawRecord(
                images.take(name, f"FundusImages/{name}"),
                origin,
                patient=number,
                laterality=eye(side),
                labels=graded(row, "Diagnosis"),
                age=age_in_years(row["Age"]),
                sex=_SEX.get(row["Gender"]),
                attrs=numbers(visual_field_mean_deviation_db=row.get("VF_MD", "")),
            )

        # The three header rows repeat the names or say "ID"; the first row with a number begins the data.
        required = ("ID", "Age", "Gender", "Diagnosis")
        rows = spreadsheet(root / f"{sheet}.xlsx", required=required, first="ID")
        yield from made(f"{sheet.name}.xlsx", dropwhile(_header, rows), record)
    yield from images.unlisted()


def _header(numbered: tuple[int, Row | SampleError]) -> bool:
    row = numbered[1]
    return isinstance(row, dict) and not re.fullmatch(r"#?\d+", row["ID"])
