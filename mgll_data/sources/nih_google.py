"""Google's relabels of NIH ChestX-ray14: four findings on 4,376 films, each film read by several radiologists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import UsageError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import flags
from mgll_data.sources.nih_identity import NIH, patient
from mgll_data.sources.tables import Row, age_in_years, records, sex

CARD = SourceCard(
    name="nih_google",
    modality="cxr",
    title="NIH ChestX-ray14, radiologist-adjudicated labels of Google",
    release="2019",
    images=4_376,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://cloud.google.com/healthcare-api/docs/resources/public-datasets/nih-chest",
    cite="""@article{majkowska2020chest,
  title   = {Chest Radiograph Interpretation with Deep Learning Models: Assessment with Radiologist-adjudicated
             Reference Standards and Population-adjusted Evaluation},
  author  = {Majkowska, Anna and Mittal, Sid and Steiner, David F. and Reicher, Joshua J. and McKinney, Scott Mayer and
             others},
  journal = {Radiology},
  volume  = {294},
  number  = {2},
  pages   = {421--431},
  year    = {2020},
  doi     = {10.1148/radiol.2019191293}
}""",
    label_origin="Radiologists judged four findings on each film, YES or NO, and settled where they differed.",
    scope=("cxr.fracture", "cxr.pneumothorax", "cxr.alveolar", "cxr.nodule", "cxr.mass.pulmonary"),
    silence="unknown",
    normal_excludes_all=False,
    layout="""The download holds labels and no pictures: put test_labels.csv and validation_labels.csv beside the
images of NIH ChestX-ray14, and name that folder as the root of both sources. Of its 112,120 films, those without a row
here are counted as unlisted. No licence of the labels is stated in what we read.

nih_google/
  test_labels.csv                1,962 films; the tables may be gzipped
  validation_labels.csv          2,414 films
  images/00000013_008.png        or images_001/images/00000013_008.png""",
    needs=("*_labels.csv*", "**/*.png"),
    derives=(NIH,),
    patients_of=NIH,
)

_FINDINGS = ("Fracture", "Pneumothorax", "Airspace opacity", "Nodule or mass")
_TABLES = {"validation_labels": "val", "test_labels": "test"}
_SETS = {"val": "val", "test": "test"}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the validation table, then of the test table. NO is a finding judged absent.

    A column `Set Id` (val or test) names the split in a table that holds both. The columns of NIH's own table may be
    there or not; the patient is the number at the start of the file name, which is NIH's `Patient ID`.
    """
    images = Images(root, ("images_*/images/*.png", "images_*/*.png", "images/*.png", "*.png"))
    tables = sorted(path for path in root.glob("*labels.csv*") if not path.name.startswith("."))
    if not tables:
        raise UsageError(f"{root}: neither validation_labels.csv nor test_labels.csv. Put them there.")
    for table in sorted(tables, key=lambda path: path.name.startswith("test")):
        official = _TABLES.get(table.name.split(".")[0])

        def record(origin: str, row: Row, official: str | None = official) -> RawRecord:
            name = row["Image Index"]
            image = images.take(name, f"images/{name}")
            return RawRecord(
                image=image,
                origin=origin,
                patient=patient(name),
                view={"PA": "pa", "AP": "ap"}.get(row.get("View Position", "")),
                labels=flags(row, _FINDINGS, yes=("YES",), no=("NO",)),
                age=age_in_years(row.get("Patient Age", "")),
                sex=sex(row.get("Patient Gender", "")),
                official_split=_SETS.get(row.get("Set Id", ""), official),
                same_as=((NIH, name),),
            )

        yield from records(table, ("Image Index", *_FINDINGS), record)
    yield from images.unlisted()
