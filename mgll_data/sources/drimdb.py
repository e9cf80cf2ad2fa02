"""DRIMDB: 216 pictures from screening for diabetic retinopathy, good, bad or not of the fundus at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import by_name

CARD = SourceCard(
    name="drimdb",
    modality="fundus",
    title="Diabetic Retinopathy Images Database (DRIMDB)",
    release="2014",
    images=216,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://www.kaggle.com/datasets/subhajournal/drimdb-diabetic-retinopathy-images-database",
    cite="""@article{sevik2014identification,
  title   = {Identification of Suitable Fundus Images Using Automated Quality Assessment Methods},
  author  = {\\c{S}evik, U{\\u{g}}ur and K{\\"o}se, Cemal and Berber, Tolga and Erd{\\"o}l, Hidayet},
  journal = {Journal of Biomedical Optics},
  volume  = {19},
  number  = {4},
  pages   = {046006},
  year    = {2014},
  doi     = {10.1117/1.JBO.19.4.046006}
}""",
    label_origin="An expert's judgment of quality; it says nothing of disease.",
    scope=("fundus.gradable",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download the data set from Kaggle and unpack it; we know of no stated licence. The 22 outliers are no
photographs of the fundus and are counted as not_fundus.

drimdb/
  Good/drimdb_good (1).jpg ...
  Bad/drimdb_bad (1).jpg ...
  Outlier/drimdb_outlier (1).jpg ...""",
    needs=("**/drimdb_good*.jpg", "**/drimdb_bad*.jpg"),
)

_NAME = re.compile(r"drimdb_(good|bad|outlier) ?\(?\d+\)?\.jpg", re.IGNORECASE)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records by file name; the words are `good` and `bad`."""

    def record(image: str) -> RawRecord | None:
        if not (match := _NAME.fullmatch(image.rpartition("/")[2])):
            return None
        if match[1].lower() == "outlier":
            raise ExcludedError("not_fundus", "an outlier by the source's own word")
        return RawRecord(image, "name", labels={match[1].lower(): State.PRESENT})

    yield from by_name(root, ("**/*.jpg",), record)
