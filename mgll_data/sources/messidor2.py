"""Messidor-2 with the adjudicated grades of Krause et al.: 874 examinations of two eyes each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import graded, stem
from mgll_data.sources.tables import Row, first_file, read_csv, records

CARD = SourceCard(
    name="messidor2",
    modality="fundus",
    title="Messidor-2 with adjudicated grades",
    release="2018",
    images=1_748,
    licence="LicenseRef-Messidor-2",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://www.adcis.net/en/third-party/messidor2/",
    cite="""@article{krause2018grader,
  title   = {Grader Variability and the Importance of Reference Standards for Evaluating Machine Learning Models for
             Diabetic Retinopathy},
  author  = {Krause, Jonathan and Gulshan, Varun and Rahimy, Ehsan and Karth, Peter and Widner, Kasumi and
             Corrado, Greg S. and Peng, Lily and Webster, Dale R.},
  journal = {Ophthalmology},
  volume  = {125},
  number  = {8},
  pages   = {1264--1272},
  year    = {2018},
  doi     = {10.1016/j.ophtha.2018.01.034}
}""",
    label_origin="Adjudicated by three retina specialists: ICDR grade, referable macular edema, gradability.",
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Register at ADCIS for the pictures (research only, no redistribution). The grades are messidor_data.csv
of the Kaggle data set google-brain/messidor2-dr-grades; case of names does not count, as the table says .jpg where
files end in .JPG. The pair file tells the two eyes of an examination; without it no patient is known, and the two eyes
of one may fall into different splits. Pictures under a name of Messidor (date_number_number_PP) are Messidor's.

messidor2/
  messidor_data.csv         image_id,adjudicated_dr_grade,adjudicated_dme,adjudicated_gradable
  messidor-2.csv            left,right (optional)
  images/20051020_43808_0100_PP.png, images/IM000000.JPG""",
    needs=("messidor_data.csv*", "**/*.[jJpPtT]*"),
    derives=("messidor",),
)

_COLUMNS = ("adjudicated_gradable", "adjudicated_dr_grade", "adjudicated_dme")
_OLD = re.compile(r"\d{8}_\d+_\d+_pp")  # a name of Messidor; the examinations that were added have IM names


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the table; words are `<column>=<value>`, none for an empty cell.

    The patient is the examination of the pair file, where it is there; so is the eye. A picture under a name of
    Messidor is Messidor's (`same_as`).
    """
    images = Images(root, ("**/*.png", "**/*.jpg", "**/*.jpeg", "**/*.tif"), stem)
    eyes = _eyes(root)

    def record(origin: str, row: Row) -> RawRecord:
        name = stem(row["image_id"])
        image = images.take(name, f"images/{row['image_id']}")
        patient, side = eyes.get(name, (None, None))
        labels = graded(row, *_COLUMNS)
        same = (("messidor", f"{name}.tif"),) if _OLD.fullmatch(name) else ()
        return RawRecord(image, origin, patient=patient, laterality=side, labels=labels, same_as=same)

    yield from records(first_file(root, "messidor_data.csv"), ("image_id", *_COLUMNS), record)
    yield from images.unlisted()


def _eyes(root: Path) -> dict[str, tuple[str, str]]:
    """Stem of a picture -> its examination (the stem of the left picture) and the eye."""
    eyes: dict[str, tuple[str, str]] = {}
    for path in sorted(root.glob("messidor-2.csv*"))[:1]:
        for _, row in read_csv(path, required=("left", "right")):
            if not isinstance(row, SampleError):
                eyes |= {stem(row[side]): (stem(row["left"]), side) for side in ("left", "right") if row[side]}
    return eyes
