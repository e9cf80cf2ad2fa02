"""AGAR300: photographs with microaneurysms; 28 are in the release, whatever its name says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import class_folders

CARD = SourceCard(
    name="agar300",
    modality="fundus",
    title="AGAR300",
    release="2020",
    images=28,
    licence="CC-BY-4.0",
    open_licence=True,
    access="registration",
    redistributable=True,
    url="https://ieee-dataport.org/open-access/diabetic-retinopathy-fundus-image-datasetagar300",
    cite="""@misc{agar300,
  title = {AGAR300},
  year  = {2020},
  url   = {https://ieee-dataport.org/open-access/diabetic-retinopathy-fundus-image-datasetagar300}
}""",
    label_origin="The title of the set: photographs with microaneurysms.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download from IEEE DataPort (free account) and unpack. All pictures are published as showing
microaneurysms; a grade of retinopathy is not given.

agar300/
  img/*.jpg""",
    needs=("img/*",),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the files; the word is `microaneurysms` for every one in the folder img."""
    yield from class_folders(root, {"img": "microaneurysms"})
