"""JSIEC: 1,000 photographs in 39 folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import class_folders, part_folder

CARD = SourceCard(
    name="jsiec",
    modality="fundus",
    title="Joint Shantou International Eye Centre, 1,000 fundus images with 39 categories",
    release="1",
    images=1_000,
    licence="LicenseRef-Zenodo-Other-Open",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://doi.org/10.5281/zenodo.3477553",
    cite="""@article{cen2021jsiec,
  title   = {Automatic Detection of 39 Fundus Diseases and Conditions in Retinal Photographs Using Deep Neural
             Networks},
  author  = {Cen, Ling-Ping and Ji, Jie and Lin, Jian-Wei and others},
  journal = {Nature Communications},
  volume  = {12},
  pages   = {4828},
  year    = {2021},
  doi     = {10.1038/s41467-021-25138-w}
}""",
    label_origin="Ophthalmologists of the centre; one category a photograph.",
    scope=(),
    silence="unknown",
    normal_excludes_all=True,
    layout="""Download from Zenodo (its licence field says "other, open") or "1000 Fundus images with 39 categories"
from Kaggle, and unpack. The folder is the only label. Published readings of its grades DR1 and DR3 differ, so their
stage is uncertain.

jsiec/                          or jsiec/1000images/
  0.0.Normal/1ffa93c6-8d87-11e8-9daf-6045cb817f5b..JPG
  0.1.Tessellated fundus/ ... 29.1.Blur fundus with suspected PDR/""",
    needs=("**/0.0.Normal/*",),
)

_CLASSES = (
    "0.0.Normal",
    "0.1.Tessellated fundus",
    "0.2.Large optic cup",
    "0.3.DR1",
    "1.0.DR2",
    "1.1.DR3",
    "2.0.BRVO",
    "2.1.CRVO",
    "3.RAO",
    "4.Rhegmatogenous RD",
    "5.0.CSCR",
    "5.1.VKH disease",
    "6.Maculopathy",
    "7.ERM",
    "8.MH",
    "9.Pathological myopia",
    "10.0.Possible glaucoma",
    "10.1.Optic atrophy",
    "11.Severe hypertensive retinopathy",
    "12.Disc swelling and elevation",
    "13.Dragged Disc",
    "14.Congenital disc abnormality",
    "15.0.Retinitis pigmentosa",
    "15.1.Bietti crystalline dystrophy",
    "16.Peripheral retinal degeneration and break",
    "17.Myelinated nerve fiber",
    "18.Vitreous particles",
    "19.Fundus neoplasm",
    "20.Massive hard exudates",
    "21.Yellow-white spots-flecks",
    "22.Cotton-wool spots",
    "23.Vessel tortuosity",
    "24.Chorioretinal atrophy-coloboma",
    "25.Preretinal hemorrhage",
    "26.Fibrosis",
    "27.Laser Spots",
    "28.Silicon oil in eye",
    "29.0.Blur fundus without PDR",
    "29.1.Blur fundus with suspected PDR",
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records folder by folder; the word is the folder's name."""
    home = part_folder(root, "1000images")
    yield from class_folders(root, {f"{home}{name}": name for name in _CLASSES})
