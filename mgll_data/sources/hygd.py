"""HYGD: 747 photographs of 288 patients, with glaucoma confirmed by OCT and visual fields or ruled out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import graded, numbers
from mgll_data.sources.tables import Row, first_file, records

CARD = SourceCard(
    name="hygd",
    modality="fundus",
    title="Hillel Yaffe Glaucoma Dataset (HYGD): A Gold-Standard Annotated Fundus Dataset for Glaucoma Detection",
    release="1.1.0",
    images=747,
    licence="ODC-By-1.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://physionet.org/content/hillel-yaffe-glaucoma-dataset/",
    cite="""@misc{abramovich2025hygd,
  title     = {Hillel Yaffe Glaucoma Dataset ({HYGD}): A Gold-Standard Annotated Fundus Dataset for Glaucoma Detection},
  author    = {Abramovich, Or and Pizem, Hadas and Fhima, Jonathan and Berkowitz, Eran and others},
  publisher = {PhysioNet},
  year      = {2025},
  doi       = {10.13026/z0ak-km33}
}""",
    label_origin="Examination with OCT, visual fields and a year of follow-up: glaucomatous optic neuropathy or none.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""wget -r -N -c -np https://physionet.org/files/hillel-yaffe-glaucoma-dataset/1.1.0/
The quality score (1 to 10) is that of a model. A few pictures stand under two patient numbers.

hygd/
  Labels.csv
  Images/0_0.jpg ...""",
    needs=("Labels.csv*", "Images/*.jpg"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `Labels.csv`; the words are `Label=GON+` and `Label=GON-`."""
    images = Images(root, ("Images/*.jpg",))

    def record(origin: str, row: Row) -> RawRecord:
        image = images.take(row["Image Name"], f"Images/{row['Image Name']}")
        quality = numbers(quality_score=row.get("Quality Score", ""))
        return RawRecord(image, origin, patient=row["Patient"] or None, labels=graded(row, "Label"), attrs=quality)

    yield from records(first_file(root, "Labels.csv"), ("Image Name", "Patient", "Label"), record)
    yield from images.unlisted()
