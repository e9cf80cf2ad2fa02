"""EyePACS (Kaggle 2015): 88,702 screening photographs, both eyes of most patients, graded for retinopathy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import graded
from mgll_data.sources.tables import Row, first_file, records

CARD = SourceCard(
    name="eyepacs",
    modality="fundus",
    title="EyePACS: Diabetic Retinopathy Detection (Kaggle 2015)",
    release="2015",
    images=88_702,
    licence="LicenseRef-EyePACS-Kaggle",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://www.kaggle.com/c/diabetic-retinopathy-detection",
    cite="""@misc{eyepacs,
  title = {EyePACS: Diabetic Retinopathy Detection (Kaggle 2015)},
  year  = {2015},
  url   = {https://www.kaggle.com/c/diabetic-retinopathy-detection}
}""",
    label_origin="One clinician's grade per photograph, 0 to 4 on the ICDR scale.",
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Join the competition on Kaggle, accept its rules (research, no redistribution), download and join the
archives. The grades of the test set (testLabels.csv, or retinopathy_solution.csv as Kaggle calls it) may be left out:
its pictures then count as unlisted. The number in a name is the patient, the word behind it the eye.

eyepacs/
  trainLabels.csv           image,level
  testLabels.csv            image,level,Usage
  train/10_left.jpeg
  test/1_right.jpeg""",
    needs=("trainLabels.csv*", "train/*.jpeg"),
)

_TEST = ("testLabels.csv", "retinopathy_solution.csv")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the training set, then of the test set where its grades are there; the grade is `level=<value>`."""
    images = Images(root, ("train/*.jpeg", "test/*.jpeg"))
    tables = [("train", first_file(root, "trainLabels.csv"))]
    tables += [("test", path) for name in _TEST for path in sorted(root.glob(f"{name}*"))[:1]][:1]
    for split, table in tables:

        def record(origin: str, row: Row, split: str = split) -> RawRecord:
            name = f"{row['image']}.jpeg"
            image = images.take(name, f"{split}/{name}")
            patient, _, side = row["image"].partition("_")
            eye = side if side in ("left", "right") else None
            labels = graded(row, "level")
            return RawRecord(image, origin, patient=patient, laterality=eye, labels=labels, official_split=split)

        yield from records(table, ("image", "level"), record)
    yield from images.unlisted()
