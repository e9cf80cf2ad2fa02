"""G1020: 1,020 photographs of a German practice, labelled for glaucoma."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import graded
from mgll_data.sources.tables import Row, first_file, records

CARD = SourceCard(
    name="g1020",
    modality="fundus",
    title="G1020: A Benchmark Retinal Fundus Image Dataset for Computer-Aided Glaucoma Detection",
    release="1.0",
    images=1_020,
    licence="CC-BY-4.0",
    open_licence=True,
    access="registration",
    redistributable=True,
    url="https://www.kaggle.com/datasets/arnavjain1/glaucoma-datasets",
    cite="""@inproceedings{bajwa2020g1020,
  title     = {{G1020}: A Benchmark Retinal Fundus Image Dataset for Computer-Aided Glaucoma Detection},
  author    = {Bajwa, Muhammad Naseer and Singh, Gur Amrit Pal and others},
  booktitle = {International Joint Conference on Neural Networks},
  year      = {2020},
  url       = {https://arxiv.org/abs/2006.09158}
}""",
    label_origin="Clinical diagnosis of the practice: glaucoma or not. Zero says nothing of other disease.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download the data set (Kaggle) and take the folder G1020. Cropped copies in other folders are not read.
432 patients are pictured up to twelve times; the files do not tell who is whose.

g1020/
  G1020.csv
  Images/image_0.jpg ...""",
    needs=("G1020.csv*", "Images/*.jpg"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `G1020.csv`; the words are `binaryLabels=0` and `binaryLabels=1`."""
    images = Images(root, ("Images/*.jpg",))

    def record(origin: str, row: Row) -> RawRecord:
        image = images.take(row["imageID"], f"Images/{row['imageID']}")
        return RawRecord(image, origin, labels=graded(row, "binaryLabels"))

    yield from records(first_file(root, "G1020.csv"), ("imageID", "binaryLabels"), record)
    yield from images.unlisted()
