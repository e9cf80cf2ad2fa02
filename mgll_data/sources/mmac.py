"""MMAC 2023, task 1: photographs graded for myopic maculopathy on the META-PM scale."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import UsageError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import graded
from mgll_data.sources.tables import Row, age_in_years, columns, records

CARD = SourceCard(
    name="mmac",
    modality="fundus",
    title="Myopic Maculopathy Analysis Challenge 2023 (MMAC), task 1: classification",
    release="2023",
    images=1_391,
    licence="LicenseRef-MMAC-challenge",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://zenodo.org/records/11025749",
    cite="""@article{qian2024mmac,
  title   = {A Competition for the Diagnosis of Myopic Maculopathy by Artificial Intelligence Algorithms},
  author  = {Qian, Bo and Sheng, Bin and Chen, Hao and others},
  journal = {JAMA Ophthalmology},
  year    = {2024}
}""",
    label_origin="Ophthalmologists' category of the META-PM study, 0 to 4. The plus lesions are another task's.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download "1. Classification of Myopic Maculopathy.zip" from Zenodo and unpack it; its licence file holds.
Tasks 2 and 3 are not read. The labels of the test set are not public.

mmac/
  1. Images/1. Training Set/mmac_task_1_train_0001.png ...
  1. Images/2. Validation Set/mmac_task_1_val_0001.png ...
  2. Groundtruths/*.csv""",
    needs=("**/mmac_task_1_*.png", "**/*.csv"),
)

_GRADE = "myopic_maculopathy_grade"


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of every table that has the grade's column; the word is `myopic_maculopathy_grade=<value>`.

    Raises UsageError if no table has it.
    """
    images = Images(root, ("**/mmac_task_1_*.png",))
    tables = [path for path in list_images(root, ("**/*.csv",)) if _GRADE in columns(root / path)]
    if not tables:
        raise UsageError(f"{root}: no table with the column {_GRADE}. It is in 2. Groundtruths of the download.")

    def record(origin: str, row: Row) -> RawRecord:
        name = row["image"]
        image = images.take(name, f"1. Images/{name}" if name else "")
        split = "train" if "_train_" in name else "val"
        return RawRecord(
            image, origin, labels=graded(row, _GRADE), age=age_in_years(row.get("age", "")), official_split=split
        )

    for path in tables:
        yield from records(root / path, ("image", _GRADE), record)
    yield from images.unlisted()
