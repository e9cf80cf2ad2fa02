"""DDR, lesion segmentation: 757 photographs with masks of four lesions, some of which are blank."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.ddr import CARD as DDR
from mgll_data.sources.files import list_images
from mgll_data.sources.layouts import stem
from mgll_data.sources.masks import described

CARD = SourceCard(
    name="ddr_segmentation",
    modality="fundus",
    title="DDR: lesion segmentation",
    release="2019",
    images=757,
    licence="MIT",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://github.com/nkicsl/DDR-dataset",
    cite=DDR.cite,
    label_origin="Lesions drawn pixel by pixel by ophthalmologists.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Part of the download of the source ddr. Every photograph has a mask file for each of the four lesions,
blank where it has none of it. Most of these photographs are also graded there under the same name: beside ddr each
counts once.

ddr_segmentation/
  lesion_segmentation/train/image/007-1774-100.jpg        also valid, test
  lesion_segmentation/train/label/EX/007-1774-100.tif     also HE, MA, SE""",
    needs=("**/image/*.jpg", "**/EX/*.tif"),
    derives=("ddr",),
)

_LESIONS = ("EX", "HE", "MA", "SE")
_SPLITS = {"train": "train", "valid": "val", "test": "test"}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the files. A lesion is present where its mask has a pixel set; a blank mask is silent."""
    masks = {
        _key(path): path for path in list_images(root, ("**/EX/*.tif", "**/HE/*.tif", "**/MA/*.tif", "**/SE/*.tif"))
    }
    for image in list_images(root, ("**/image/*.jpg",)):
        split = ["", *image.split("/")][-3]
        lesions = [(word, masks[key]) for word in _LESIONS if (key := f"{split}/{word}/{stem(image)}") in masks]
        name = image.rpartition("/")[2]
        record = RawRecord(image, f"{split}/", official_split=_SPLITS.get(split), same_as=(("ddr", name),))
        yield from described(root, record, lesions)


def _key(path: str) -> str:
    """Set, lesion and stem: `train/EX/007-1774-100`, whatever the folder between the first two is called."""
    parts = path.split("/")
    return f"{parts[-4] if len(parts) > 3 else ''}/{parts[-2].upper()}/{stem(path)}"
