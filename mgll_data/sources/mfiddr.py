"""MFIDDR: 34,452 photographs, four fields of each eye, with one grade an eye."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import SampleError, UsageError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import graded, stem
from mgll_data.sources.tables import Row, age_in_years, quarantined, records

CARD = SourceCard(
    name="mfiddr",
    modality="fundus",
    title="MFIDDR: multi-field imaging dataset for diabetic retinopathy",
    release="2023",
    images=34_452,
    licence="MIT",
    open_licence=False,
    access="agreement",
    redistributable=False,
    url="https://github.com/mfiddr/MFIDDR",
    cite="""@misc{mfiddr,
  title = {MFIDDR: multi-field imaging dataset for diabetic retinopathy},
  year  = {2023},
  url   = {https://github.com/mfiddr/MFIDDR}
}""",
    label_origin="Ophthalmologists: one ICDR grade for the four fields of an eye.",
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Ask for the link with the form of the repository (MIT, which may hold for its files only). The grade is
the eye's, made from its four fields together: a single field need not show it. The number in a name is the patient.

mfiddr/
  train_fourpic_label.csv       id,level,age,id1,id2,id3,id4
  test_fourpic_label.csv
  train/20_28096452_left_05.jpg         any folders""",
    needs=("**/*_fourpic_label.csv", "**/*.jpg"),
)

_FIELDS = ("id1", "id2", "id3", "id4")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Four records a row, in the order of the tables; the word is `level=<value>`."""
    images = Images(root, ("**/*.jpg",), stem)
    tables = sorted(root.rglob("*_fourpic_label.csv"), reverse=True)
    if not tables:
        raise UsageError(f"{root}: no train_fourpic_label.csv or test_fourpic_label.csv, at any depth.")
    for table in tables:
        split = table.name.partition("_")[0]

        def record(origin: str, row: Row, split: str = split) -> Iterator[RawRecord | Rejected]:
            patient, _, side = row["id"].rpartition("_")
            for number, column in enumerate(_FIELDS, start=1):
                try:
                    name = row[column]
                    image = images.take(name.lower(), f"{split}/{name}.jpg")
                    yield RawRecord(
                        image,
                        origin,
                        patient=patient or None,
                        study=row["id"],
                        laterality=side if side in ("left", "right") else None,
                        labels=graded(row, "level"),
                        age=age_in_years(row["age"]),
                        official_split=split if split in ("train", "test") else None,
                        attrs={"field": float(number)},
                    )
                except SampleError as error:
                    yield quarantined(origin, error)

        yield from records(table, ("id", "level", "age", *_FIELDS), record)
    yield from images.unlisted()
