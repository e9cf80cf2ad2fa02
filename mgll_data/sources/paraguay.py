"""Paraguay: 757 photographs in seven folders, from no retinopathy to advanced proliferative disease."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import class_folders

CARD = SourceCard(
    name="paraguay",
    modality="fundus",
    title="Fundus images for the study of diabetic retinopathy (Paraguay)",
    release="2021",
    images=757,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://doi.org/10.5281/zenodo.4532361",
    cite="""@misc{paraguay,
  title = {Fundus images for the study of diabetic retinopathy (Paraguay)},
  year  = {2021},
  url   = {https://doi.org/10.5281/zenodo.4532361}
}""",
    label_origin="Expert ophthalmologists of the Hospital de Clinicas, Asuncion: seven grades.",
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download from Zenodo and unpack. The folder is the grade. Very severe and advanced disease have no ICDR
stage of their own: they count as severe and as proliferative. The spreadsheet repeats the folders and is not read.

paraguay/
  1. No DR signs/...jpg
  2. Mild (or early) NPDR/    3. Moderate NPDR/    4. Severe NPDR/    5. Very Severe NPDR/    6. PDR/
  7. Advanced PDR/""",
    needs=("*No DR signs/*",),
)

_GRADES = (
    "1. No DR signs",
    "2. Mild (or early) NPDR",
    "3. Moderate NPDR",
    "4. Severe NPDR",
    "5. Very Severe NPDR",
    "6. PDR",
    "7. Advanced PDR",
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records folder by folder; the word is the folder's name."""
    yield from class_folders(root, {name: name for name in _GRADES})
