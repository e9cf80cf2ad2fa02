"""DRTiD: 3,100 photographs, a macular and a disc field of each eye, with one grade an eye."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import SampleError, UsageError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import graded, stem
from mgll_data.sources.tables import Row, quarantined, records

CARD = SourceCard(
    name="drtid",
    modality="fundus",
    title="DRTiD: diabetic retinopathy two-field images",
    release="2022",
    images=3_100,
    licence="LicenseRef-DRTiD",
    open_licence=False,
    access="agreement",
    redistributable=False,
    url="https://github.com/FDU-VTS/DRTiD",
    cite="""@misc{drtid,
  title = {DRTiD: diabetic retinopathy two-field images},
  year  = {2022},
  url   = {https://github.com/FDU-VTS/DRTiD}
}""",
    label_origin="Three ophthalmologists: one ICDR grade for the two fields of an eye.",
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Ask for the password by the mail that the repository describes (research only). The grade is the eye's,
made from both fields. The folder is called Ground Truths or Groundtruths.

drtid/
  Original Images/1_1.jpg
  Ground Truths/DR_grade/a. DR_grade_Training.csv       ID,Grade,Macula,Optic disc,LR
  Ground Truths/DR_grade/b. DR_grade_Testing.csv""",
    needs=("**/*DR_grade_*.csv", "Original Images/*.jpg"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Two records a row, in the order of the tables; the word is `Grade=<value>`. The patient is the row's ID."""
    images = Images(root, ("Original Images/*.jpg",), stem)
    tables = list_images(root, ("**/a. DR_grade_Training.csv", "**/b. DR_grade_Testing.csv"))
    if not tables:
        raise UsageError(f"{root}: no a. DR_grade_Training.csv or b. DR_grade_Testing.csv, at any depth.")
    for path in tables:
        split = "train" if "Training" in path else "test"

        def record(origin: str, row: Row, split: str = split) -> Iterator[RawRecord | Rejected]:
            for column in ("Macula", "Optic disc"):
                try:
                    name = row[column].removesuffix(".jpg")
                    image = images.take(name.lower(), f"Original Images/{name}.jpg")
                    yield RawRecord(
                        image,
                        origin,
                        patient=row["ID"] or None,
                        laterality={"l": "left", "r": "right"}.get(row["LR"][:1].lower()),
                        labels=graded(row, "Grade"),
                        official_split=split,
                        attrs={"field": column.lower()},
                    )
                except SampleError as error:
                    yield quarantined(origin, error)

        yield from records(root / path, ("ID", "Grade", "Macula", "Optic disc", "LR"), record)
    yield from images.unlisted()
