"""Glaucoma fundus images of Kim's Eye Hospital on the Harvard Dataverse: 1,544 pictures in three stages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import class_folders

CARD = SourceCard(
    name="harvard_glaucoma",
    modality="fundus",
    title="Machine learn for glaucoma (Harvard Dataverse)",
    release="1",
    images=1_544,
    licence="CC0-1.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://doi.org/10.7910/DVN/1YRRAC",
    cite="""@misc{kim2018machine,
  title     = {Machine learn for glaucoma},
  author    = {Kim, Ungsoo},
  publisher = {Harvard Dataverse},
  year      = {2018},
  doi       = {10.7910/DVN/1YRRAC}
}""",
    label_origin="Clinical stage of glaucoma: none, early, advanced. The pictures are cut out around the disc.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download the archives from the Harvard Dataverse and unpack them:

harvard_glaucoma/
  normal_control/
  early_glaucoma/
  advanced_glaucoma/""",
    needs=("normal_control/*", "early_glaucoma/*", "advanced_glaucoma/*"),
)

STAGES = ("normal_control", "early_glaucoma", "advanced_glaucoma")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the three folders, which are the words."""

    def record(image: str, word: str) -> RawRecord:
        return RawRecord(image, f"{word}/", labels={word: State.PRESENT}, attrs={"field": "optic disc"})

    yield from class_folders(root, {stage: stage for stage in STAGES}, make=record)
