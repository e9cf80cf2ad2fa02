"""ScarDat (fundus10k): 997 photographs with laser scars or without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import class_folders

CARD = SourceCard(
    name="scardat",
    modality="fundus",
    title="ScarDat: laser scar detection in fundus images (fundus10k)",
    release="2019",
    images=997,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://github.com/li-xirong/fundus10k",
    cite="""@misc{wei2019laser,
  title  = {Laser Scar Detection in Fundus Images Using Convolutional Neural Networks},
  author = {Wei, Qijie and Li, Xirong and Wang, Hao and others},
  year   = {2018},
  url    = {https://github.com/li-xirong/fundus10k}
}""",
    label_origin="Ophthalmologists: laser scars or none.",
    scope=("fundus.laser",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download ScarDat through the repository fundus10k and unpack it. We know of no stated licence.

scardat/
  train/{positive,negative}/   val/{positive,negative}/   test/{positive,negative}/""",
    needs=("train/positive/*", "train/negative/*"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the six folders; the words are `positive` and `negative`."""

    def record(image: str, word: str) -> RawRecord:
        part = image.split("/")[0]
        return RawRecord(image, f"{part}/{word}/", labels={word: State.PRESENT}, official_split=part)

    folders = {f"{part}/{word}": word for part in ("train", "val", "test") for word in ("positive", "negative")}
    yield from class_folders(root, folders, make=record)
