"""APTOS 2019: 3,662 photographs from screening in rural India, graded for diabetic retinopathy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.tables import Row, first_file, records

CARD = SourceCard(
    name="aptos2019",
    modality="fundus",
    title="APTOS 2019 Blindness Detection",
    release="2019",
    images=3_662,
    licence="LicenseRef-APTOS2019-Kaggle",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://www.kaggle.com/c/aptos2019-blindness-detection",
    cite="""@misc{aptos2019,
  title        = {{APTOS} 2019 Blindness Detection},
  author       = {Karthik and {Maggie} and Dane, Sohier},
  year         = {2019},
  howpublished = {Kaggle},
  url          = {https://kaggle.com/competitions/aptos2019-blindness-detection}
}""",
    label_origin="One clinician's grade per photograph, 0 to 4 on the ICDR scale.",
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Join the competition on Kaggle, accept its rules (no redistribution), then:
kaggle competitions download -c aptos2019-blindness-detection, and unpack the archive.
test.csv and test_images have no grades and are not read. The source names no patient and no eye.

aptos2019/
  train.csv
  train_images/<id_code>.png""",
    needs=("train.csv*", "train_images/*.png"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `train.csv`; the grade becomes the word `diagnosis=<value>`."""
    images = Images(root, ("train_images/*.png",))

    def record(origin: str, row: Row) -> RawRecord:
        name = f"{row['id_code']}.png"
        image = images.take(name, f"train_images/{name}")
        if not row["diagnosis"]:
            raise SampleError("bad_row", "no diagnosis")
        return RawRecord(image, origin, labels={f"diagnosis={row['diagnosis']}": State.PRESENT})

    yield from records(first_file(root, "train.csv"), ("id_code", "diagnosis"), record)
    yield from images.unlisted()
