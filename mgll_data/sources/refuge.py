"""REFUGE: 1,200 disc photographs of two cameras, judged for glaucoma."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError, SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import spreadsheet
from mgll_data.sources.tables import Row, made

CARD = SourceCard(
    name="refuge",
    modality="fundus",
    title="Retinal Fundus Glaucoma Challenge (REFUGE)",
    release="2018",
    images=1_200,
    licence="LicenseRef-REFUGE-research",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://refuge.grand-challenge.org/",
    cite="""@article{orlando2020refuge,
  title   = {{REFUGE} Challenge: A Unified Framework for Evaluating Automated Methods for Glaucoma Assessment from
             Fundus Photographs},
  author  = {Orlando, Jos{\\'e} Ignacio and Fu, Huazhu and others},
  journal = {Medical Image Analysis},
  volume  = {59},
  pages   = {101570},
  year    = {2020}
}""",
    label_origin="Clinical diagnosis of glaucoma from the full examination, not from the photograph alone.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Join the challenge on grand-challenge.org and unpack its archives. Folders may lie deeper or have other
names: pictures are found by name, and the first letter of a training picture is its label. Training pictures come from
another camera than the rest. The masks (.bmp) are not read. REFUGE2 holds all of these pictures again.

refuge/
  Training400/Glaucoma/g0001.jpg ...   Training400/Non-Glaucoma/n0001.jpg ...
  REFUGE-Validation400/V0001.jpg ...
  REFUGE-Validation400-GT/Fovea_locations.xlsx
  Test400/T0001.jpg ...
  REFUGE-Test-GT/Glaucoma_label_and_Fovea_location.xlsx""",
    needs=("**/*.jpg",),
)

_SHEETS = (("val", "**/Fovea_locations.*"), ("test", "**/Glaucoma_label_and_Fovea_location.*"))
_COLUMNS = ("Label(Glaucoma=1)", "Glaucoma Label")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Training pictures (word `g` or `n`), then the rows of the two sheets (word `<column>=<value>`)."""
    images = Images(root, ("**/*.jpg",))
    yield from training(images, list_images(root, ("**/g????.jpg", "**/n????.jpg")))
    for split, pattern in _SHEETS:
        yield from sheets(root, pattern, images, split, lambda name: (name, name))
    yield from images.unlisted()


def training(images: Images, paths: list[str], folder: str = "") -> Iterator[RawRecord | Rejected]:
    """Records of pictures whose first letter tells: g for glaucoma, n for none. `folder` precedes their look-up key."""
    for path in paths:
        name = path.rpartition("/")[2]
        try:
            image = images.take(folder + name, path)
        except SampleError as error:
            yield Rejected(path, "", "quarantined", error.reason, error.detail)
            continue
        yield RawRecord(image, "name", labels={name[0]: State.PRESENT}, official_split="train")


def sheets(
    root: Path, pattern: str, images: Images, split: str, place: Callable[[str], tuple[str, str]]
) -> Iterator[RawRecord | Rejected]:
    """Records of the sheets (.xlsx, or .csv saved from it) that match. place: file name -> (look-up key, path)."""
    for path in sorted({(root / sheet).with_suffix(".xlsx") for sheet in list_images(root, (pattern,))}):

        def record(origin: str, row: Row) -> RawRecord:
            image = images.take(*place(row["ImgName"]))
            words = [f"{column}={row[column]}" for column in _COLUMNS if row.get(column)]
            if not words:
                raise ExcludedError("no_label", "the sheet gives the fovea only")
            return RawRecord(image, origin, labels=dict.fromkeys(words, State.PRESENT), official_split=split)

        yield from made(path.name, spreadsheet(path, required=("ImgName",)), record)
