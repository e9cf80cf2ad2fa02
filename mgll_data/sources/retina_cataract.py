"""Retina (jr2ngb): 601 photographs in four folders: normal, cataract, glaucoma, retina disease."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import class_folders, part_folder

CARD = SourceCard(
    name="retina_cataract",
    modality="fundus",
    title="Cataract dataset of Kaggle (jr2ngb)",
    release="1",
    images=601,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://www.kaggle.com/datasets/jr2ngb/cataractdataset",
    cite="""@misc{retina_cataract,
  title = {Cataract dataset of Kaggle (jr2ngb)},
  year  = {2019},
  url   = {https://www.kaggle.com/datasets/jr2ngb/cataractdataset}
}""",
    label_origin="Folder names of an upload; who judged is not said.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download "cataractdataset" from Kaggle and unpack; no clear licence is stated. The folder is the label.
"Retina disease" is any: it is not retinitis, as others have it.

retina_cataract/
  dataset/1_normal/NL_001.png       2_cataract/    2_glaucoma/    3_retina_disease/""",
    needs=("**/1_normal/*",),
)

_CLASSES = ("1_normal", "2_cataract", "2_glaucoma", "3_retina_disease")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records folder by folder; the word is the folder's name."""
    home = part_folder(root, "dataset")
    yield from class_folders(root, {f"{home}{name}": name for name in _CLASSES})
