"""BEH: 634 photographs of the Bangladesh Eye Hospital, with glaucoma or without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import class_folders

CARD = SourceCard(
    name="beh",
    modality="fundus",
    title="Bangladesh Eye Hospital glaucoma dataset (BEH)",
    release="2021",
    images=634,
    licence="LicenseRef-BEH-research",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://github.com/mirtanvirislam/Deep-Learning-Based-Glaucoma-Detection-with-Cropped-Optic-Cup-and-Disc-and-Blood-Vessel-Segmentation",
    cite="""@article{islam2022beh,
  title   = {Deep Learning-Based Glaucoma Detection with Cropped Optic Cup and Disc and Blood Vessel Segmentation},
  author  = {Islam, Mir Tanvir and Mashfu, Shafin T. and Faisal, Abrar and others},
  journal = {IEEE Access},
  volume  = {10},
  year    = {2022}
}""",
    label_origin="Ophthalmologists of the hospital: glaucoma (171) or normal (463) with regard to glaucoma.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download the archive that the repository links to, and put its pictures into two folders by class:

beh/
  glaucoma/
  normal/""",
    needs=("glaucoma/*", "normal/*"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the two folders, which are the words."""
    yield from class_folders(root, {"glaucoma": "glaucoma", "normal": "normal"})
