"""ODIR-5K: both eyes of 3,500 patients, with the diagnostic keywords of each eye."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mgll_data.errors import SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.tables import Row, age_in_years, columns, quarantined, read_csv, sex

CARD = SourceCard(
    name="odir5k",
    modality="fundus",
    title="ODIR-5K: Ocular Disease Intelligent Recognition",
    release="2019",
    images=7_000,
    licence="LicenseRef-ODIR-5K",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://odir2019.grand-challenge.org/dataset/",
    cite="""@inproceedings{li2021odir,
  title     = {A Benchmark of Ocular Disease Intelligent Recognition: One Shot for Multi-disease Detection},
  author    = {Li, Ning and Li, Tao and Hu, Chunyu and Wang, Kai and Kang, Hong},
  booktitle = {Benchmarking, Measuring, and Optimizing (Bench 2020)},
  series    = {Lecture Notes in Computer Science},
  volume    = {12614},
  pages     = {177--193},
  year      = {2021},
  doi       = {10.1007/978-3-030-71058-3_11}
}""",
    label_origin="Keywords by trained readers for each eye; the columns N to O hold for the patient.",
    scope=(),
    silence="unknown",
    normal_excludes_all=True,
    layout="""Register on the challenge's page, or download "ocular-disease-recognition-odir5k" from Kaggle. No licence
is stated: research only, no redistribution. From the challenge, save the annotations (xlsx) as data.csv in UTF-8.
The full-size "Training Images" are read where they are there, else the 512-pixel preprocessed_images.
The testing images have no public labels and are not read.

odir5k/
  full_df.csv                        or data.csv
  Training Images/<ID>_left.jpg      may lie deeper, as in ODIR-5K/ODIR-5K/Training Images
  preprocessed_images/<ID>_left.jpg""",
    needs=("*.csv*", "**/*.jpg"),
)

_PATIENT = ("ID", "Patient Age", "Patient Sex")
_TWO_EYES = ("Left-Fundus", "Right-Fundus", "Left-Diagnostic Keywords", "Right-Diagnostic Keywords")
_ONE_EYE = ("Fundus", "Diagnostic Keywords")
_COMMAS = re.compile("[,\uff0c]")  # the full-width comma is the usual one here


class _Eye(NamedTuple):
    origin: str
    patient: str
    age: float | None
    sex: str | None
    laterality: str | None
    keywords: str


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """One record per eye, in the order in which the table first names it. The patient is the ID.

    Words are the keywords of that eye, lower-cased; the columns N to O are flags of the patient and never labels. A
    table with a row per image names each patient's eyes twice: equal rows count once, an eye with two different sets
    of keywords is quarantined. Where the table lists its own files (column `filename`), an eye without a file there
    and on disk is excluded as `no_image`.
    """
    table = _table(root)
    names = columns(table)
    images = Images(root, ("**/Training Images/*.jpg", "preprocessed_images/*.jpg", "*.jpg"))
    eyes: dict[str, list[_Eye]] = {}
    listed: set[str] = set()
    layout = _ONE_EYE if "Fundus" in names else _TWO_EYES
    for line, row in read_csv(table, required=(*_PATIENT, *layout)):
        origin = f"{table.name}:{line}"
        if isinstance(row, SampleError):
            yield quarantined(origin, row)
            continue
        listed.add(row.get("filename", ""))
        for name, eye in _eyes(origin, row):
            eyes.setdefault(name, []).append(eye)

    for name, mentions in eyes.items():
        try:
            if "filename" in names and name not in listed and name not in images:
                yield Rejected("", mentions[0].origin, "excluded", "no_image", "the release has no picture of this eye")
            else:
                yield _record(name, mentions, images)
        except SampleError as error:
            yield quarantined(mentions[0].origin, error)
    yield from images.unlisted()


def _record(name: str, mentions: list[_Eye], images: Images) -> RawRecord:
    image = images.take(name, f"Training Images/{name}")
    eye = mentions[0]
    if any(other.keywords != eye.keywords or other.patient != eye.patient for other in mentions):
        raise SampleError("bad_row", "rows that disagree on the keywords or the patient of one eye")
    words = [word for word in (part.strip().lower() for part in _COMMAS.split(eye.keywords)) if word]
    if not words:
        raise SampleError("bad_row", "no keyword")
    return RawRecord(
        image=image,
        origin=eye.origin,
        patient=eye.patient or None,
        laterality=eye.laterality,
        labels=dict.fromkeys(words, State.PRESENT),
        age=eye.age,
        sex=eye.sex,
    )


def _eyes(origin: str, row: Row) -> Iterator[tuple[str, _Eye]]:
    """File name and facts of the eyes that a row describes: two, or one in the table with a `Fundus` column."""
    patient, age, gender = row["ID"], age_in_years(row["Patient Age"]), sex(row["Patient Sex"])
    if "Fundus" in row:
        side = re.search(r"_(left|right)\.", row["Fundus"])
        yield row["Fundus"], _Eye(origin, patient, age, gender, side[1] if side else None, row["Diagnostic Keywords"])
        return
    for side_name in ("left", "right"):
        column = side_name.capitalize()
        keywords = row[f"{column}-Diagnostic Keywords"]
        yield row[f"{column}-Fundus"], _Eye(origin, patient, age, gender, side_name, keywords)


def _table(root: Path) -> Path:
    """The label table: the first that describes both eyes, else the first there is. Raises UsageError without one."""
    usual = [root / name for name in ("full_df.csv", "data.csv")]
    others = sorted(root.glob("full_df*.csv*")) + sorted(root.glob("ODIR-5K_Training_Annotations*.csv*"))
    tables = [path for path in dict.fromkeys(usual + others) if path.is_file()]
    if not tables:
        hint = " Save the annotations (xlsx) as data.csv in UTF-8." if any(root.glob("*.xlsx")) else ""
        raise UsageError(f"{root}: no label table full_df.csv or data.csv.{hint}")
    return next((path for path in tables if "Left-Fundus" in columns(path)), tables[0])
