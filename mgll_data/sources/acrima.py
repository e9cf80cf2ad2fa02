"""ACRIMA: 705 pictures cut out around the optic disc, with glaucoma or without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import by_name

CARD = SourceCard(
    name="acrima",
    modality="fundus",
    title="ACRIMA: CNNs for Automatic Glaucoma Assessment using Fundus Images",
    release="2019",
    images=705,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://figshare.com/s/c2d31f850af14c5b5232",
    cite="""@article{diazpinto2019cnns,
  title   = {{CNNs} for Automatic Glaucoma Assessment Using Fundus Images: An Extensive Validation},
  author  = {Diaz-Pinto, Andres and Morales, Sandra and Naranjo, Valery and K{\\"o}hler, Thomas and others},
  journal = {BioMedical Engineering OnLine},
  volume  = {18},
  pages   = {29},
  year    = {2019},
  doi     = {10.1186/s12938-019-0649-y}
}""",
    label_origin="Two glaucoma experts: glaucoma or not. The pictures show the optic disc only.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download the database from figshare and unpack it. A picture with _g_ in its name has glaucoma (396), one
without has none (309). A list of 746 pictures under other names that is in use elsewhere is another collection.

acrima/
  Database/Images/Im001_ACRIMA.jpg ... Im310_g_ACRIMA.jpg ...""",
    needs=("**/Im*_ACRIMA.jpg",),
)

_NAME = re.compile(r"Im\d+(_g)?_ACRIMA\.jpg", re.IGNORECASE)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records by file name; the words are `_g_` and `no _g_`."""

    def record(image: str) -> RawRecord | None:
        if not (match := _NAME.fullmatch(image.rpartition("/")[2])):
            return None
        word = "_g_" if match[1] else "no _g_"
        return RawRecord(image, "name", labels={word: State.PRESENT}, attrs={"field": "optic disc"})

    yield from by_name(root, ("**/*.jpg",), record)
