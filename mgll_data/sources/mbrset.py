"""mBRSET: 5,164 photographs of diabetic patients taken with a smartphone camera."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import graded
from mgll_data.sources.tables import Row, age_in_years, first_file, records

CARD = SourceCard(
    name="mbrset",
    modality="fundus",
    title="mBRSET: mobile Brazilian retinal dataset",
    release="1.0",
    images=5_164,
    licence="LicenseRef-PhysioNet-Credentialed-1.5.0",
    open_licence=False,
    access="credentialed",
    redistributable=False,
    url="https://physionet.org/content/mbrset/1.0/",
    cite="""@misc{mbrset,
  title = {mBRSET: mobile Brazilian retinal dataset},
  year  = {2024},
  url   = {https://physionet.org/content/mbrset/1.0/}
}""",
    label_origin="Retina specialists: ICDR grade, macular edema, quality.",
    scope=("fundus.dr", "fundus.dme"),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Become a credentialed user of PhysioNet, sign the agreement and download; nothing may be passed on.
Questions on the patient's life and other diseases are not read. All patients have diabetes, so macular edema here is
diabetic.

mbrset/
  labels_mbrset.csv
  images/1.1.jpg""",
    needs=("labels_mbrset.csv*", "images/*.jpg"),
)

_COLUMNS = ("final_quality", "final_artifacts", "final_icdr", "final_edema")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the table; words are `<column>=<value>`, none for an empty cell."""
    images = Images(root, ("images/*.jpg",))

    def record(origin: str, row: Row) -> RawRecord:
        image = images.take(row["file"], f"images/{row['file']}")
        side = row["laterality"].lower()
        return RawRecord(
            image,
            origin,
            patient=row["patient"] or None,
            laterality=side if side in ("left", "right") else None,
            labels=graded(row, *_COLUMNS),
            age=age_in_years(row["age"]),
        )

    needed = ("file", "patient", "age", "laterality", *_COLUMNS)
    yield from records(first_file(root, "labels_mbrset.csv"), needed, record)
    yield from images.unlisted()
