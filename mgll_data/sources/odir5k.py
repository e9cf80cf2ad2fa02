"""ODIR-5K: both eyes of 3,500 patients, with the diagnostic keywords of each eye."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from mgll_data.errors import ExcludedError, SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import spreadsheet
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
is stated: research only, no redistribution. The challenge's annotations are a spreadsheet, read as it is.
The full-size "Training Images" are read where they are there, else the 512-pixel preprocessed_images.
The testing images have no public labels and are not read.

odir5k/
  full_df.csv                        or data.xlsx, ODIR-5K_Training_Annotations(Updated)_V2.xlsx
  Training Images/<ID>_left.jpg      may lie deeper, as in ODIR-5K/ODIR-5K/Training Images
  preprocessed_images/<ID>_left.jpg""",
    needs=("*.[cx]*", "**/*.jpg"),
)

_PATIENT = ("ID", "Patient Age", "Patient Sex")
_TWO_EYES = ("Left-Fundus", "Right-Fundus", "Left-Diagnostic Keywords", "Right-Diagnostic Keywords")
_ONE_EYE = ("Fundus", "Diagnostic Keywords")
_COMMAS = re.compile("[,\uff0c]")  # the full-width comma is the usual one here
_NOT_FUNDUS = {"anterior segment image", "no fundus image"}
# Column of a patient-level flag, as the two releases name it, and the keywords that raise it in either eye. Over the
# 3,358 patients of the published table the flags of a patient are, without exception, those of both eyes together.
_FLAGS = {
    "N": ("Normal", "normal fundus"),
    "D": ("Diabetes", "diabetic|proliferative retinopathy"),
    "G": ("Glaucoma", "glaucoma"),
    "C": ("Cataract", "cataract"),
    "A": ("Age related Macular Degeneration", "age-related macular"),
    "H": ("Hypertension", "hypertensive"),
    "M": ("Pathological Myopia", "myopi"),
    "O": ("Other diseases/abnormalities", ""),
}
_QUALITY = {*_NOT_FUNDUS, "lens dust", "low image quality", "image offset", "optic disk photographically invisible"}


class _Eye(NamedTuple):
    origin: str
    patient: str
    age: float | None
    sex: str | None
    laterality: str | None
    keywords: str
    flags: frozenset[str] | None


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """One record per eye, in the order in which the table first names it. The patient is the ID.

    Words are the keywords of that eye, lower-cased; the columns N to O are flags of the patient and never labels. A
    table with a row per image names each patient's eyes twice: equal rows count once, an eye with two different sets
    of keywords is quarantined. Where the table lists its own files (column `filename`), an eye without a file there
    and on disk is excluded as `no_image`; a picture of no fundus as `not_fundus`. A flag that no keyword of the eye
    explains, as the other eye's does, is a conflict of this picture, and so is a keyword without its flag.
    """
    table = _table(root)
    names = _columns(table)
    images = Images(root, ("**/Training Images/*.jpg", "preprocessed_images/*.jpg", "*.jpg"))
    eyes: dict[str, list[_Eye]] = {}
    listed: set[str] = set()
    layout = _ONE_EYE if "Fundus" in names else _TWO_EYES
    reader = spreadsheet if table.suffix == ".xlsx" else read_csv
    for line, row in reader(table, required=(*_PATIENT, *layout)):
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
    words = _words(eye.keywords)
    if not words:
        raise SampleError("bad_row", "no keyword")
    if _NOT_FUNDUS & set(words):
        raise ExcludedError("not_fundus", ", ".join(sorted(_NOT_FUNDUS & set(words))))
    return RawRecord(
        image=image,
        origin=eye.origin,
        patient=eye.patient or None,
        laterality=eye.laterality,
        labels=dict.fromkeys(words, State.PRESENT),
        age=eye.age,
        sex=eye.sex,
        conflicts=_conflicts(words, eye.flags),
    )


def _words(keywords: str) -> list[str]:
    return [word for word in (part.strip().lower() for part in _COMMAS.split(keywords)) if word]


def _classes(words: Iterable[str]) -> set[str]:
    """Flags that these keywords raise: N only alone, O for what raises no other and is no remark on the photograph."""
    raised = {
        flag
        for word in words
        for flag in ({f for f, (_, pattern) in _FLAGS.items() if pattern and re.search(pattern, word)} or {"O"})
        if word not in _QUALITY
    }
    return raised if raised == {"N"} else raised - {"N"}


def _conflicts(words: list[str], flags: frozenset[str] | None) -> tuple[str, ...]:
    if flags is None:
        return ()
    raised = _classes(words)
    extra = [f"flag {flag} without a keyword of this eye" for flag in _FLAGS if flag in flags - raised]
    return (*extra, *(f"a keyword of class {flag} without its flag" for flag in _FLAGS if flag in raised - flags))


def _eyes(origin: str, row: Row) -> Iterator[tuple[str, _Eye]]:
    """File name and facts of the eyes that a row describes: two, or one in the table with a `Fundus` column."""
    patient, age, gender = row["ID"], age_in_years(row["Patient Age"]), sex(row["Patient Sex"])
    given = {flag: row.get(flag, row.get(name)) for flag, (name, _) in _FLAGS.items()}
    flags = None if None in given.values() else frozenset(flag for flag, value in given.items() if value == "1")
    if "Fundus" in row:
        side = re.search(r"_(left|right)\.", row["Fundus"])
        word = row["Diagnostic Keywords"]
        yield row["Fundus"], _Eye(origin, patient, age, gender, side[1] if side else None, word, flags)
        return
    for side_name in ("left", "right"):
        column = side_name.capitalize()
        keywords = row[f"{column}-Diagnostic Keywords"]
        yield row[f"{column}-Fundus"], _Eye(origin, patient, age, gender, side_name, keywords, flags)


def _table(root: Path) -> Path:
    """The label table: the first that describes both eyes, else the first there is. Raises UsageError without one."""
    usual = [root / name for name in ("full_df.csv", "data.csv")]
    others = sorted(root.glob("full_df*.csv*")) + sorted(root.glob("ODIR-5K_Training_Annotations*.csv*"))
    sheets = [path for path in (root / "data.xlsx", *sorted(root.glob("ODIR-5K_Training_Annotations*.xlsx")))]
    tables = [path for path in dict.fromkeys(usual + others + sheets) if path.is_file()]
    if not tables:
        raise UsageError(f"{root}: no label table full_df.csv, data.xlsx or ODIR-5K_Training_Annotations*.xlsx.")
    return next((path for path in tables if "Left-Fundus" in _columns(path)), tables[0])


def _columns(table: Path) -> tuple[str, ...]:
    """Names of the columns; those of a spreadsheet are the challenge's, which `spreadsheet` checks."""
    return _TWO_EYES if table.suffix == ".xlsx" else columns(table)
