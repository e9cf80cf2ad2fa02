"""Figure 1 COVID-19 chest X-ray initiative: 55 films that doctors gave to the makers of COVIDx."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.covid_chestxray import film_view, findings
from mgll_data.sources.files import Images
from mgll_data.sources.tables import Row, age_in_years, first_file, made, read_csv, sex

CARD = SourceCard(
    name="figure1_covid",
    modality="cxr",
    title="Figure 1 COVID-19 Chest X-ray Dataset Initiative",
    release="2020",
    images=55,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://github.com/agchung/Figure1-COVID-chestxray-dataset",
    cite="""@misc{chung2020figure1,
  title  = {Figure 1 {COVID-19} Chest {X}-ray Dataset Initiative},
  author = {Chung, Audrey},
  url    = {https://github.com/agchung/Figure1-COVID-chestxray-dataset},
  year   = {2020}
}""",
    label_origin="What the doctor who sent the film said of the case; blank where the diagnosis was open.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Clone the repository: git clone https://github.com/agchung/Figure1-COVID-chestxray-dataset
It states no licence; its page speaks of research use. The table is in Latin-1 in some versions.

figure1_covid/
  metadata.csv
  images/<patientid>.jpg    or .png; COVID-00003a and COVID-00003b are one patient""",
    needs=("metadata.csv", "images/*"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `metadata.csv`; a row without a finding is excluded as `no_label`.

    The letter behind a `patientid` tells films of one patient apart, so it is no part of the patient's key.
    """
    images = Images(root, ("images/*.jpg", "images/*.jpeg", "images/*.png"), key=lambda path: Path(path).stem)

    def record(origin: str, row: Row) -> RawRecord:
        name = row["patientid"]
        image = images.take(name, f"images/{name}.jpg" if name else "")
        words = findings(row["finding"])
        if not words:
            raise ExcludedError("no_label", "the case's diagnosis was open")
        return RawRecord(
            image=image,
            origin=origin,
            patient=re.sub(r"(?<=\d)[a-z]$", "", name),
            view=film_view(row["view"]),
            labels=dict.fromkeys(words, State.PRESENT),
            report={"notes": row["notes"]} if row["notes"] else {},
            age=age_in_years(row["age"]),
            sex=sex(row["sex"]),
        )

    path = first_file(root, "metadata.csv")
    needed = ("patientid", "sex", "age", "finding", "view", "notes")
    yield from made(path.name, read_csv(path, required=needed, encoding=encoding_of(path)), record)
    yield from images.unlisted()


def encoding_of(path: Path) -> str:
    """`utf-8-sig` where the file is UTF-8, else `latin-1`, which reads every file."""
    try:
        path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"
