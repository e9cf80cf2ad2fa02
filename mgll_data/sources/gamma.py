"""GAMMA: fundus photographs with OCT volumes of the same eyes, graded for glaucoma."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import flags, spreadsheet
from mgll_data.sources.tables import Row, made

CARD = SourceCard(
    name="gamma",
    modality="fundus",
    title="Glaucoma Grading from Multi-Modality Images (GAMMA), training set",
    release="2021",
    images=100,
    licence="CC-BY-NC-ND-4.0",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://gamma.grand-challenge.org/",
    cite="""@article{wu2023gamma,
  title   = {{GAMMA} Challenge: Glaucoma Grading from Multi-Modality Images},
  author  = {Wu, Junde and Fang, Huihui and Li, Fei and others},
  journal = {Medical Image Analysis},
  volume  = {90},
  pages   = {102938},
  year    = {2023}
}""",
    label_origin="Glaucoma stage from the clinical record with visual fields: none, early, or moderate and advanced.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Join the challenge and unpack the training set. The slices of an eye's OCT volume lie in a folder of its
number and are counted as not_fundus; masks (.bmp) are not read. The labels of the test set are not public.

gamma/
  glaucoma_grading_training_GT.xlsx
  multi-modality_images/0001/0001.jpg
  multi-modality_images/0001/0001/0_image.jpg ...""",
    needs=("**/glaucoma_grading_training_GT.*", "**/multi-modality_images/*/*.jpg"),
)

STAGES = ("non", "early", "mid_advanced")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the sheet, whose three columns are the words, then the OCT slices as excluded."""
    images = Images(root, ("**/multi-modality_images/????/????.jpg",))

    def record(origin: str, row: Row) -> RawRecord:
        name = row["data"].zfill(4) if row["data"] else ""
        image = images.take(f"{name}.jpg", f"multi-modality_images/{name}/{name}.jpg" if name else "")
        labels = flags(row, STAGES)
        if [*labels.values()].count(State.PRESENT) != 1 or len(labels) != len(STAGES):
            raise SampleError("bad_row", "not exactly one stage is marked")
        return RawRecord(image, origin, labels=labels, official_split="train")

    for sheet in sorted(
        {Path(p).with_suffix(".xlsx") for p in list_images(root, ("**/glaucoma_grading_training_GT.*",))}
    ):
        yield from made(sheet.name, spreadsheet(root / sheet, required=("data", *STAGES)), record)
    yield from images.unlisted()
    for slice_ in list_images(root, ("**/multi-modality_images/????/????/*.*",)):
        yield Rejected(slice_, "", "excluded", "not_fundus", "an OCT slice")
