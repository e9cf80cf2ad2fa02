"""COVID-19 Radiography Database: 21,165 films gathered from other sets into four folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import class_folders

CARD = SourceCard(
    name="covid19_radiography",
    modality="cxr",
    title="COVID-19 Radiography Database",
    release="2021",
    images=21_165,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database",
    cite="""@article{chowdhury2020can,
  title   = {Can {AI} Help in Screening Viral and {COVID-19} Pneumonia?},
  author  = {Chowdhury, Muhammad E. H. and Rahman, Tawsifur and Khandakar, Amith and others},
  journal = {IEEE Access},
  volume  = {8},
  pages   = {132665--132676},
  year    = {2020},
  doi     = {10.1109/ACCESS.2020.3010287}
}""",
    label_origin="The class of the set that each film was taken from.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download from Kaggle and unpack. Each film has its source's terms; the page states no licence of its
own. The films have 299 x 299 pixels and new names, so that only their pixels can tell which film of RSNA, Kermany or
covid-chestxray they repeat; build those beside this one. The source of a film gives away its class (children are
viral or normal, RSNA films never COVID-19): beware of the shortcut.

covid19_radiography/
  COVID-19_Radiography_Dataset/COVID/images/COVID-1.png          3,616
  COVID-19_Radiography_Dataset/Lung_Opacity/images/...          6,012
  COVID-19_Radiography_Dataset/Normal/images/...               10,192
  COVID-19_Radiography_Dataset/Viral Pneumonia/images/...       1,345
  COVID-19_Radiography_Dataset/<class>/masks/                   lung masks, not read""",
    needs=("**/COVID/images/*.png", "**/Normal/images/*.png"),
    derives=("rsna_pneumonia", "pneumonia_kermany", "covid_chestxray", "covid19_hannover"),
)

WORDS = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records by class. Patients and views are unknown."""
    top = "COVID-19_Radiography_Dataset/" if (root / "COVID-19_Radiography_Dataset").is_dir() else ""
    folders = {f"{top}{word}/images": word for word in WORDS}
    yield from class_folders(root, folders, patterns=("**/images/*.png",))
