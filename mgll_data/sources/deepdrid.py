"""DeepDRiD: two photographs of each eye, graded for retinopathy and for image quality."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import graded, spreadsheet, stem
from mgll_data.sources.tables import Row, made

CARD = SourceCard(
    name="deepdrid",
    modality="fundus",
    title="DeepDRiD: regular fundus images",
    release="1.1",
    images=2_000,
    licence="CC-BY-SA-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://github.com/deepdrdoc/DeepDRiD",
    cite="""@misc{deepdrid,
  title = {DeepDRiD: regular fundus images},
  year  = {2022},
  url   = {https://github.com/deepdrdoc/DeepDRiD}
}""",
    label_origin=("Ophthalmologists: retinopathy 0 to 4 (ICDR), 5 ungradable, for each eye; quality for each picture."),
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download from the repository. The tables write paths with backslashes and without the folder Images, so
pictures are found by their names, within their set. ultra-widefield pictures are excluded. The first number of a name
is the patient.

deepdrid/regular_fundus_images/
  regular-fundus-training/regular-fundus-training.csv           one row a picture, one grade column a side
  regular-fundus-training/Images/1/1_l1.jpg
  regular-fundus-validation/...
  Online-Challenge1&2-Evaluation/Challenge1_labels.csv          or .xlsx: image_id,DR_Levels""",
    needs=("**/regular-fundus-training.csv", "**/*.jpg"),
)

_TOP = "regular_fundus_images"
_SETS = (
    ("train", "regular-fundus-training"),
    ("val", "regular-fundus-validation"),
    ("test", "Online-Challenge1&2-Evaluation"),
)
_GRADES = ("Overall quality", "left_eye_DR_Level", "right_eye_DR_Level")
_SCORES = {"Clarity": "clarity", "Field definition": "field_definition", "Artifact": "artifact"}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the training, validation and evaluation table. Words are `<eye>_eye_DR_Level=<value>` of the eye
    shown (`DR_Levels=<value>` in the evaluation set) and `Overall quality=<value>`; the patient's grade is not used.
    """
    images = Images(root, [f"**/{folder}/**/*.jpg" for _, folder in _SETS], _key)
    for split, folder in _SETS:

        def record(origin: str, row: Row, split: str = split, folder: str = folder) -> RawRecord:
            name = row["image_id"]
            patient, _, side = name.partition("_")
            if (eye := {"l": "left", "r": "right"}.get(side[:1])) is None:
                raise SampleError("bad_row", "an image_id that does not name the eye, as 1_l1 does")
            image = images.take(f"{split}/{name.lower()}", f"{_TOP}/{folder}/Images/{patient}/{name}.jpg")
            columns = ("DR_Levels",) if "DR_Levels" in row else ("Overall quality", f"{eye}_eye_DR_Level")
            scores = {name: float(row[column]) for column, name in _SCORES.items() if row.get(column, "").isdigit()}
            labels = graded(row, *columns)
            return RawRecord(
                image, origin, patient=patient, laterality=eye, labels=labels, official_split=split, attrs=scores
            )

        name = "Challenge1_labels" if split == "test" else folder
        for table in list_images(root, (f"**/{name}.csv", f"**/{name}.xlsx"))[:1]:
            path = root / table
            needed = ("image_id", "DR_Levels") if split == "test" else ("image_id", *_GRADES)
            yield from made(path.name, spreadsheet(path.with_suffix(".xlsx"), required=needed), record)
    for wide in list_images(root, ("**/ultra-widefield*/**/*.jpg",)):
        yield Rejected(wide, "", "excluded", "not_fundus", "ultra-widefield")
    yield from images.unlisted()


def _key(path: str) -> str:
    return next(f"{split}/{stem(path)}" for split, folder in _SETS if f"/{folder.lower()}/" in f"/{path.lower()}")
