"""Kermany's pediatric pneumonia set: 5,856 films of children of one to five years in Guangzhou."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import by_name

CARD = SourceCard(
    name="pneumonia_kermany",
    modality="cxr",
    title="Chest X-ray images of pediatric pneumonia (Kermany)",
    release="2018",
    images=5_856,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://data.mendeley.com/datasets/rscbjbr9sj",
    cite="""@article{kermany2018identifying,
  title   = {Identifying Medical Diagnoses and Treatable Diseases by Image-Based Deep Learning},
  author  = {Kermany, Daniel S. and Goldbaum, Michael and Cai, Wenjia and others},
  journal = {Cell},
  volume  = {172},
  number  = {5},
  pages   = {1122--1131},
  year    = {2018},
  doi     = {10.1016/j.cell.2018.02.010}
}""",
    label_origin="Two physicians graded each film after a check of its quality; a third checked the test films.",
    scope=(),
    silence="unknown",
    normal_excludes_all=True,
    layout="""Download from Mendeley Data, or from Kaggle (paultimothymooney/chest-xray-pneumonia), and unpack. The two
name their files otherwise and divide them otherwise: take one. All are children and all are AP films.

pneumonia_kermany/
  chest_xray/train/NORMAL/NORMAL-1003233-0001.jpeg          Mendeley: class, patient, film
  chest_xray/train/PNEUMONIA/BACTERIA-1008087-0001.jpeg
  chest_xray/test/PNEUMONIA/VIRUS-1004263-0001.jpeg

  chest_xray/train/NORMAL/IM-0115-0001.jpeg                 Kaggle
  chest_xray/train/PNEUMONIA/person1_bacteria_1.jpeg
  chest_xray/val/PNEUMONIA/person1954_virus_4886.jpeg""",
    needs=("**/NORMAL/*.jpeg", "**/PNEUMONIA/*.jpeg"),
)

_SPLITS = ("train", "val", "test")
_MENDELEY = re.compile(r"(NORMAL|BACTERIA|VIRUS)-(\d+)-\d+")
_KAGGLE = re.compile(r"(?:person(\d+)_(bacteria|virus)_\d+|(?:NORMAL2-)?IM-(\d+)-\d+(?:-\d+)?)")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records by path. The class is the folder's; bacterial or viral pneumonia stands in the file's name.

    Kaggle's person numbers start anew in each part of the split, so a patient's key has the part in front.
    """

    def record(image: str) -> RawRecord | None:
        *folders, name = image.split("/")
        stem = name.rpartition(".")[0]
        if not folders or folders[-1] not in ("NORMAL", "PNEUMONIA"):
            return None
        split = next((part for part in reversed(folders) if part in _SPLITS), None)
        if ours := _MENDELEY.fullmatch(stem):
            word, patient = ours[1], ours[2]
        elif theirs := _KAGGLE.fullmatch(stem):
            word = {"bacteria": "BACTERIA", "virus": "VIRUS"}.get(theirs[2] or "", folders[-1])
            patient = f"{split}/{folders[-1]}/{theirs[1] or theirs[3]}"
        else:
            return None
        if (word == "NORMAL") != (folders[-1] == "NORMAL"):
            return None
        return RawRecord(
            image=image,
            origin=f"{'/'.join(folders)}/",
            patient=patient,
            view="ap",
            labels={word: State.PRESENT},
            official_split=split,
        )

    yield from by_name(root, ("**/*.jpeg", "**/*.jpg"), record)
