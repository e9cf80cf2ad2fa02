"""EyePACS-AIROGS-light-V2: 9,540 photographs of AIROGS, as many with referable glaucoma as without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import class_folders

CARD = SourceCard(
    name="airogs_light",
    modality="fundus",
    title="Glaucoma Dataset: EyePACS-AIROGS-light-V2",
    release="2",
    images=9_540,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://www.kaggle.com/datasets/deathtrooper/glaucoma-dataset-eyepacs-airogs-light-v2",
    cite="""@misc{kiefer2023airogslight,
  title        = {Glaucoma Dataset: {EyePACS-AIROGS-light-V2}},
  author       = {Kiefer, Riley},
  year         = {2023},
  howpublished = {Kaggle},
  doi          = {10.34740/KAGGLE/DSV/7300206}
}""",
    label_origin="The labels of AIROGS: referable glaucoma or not.",
    scope=("fundus.glau_ref",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download the data set from Kaggle and take the folder eyepac-light-v2-512-jpg. Every picture is a cut and
scaled copy of one of AIROGS under a new name that does not tell which: never count both. We know of no stated licence;
that of AIROGS (CC BY-NC-ND 4.0) forbids to share changed copies.

eyepac-light-v2-512-jpg/
  train/NRG/   train/RG/   validation/NRG/   validation/RG/   test/NRG/   test/RG/""",
    needs=("train/RG/*", "train/NRG/*"),
    derives=("airogs",),
)

_SPLITS = {"train": "train", "validation": "val", "test": "test"}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the six folders; the words are `RG` and `NRG`."""

    def record(image: str, word: str) -> RawRecord:
        part = _SPLITS[image.split("/")[0]]
        return RawRecord(image, f"{part}/{word}/", labels={word: State.PRESENT}, official_split=part)

    folders = {f"{part}/{word}": word for part in _SPLITS for word in ("NRG", "RG")}
    yield from class_folders(root, folders, make=record)
