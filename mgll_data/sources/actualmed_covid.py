"""Actualmed COVID-19 chest X-ray initiative: 238 films of Spanish patients, labelled by their test for the virus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.covid_chestxray import film_view, findings
from mgll_data.sources.files import Images
from mgll_data.sources.tables import Row, first_file, records

CARD = SourceCard(
    name="actualmed_covid",
    modality="cxr",
    title="Actualmed COVID-19 Chest X-ray Dataset Initiative",
    release="2020",
    images=238,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://github.com/agchung/Actualmed-COVID-chestxray-dataset",
    cite="""@misc{chung2020actualmed,
  title  = {Actualmed {COVID-19} Chest {X}-ray Dataset Initiative},
  author = {Chung, Audrey},
  url    = {https://github.com/agchung/Actualmed-COVID-chestxray-dataset},
  year   = {2020}
}""",
    label_origin="Whether the infection was confirmed or excluded in the patient; blank where this stayed open.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Clone the repository: git clone https://github.com/agchung/Actualmed-COVID-chestxray-dataset
It states no licence; its page speaks of research use. File names hold DICOM UIDs and the column `notes` holds dates:
neither leaves the work folder, and the notes are not read.

actualmed_covid/
  metadata.csv
  images/<imagename>""",
    needs=("metadata.csv", "images/*.png"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `metadata.csv`; a row without a finding, inconclusive, is excluded as `no_label`.

    The table's `No finding` means that COVID-19 was excluded. It does not say that the film is normal.
    """
    images = Images(root, ("images/*.png",))

    def record(origin: str, row: Row) -> RawRecord:
        name = row["imagename"]
        image = images.take(name, f"images/{name}" if name else "")
        words = findings(row["finding"])
        if not words:
            raise ExcludedError("no_label", "inconclusive")
        return RawRecord(
            image=image,
            origin=origin,
            patient=row["patientid"] or None,
            view=film_view(row["view"]),
            labels=dict.fromkeys(words, State.PRESENT),
        )

    yield from records(first_file(root, "metadata.csv"), ("patientid", "finding", "view", "imagename"), record)
    yield from images.unlisted()
