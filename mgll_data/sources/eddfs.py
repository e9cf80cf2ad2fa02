"""EDDFS: 28,877 photographs, more than half healthy, with eight kinds of disease."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import graded, stem
from mgll_data.sources.tables import Row, records

CARD = SourceCard(
    name="eddfs",
    modality="fundus",
    title="EDDFS: eye disease diagnosis and fundus synthesis",
    release="2022",
    images=28_877,
    licence="LicenseRef-EDDFS",
    open_licence=False,
    access="agreement",
    redistributable=False,
    url="https://github.com/xia-xx-cv/EDDFS_dataset",
    cite="""@article{xia2024eddfs,
  title   = {Benchmarking Deep Models on Retinal Fundus Disease Diagnosis and a Large-Scale Dataset},
  author  = {Xia, Xue and Li, Ying and Xiao, Guobei and Zhan, Kun and Yan, Jinhua and Cai, Chao and Fang, Yuming and
             Huang, Guofu},
  journal = {Signal Processing: Image Communication},
  volume  = {127},
  pages   = {117151},
  year    = {2024},
  doi     = {10.1016/j.image.2024.117151}
}""",
    label_origin="Ophthalmologists of one hospital.",
    scope=(),
    silence="unknown",
    normal_excludes_all=True,
    layout="""Accept the consent of the repository (non-commercial research, no redistribution) and download by its
links. Columns of diseases hold 0 or a grade. What the grades of retinopathy and macular degeneration mean is not
written there, so they count as the disease without a stage.

eddfs/
  Annotation/train.csv          fnames,normal,DR,AMD,glaucoma,myopia,RVO,LS,hyper,others
  Annotation/test.csv
  OriginalImages/*.jpg""",
    needs=("**/train.csv", "**/OriginalImages/*.*"),
)

_COLUMNS = ("normal", "DR", "AMD", "glaucoma", "myopia", "RVO", "LS", "hyper", "others")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the training, then of the test table; a word is `<column>=<value>` for a value above 0."""
    images = Images(root, ("**/OriginalImages/*.jpg", "**/OriginalImages/*.png"), stem)
    for split in ("train", "test"):

        def record(origin: str, row: Row, split: str = split) -> RawRecord:
            name = row["fnames"]
            image = images.take(stem(name), f"OriginalImages/{name}")
            return RawRecord(
                image,
                origin,
                labels=graded({c: row[c] if row[c].removesuffix(".0") != "0" else "" for c in _COLUMNS}, *_COLUMNS),
                official_split=split,
            )

        for path in list_images(root, (f"**/Annotation/{split}.csv",))[:1]:
            yield from records(root / path, ("fnames", *_COLUMNS), record)
    yield from images.unlisted()
