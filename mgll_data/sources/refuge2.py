"""REFUGE2: the 1,200 photographs of REFUGE and 800 more, of two further cameras."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mgll_data.errors import ExcludedError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.refuge import sheets, training
from mgll_data.sources.tables import Row, records

CARD = SourceCard(
    name="refuge2",
    modality="fundus",
    title="Retinal Fundus Glaucoma Challenge, second edition (REFUGE2)",
    release="2020",
    images=2_000,
    licence="LicenseRef-REFUGE2-research",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://refuge.grand-challenge.org/",
    cite="""@misc{fang2022refuge2,
  title  = {{REFUGE2} Challenge: A Treasure Trove for Multi-Dimension Analysis and Evaluation in Glaucoma Screening},
  author = {Fang, Huihui and Li, Fei and others},
  year   = {2022},
  eprint = {2202.08994},
  url    = {https://arxiv.org/abs/2202.08994}
}""",
    label_origin="Clinical diagnosis of glaucoma, as in REFUGE.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Join the challenge on grand-challenge.org and unpack its archive. Train holds REFUGE unchanged; the new
pictures have the same kind of names (V0001.jpg, T0001.jpg) as those of REFUGE: keep the folders. The labels of Test are
an .xls file without a header, which is not read: these pictures are counted as unlisted.

REFUGE2/
  Train/REFUGE1-train/Training400/{Glaucoma/g0001.jpg,Non-Glaucoma/n0001.jpg}
  Train/REFUGE1-val/{Fovea_locations.xlsx,REFUGE-Validation400/V0001.jpg}
  Train/REFUGE1-test/{Glaucoma_label_and_Fovea_location.xlsx,Test400/T0001.jpg}
  Validation/{glaucoma.csv,Images/V0001.jpg}
  Test/Images/T0001.jpg""",
    needs=("**/Train/REFUGE1-train/**/*.jpg",),
    derives=("refuge",),
)

_SETS = ("REFUGE1-train", "REFUGE1-val", "REFUGE1-test", "Validation", "Test")
_SHEETS = (
    ("REFUGE1-val", "**/REFUGE1-val/Fovea_locations.*", "REFUGE-Validation400"),
    ("REFUGE1-test", "**/REFUGE1-test/Glaucoma_label_and_Fovea_location.*", "Test400"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of Train (with `same_as` the picture of REFUGE), then of Validation (word `Glaucoma Risk=<value>`)."""
    images = Images(root, ("**/*.jpg",), _key)
    first = list_images(root, ("**/REFUGE1-train/**/g????.jpg", "**/REFUGE1-train/**/n????.jpg"))
    yield from map(_again, training(images, first, "REFUGE1-train/"))
    for part, pattern, folder in _SHEETS:

        def place(name: str, part: str = part, folder: str = folder) -> tuple[str, str]:
            return f"{part}/{name}", f"Train/{part}/{folder}/{name}"

        yield from map(_again, sheets(root, pattern, images, "train", place))

    def record(origin: str, row: Row) -> RawRecord:
        name = row["FileName"]
        image = images.take(f"Validation/{name}", f"Validation/Images/{name}")
        if not row["Glaucoma Risk"]:
            raise ExcludedError("no_label", "no Glaucoma Risk")
        word = f"Glaucoma Risk={row['Glaucoma Risk'].removesuffix('.0')}"
        return RawRecord(image, origin, labels={word: State.PRESENT}, official_split="val")

    for table in list_images(root, ("**/Validation/glaucoma.csv",)):
        yield from records(root / table, ("FileName", "Glaucoma Risk"), record)
    yield from images.unlisted()


def _again(item: RawRecord | Rejected) -> RawRecord | Rejected:
    if isinstance(item, Rejected):
        return item
    return replace(item, same_as=(("refuge", item.image.rpartition("/")[2]),))


def _key(path: str) -> str:
    """Set and file name: `Validation/V0001.jpg`. A picture of no set keeps its path, which no row can name."""
    parts = path.split("/")
    part = next((name for name in _SETS if name in parts), "")
    return f"{part}/{parts[-1]}" if part else f"/{path}"
