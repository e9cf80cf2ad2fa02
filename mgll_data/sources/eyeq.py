"""EyeQ: 28,792 photographs of EyePACS, judged again for their quality."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import UsageError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import graded, stem
from mgll_data.sources.tables import Row, records

CARD = SourceCard(
    name="eyeq",
    modality="fundus",
    title="EyeQ: quality labels for EyePACS",
    release="2019",
    images=28_792,
    licence="LicenseRef-EyeQ",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://github.com/HzFu/EyeQ",
    cite="""@inproceedings{fu2019eyeq,
  title     = {Evaluation of Retinal Image Quality Assessment Networks in Different Color-Spaces},
  author    = {Fu, Huazhu and Wang, Boyang and Shen, Jianbing and Cui, Shanshan and Xu, Yanwu and Liu, Jiang and
               Shao, Ling},
  booktitle = {Medical Image Computing and Computer Assisted Intervention (MICCAI)},
  year      = {2019}
}""",
    label_origin="Quality by two experts: 0 good, 1 usable, 2 reject; grades are those of EyePACS.",
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""The label files are in the repository's data folder (its code is CC BY-NC-SA 4.0; no licence is stated
for the labels). The pictures are those of EyePACS, under their own names, at any depth and as .jpeg or as the
repository's .png crops. Beside the source eyepacs each photograph counts once and its labels are merged.

eyeq/
  Label_EyeQ_train.csv      ,image,quality,DR_grade
  Label_EyeQ_test.csv
  images/10_left.jpeg""",
    needs=("**/Label_EyeQ_*.csv*", "**/*.*g"),
    derives=("eyepacs",),
    patients_of="eyepacs",
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the training, then of the test table; words are `quality=<value>` and `DR_grade=<value>`."""
    images = Images(root, ("**/*.jpeg", "**/*.jpg", "**/*.png"), stem)
    tables = sorted(path for path in root.rglob("Label_EyeQ_*.csv*") if path.is_file())
    if not tables:
        raise UsageError(f"{root}: no file Label_EyeQ_train.csv or Label_EyeQ_test.csv, at any depth.")
    for table in reversed(tables):
        split = "train" if "train" in table.name else "test"

        def record(origin: str, row: Row, split: str = split) -> RawRecord:
            name = stem(row["image"])
            image = images.take(name, f"images/{row['image']}")
            patient, _, side = name.partition("_")
            return RawRecord(
                image,
                origin,
                patient=patient,
                laterality=side if side in ("left", "right") else None,
                labels=graded(row, "quality", "DR_grade"),
                official_split=split,
                same_as=(("eyepacs", f"{name}.jpeg"),),
            )

        yield from records(table, ("image", "quality", "DR_grade"), record)
    yield from images.unlisted()
