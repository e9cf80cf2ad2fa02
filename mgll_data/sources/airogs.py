"""AIROGS (Rotterdam EyePACS): 101,442 screening photographs judged for referable glaucoma."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import graded, stem
from mgll_data.sources.tables import Row, first_file, records

CARD = SourceCard(
    name="airogs",
    modality="fundus",
    title="Artificial Intelligence for Robust Glaucoma Screening (Rotterdam EyePACS AIROGS), training set",
    release="1",
    images=101_442,
    licence="CC-BY-NC-ND-4.0",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://zenodo.org/records/5793241",
    cite="""@article{devente2024airogs,
  title   = {{AIROGS}: Artificial Intelligence for Robust Glaucoma Screening Challenge},
  author  = {de Vente, Coen and Vermeer, Koenraad A. and others},
  journal = {IEEE Transactions on Medical Imaging},
  volume  = {43},
  number  = {1},
  pages   = {542--557},
  year    = {2024}
}""",
    label_origin="Two trained graders per eye, a specialist where they differ. Referable (RG): field loss is expected.",
    scope=("fundus.glau_ref",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download the archives and train_labels.csv from Zenodo. The licence forbids to share changed copies: build
for yourself only. The pictures come from the screening program that EyePACS and JustRAIGS come from as well.

airogs/
  train_labels.csv
  0/TRAIN000000.jpg ... 5/TRAIN101441.jpg""",
    needs=("train_labels.csv*", "**/TRAIN*.jpg"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `train_labels.csv`; the words are `class=RG`, `class=NRG` and `class=U` (ungradable)."""
    images = Images(root, ("**/TRAIN*.jpg",), stem)

    def record(origin: str, row: Row) -> RawRecord:
        name = row["challenge_id"]
        image = images.take(name.lower(), f"0/{name}.jpg" if name else "")
        return RawRecord(image, origin, labels=graded(row, "class"), official_split="train")

    yield from records(first_file(root, "train_labels.csv"), ("challenge_id", "class"), record)
    yield from images.unlisted()
