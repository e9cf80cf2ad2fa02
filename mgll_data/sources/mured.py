"""MuReD: 2,208 photographs of ARIA, STARE and RFMiD, labeled again with twenty words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import flags, stem
from mgll_data.sources.tables import Row, records

CARD = SourceCard(
    name="mured",
    modality="fundus",
    title="MuReD: Multi-label Retinal Diseases",
    release="1",
    images=2_208,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://data.mendeley.com/datasets/pc4mb3h8hz/1",
    cite="""@misc{mured,
  title = {MuReD: Multi-label Retinal Diseases},
  year  = {2022},
  url   = {https://data.mendeley.com/datasets/pc4mb3h8hz/1}
}""",
    label_origin="The labels of the three sets, merged by the authors.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download from Mendeley Data and unpack. The photographs are those of ARIA, STARE and RFMiD, cropped and
under names of its own; near-duplicate search finds the pairs. The three were judged for different diseases, so a 0
denies nothing.

mured/
  train_data.csv        ID,DR,NORMAL,MH,ODC,... twenty columns, 0 or 1
  val_data.csv
  images/images/1.png           or images/1.png""",
    needs=("**/train_data.csv", "**/*.png"),
    derives=("aria", "rfmid", "stare"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the training, then of the validation table; a word is a column with a 1."""
    images = Images(root, ("**/*.png", "**/*.jpg", "**/*.tif"), stem)
    for split in ("train", "val"):

        def record(origin: str, row: Row, split: str = split) -> RawRecord:
            name = row["ID"].removesuffix(".0")
            image = images.take(stem(name), f"images/{name}.png")
            states = flags(row, [column for column in row if column != "ID"])
            labels = {word: state for word, state in states.items() if state is State.PRESENT}
            if not labels:
                raise ExcludedError("no_label", "no column has a 1")
            return RawRecord(image, origin, labels=labels, official_split=split)

        for path in list_images(root, (f"**/{split}_data.csv",))[:1]:
            yield from records(root / path, ("ID", "NORMAL"), record)
    yield from images.unlisted()
