"""covid-chestxray-dataset (IEEE8023): films of COVID-19 and other pneumonias from papers and teaching sites."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.tables import Row, age_in_years, first_file, records, sex

CARD = SourceCard(
    name="covid_chestxray",
    modality="cxr",
    title="COVID-19 Image Data Collection (covid-chestxray-dataset)",
    release="2020",
    images=950,
    licence="LicenseRef-covid-chestxray-per-image",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://github.com/ieee8023/covid-chestxray-dataset",
    cite="""@misc{cohen2020covid,
  title         = {{COVID-19} Image Data Collection: Prospective Predictions Are the Future},
  author        = {Cohen, Joseph Paul and Morrison, Paul and Dao, Lan and Roth, Karsten and Duong, Tim Q. and
                   Ghassemi, Marzyeh},
  year          = {2020},
  eprint        = {2006.11988},
  archiveprefix = {arXiv}
}""",
    label_origin="The diagnosis of each case as its paper or page gives it; figures may carry letters and arrows.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Clone the repository (581 MB): git clone https://github.com/ieee8023/covid-chestxray-dataset
Each row of metadata.csv has the licence of its picture, from Apache 2.0 to CC BY-NC-ND, and often none. It is kept as
the sample's attribute `licence` (`unstated` where the row has none), so that a user can leave out what may not be used.
104 films are the Hannover repository's, in another rendering. CT slices are excluded.

covid_chestxray/
  metadata.csv
  images/<filename>
  volumes/<filename>      CT, not read""",
    needs=("metadata.csv*", "images/*"),
    path_labels=True,
    derives=("covid19_hannover",),
)

_LICENCE = re.compile(r"(?:CC|Apache|MIT|GPL|BSD|Public|Open|listed as)[A-Za-z0-9 .+-]{0,40}", re.IGNORECASE)
NO_WORD = frozenset({"", "todo", "unknown"})
_HANNOVER = "github.com/ml-workgroup/covid-19-image-repository"
_PICTURES = ("images/*.jpg", "images/*.jpeg", "images/*.png")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `metadata.csv`. CT is excluded as `not_chest`, a row without a finding as `no_label`.

    `finding` is a path, `Pneumonia/Viral/COVID-19`, or in older versions of the table a list, `COVID-19, ARDS`.
    `clinical_notes` become the report section `notes`, which makes no label and no text: they tell of the patient and
    the course, of CT and of films of other days, and may give dates.
    """
    images = Images(root, _PICTURES)

    def record(origin: str, row: Row) -> RawRecord:
        name = row["filename"]
        image = images.take(name, f"{row['folder'] or 'images'}/{name}" if name else "")
        if row["modality"] != "X-ray":
            raise ExcludedError("not_chest", "a slice or a volume of a CT")
        words = findings(row["finding"])
        if not words:
            raise ExcludedError("no_label", "no finding, or one yet to be entered")
        ours = _HANNOVER in row.get("url", "")
        return RawRecord(
            image=image,
            origin=origin,
            patient=row["patientid"] or None,
            view=film_view(row["view"]),
            labels=dict.fromkeys(words, State.PRESENT),
            report={"notes": row["clinical_notes"]} if row.get("clinical_notes") else {},
            age=age_in_years(row["age"]),
            sex=sex(row["sex"]),
            same_as=(("covid19_hannover", f"{name.rpartition('.')[0]}.png"),) if ours else (),
            attrs={"licence": _licence(row["license"])},
        )

    needed = ("patientid", "sex", "age", "finding", "view", "modality", "folder", "filename", "license")
    yield from records(first_file(root, "metadata.csv"), needed, record)
    yield from images.unlisted()


def _licence(text: str) -> str:
    """The licence of a row, `unstated` for an empty cell, `other` for what is no plain name of a licence."""
    return (text if _LICENCE.fullmatch(text) else "other") if text else "unstated"


def findings(text: str) -> list[str]:
    """Words of a `finding` cell; none for a blank cell, `todo` and `Unknown`."""
    return [word for part in text.split(",") if (word := part.strip()).lower() not in NO_WORD]


def film_view(text: str) -> str | None:
    """View from cells such as `PA`, `AP Supine`, `AP erect` and `L`; None for others (`?`, `Axial`)."""
    return {"pa": "pa", "ap": "ap", "l": "lateral", "lateral": "lateral"}.get(text.partition(" ")[0].lower())
