"""BRAX: 40,967 films from Sao Paulo with the 14 CheXpert observations, read from Portuguese reports by a program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.chexpert import OBSERVATIONS, contradictions, observations
from mgll_data.sources.files import Images
from mgll_data.sources.tables import Row, age_in_years, first_file, records, sex

CARD = SourceCard(
    name="brax",
    modality="cxr",
    title="BRAX, Brazilian labeled chest X-ray dataset",
    release="1.1.0",
    images=40_967,
    licence="LicenseRef-PhysioNet-Credentialed-1.5.0",
    open_licence=False,
    access="credentialed",
    redistributable=False,
    url="https://physionet.org/content/brax/1.1.0/",
    cite="""@article{reis2022brax,
  title   = {{BRAX}, {Brazilian} labeled chest x-ray dataset},
  author  = {Reis, Eduardo P. and de Paiva, Joselisa P. Q. and da Silva, Maria C. B. and others},
  journal = {Scientific Data},
  volume  = {9},
  pages   = {487},
  year    = {2022},
  doi     = {10.1038/s41597-022-01608-8}
}""",
    label_origin="The CheXpert labeler, adapted to Portuguese, read the reports; blank: no mention.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Become a credentialed user of PhysioNet, take the CITI course, sign the data use agreement (no sharing),
and download the project. The DICOM files are not needed.

brax/
  master_spreadsheet_update.csv
  images/id_<patient>/Study_<...>/Series_<...>/image-<...>.png""",
    needs=("master_spreadsheet_update.csv*", "images/**/*.png"),
)

# `L` and `RL` are lateral films; decubitus and oblique ones have no word of their own here.
_VIEWS = {"PA": "pa", "AP": "ap", "L": "lateral", "LL": "lateral", "RL": "lateral", "LATERAL": "lateral"}
_SIZE = ("Rows", "Columns")
_LONGEST = 10  # sides of a chest film never differ by so much; twelve images are strips of 19:1 and more


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the table, labels by row. A strip is excluded as no chest film.

    Ages come in steps of five years, from 85 on as `85 or more`, which gives no age.
    """
    images = Images(root, ("images/**/*.png",), key=str)

    def record(origin: str, row: Row) -> RawRecord:
        image = images.take(row["PngPath"], row["PngPath"])
        rows, columns = (float(row[side]) if row[side].replace(".", "", 1).isdecimal() else 0 for side in _SIZE)
        if min(rows, columns) > 0 and max(rows, columns) > _LONGEST * min(rows, columns):
            raise ExcludedError("not_chest", f"a strip of {rows:.0f} by {columns:.0f} pixels")
        if not (states := observations(row)):
            raise ExcludedError("no_label", "none of the 14 observations is filled in")
        return RawRecord(
            image=image,
            origin=origin,
            patient=row["PatientID"] or None,
            study=row["AccessionNumber"] or None,
            view=_VIEWS.get(row["ViewPosition"].upper()),
            labels=states,
            age=age_in_years(row["PatientAge"]),
            sex=sex(row["PatientSex"]),
            device=row.get("Manufacturer") or None,
            conflicts=contradictions(states),
        )

    needed = ("PngPath", "PatientID", "PatientSex", "PatientAge", "AccessionNumber", "ViewPosition", *_SIZE)
    yield from records(first_file(root, "master_spreadsheet_update.csv"), (*needed, *OBSERVATIONS), record)
    yield from images.unlisted()
