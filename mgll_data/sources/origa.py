"""ORIGA-light: 650 photographs of the Singapore Malay Eye Study, with the experts' cup-to-disc ratio."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import eye, graded, numbers
from mgll_data.sources.tables import Row, first_file, records

CARD = SourceCard(
    name="origa",
    modality="fundus",
    title="ORIGA-light: Online Retinal Fundus Image Dataset for Glaucoma Analysis",
    release="light",
    images=650,
    licence="LicenseRef-ORIGA-research",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://www.kaggle.com/datasets/arnavjain1/glaucoma-datasets",
    cite="""@inproceedings{zhang2010origa,
  title     = {{ORIGA}-light: An Online Retinal Fundus Image Database for Glaucoma Analysis and Research},
  author    = {Zhang, Zhuo and Yin, Fengshou and Liu, Jiang and others},
  booktitle = {Annual International Conference of the IEEE Engineering in Medicine and Biology},
  year      = {2010}
}""",
    label_origin="Clinical diagnosis: glaucoma or not; cup-to-disc ratio by trained experts.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""The original site is gone; the files are shared again on Kaggle and figshare, where the mark CC BY 4.0 is
not the authors'. Take the folder ORIGA. Set A is for training, set B for testing. No patient is named.

origa/
  OrigaList.csv
  Images/001.jpg ...""",
    needs=("OrigaList.csv*", "Images/*.jpg"),
)

_SETS = {"A": "train", "B": "test"}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `OrigaList.csv`; the words are `Glaucoma=0` and `Glaucoma=1`."""
    images = Images(root, ("Images/*.jpg",))

    def record(origin: str, row: Row) -> RawRecord:
        image = images.take(row["Filename"], f"Images/{row['Filename']}")
        return RawRecord(
            image,
            origin,
            laterality=eye(row["Eye"]),
            labels=graded(row, "Glaucoma"),
            official_split=_SETS.get(row["Set"]),
            attrs=numbers(cup_to_disc=row["ExpCDR"]),
        )

    columns = ("Eye", "Filename", "ExpCDR", "Set", "Glaucoma")
    yield from records(first_file(root, "OrigaList.csv"), columns, record)
    yield from images.unlisted()
