"""TBX11K: 11,200 films for tuberculosis in three folders, health, sick and tb, with boxes where there is disease."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mgll_data.errors import SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import read_json
from mgll_data.sources.tables import corners, quarantined

CARD = SourceCard(
    name="tbx11k",
    modality="cxr",
    title="TBX11K",
    release="2020",
    images=11_200,
    licence="CC-BY-NC-SA-2.0",
    open_licence=False,
    access="open",
    redistributable=True,
    url="https://github.com/yun-liu/Tuberculosis",
    cite="""@inproceedings{liu2020rethinking,
  title     = {Rethinking Computer-Aided Tuberculosis Diagnosis},
  author    = {Liu, Yun and Wu, Yu-Huan and Ban, Yunfeng and Wang, Huifang and Cheng, Ming-Ming},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  pages     = {2643--2652},
  year      = {2020},
  doi       = {10.1109/CVPR42600.2020.00272}
}""",
    label_origin="""Folders by the patient's diagnosis; radiologists boxed and named the tuberculosis that the film
shows.""",
    scope=(),
    silence="unknown",
    normal_excludes_all=True,
    layout="""Download TBX11K.zip from the links on the page and unpack it. Pictures have 512 x 512 pixels. imgs/test
has no labels and imgs/extra holds other sets (Montgomery, Shenzhen, DA, DB): neither is read.

tbx11k/
  annotations/json/TBX11K_train.json    COCO: images, annotations, categories
  annotations/json/TBX11K_val.json
  imgs/health/<name>.png
  imgs/sick/<name>.png
  imgs/tb/<name>.png""",
    needs=("annotations/json/TBX11K_train.json", "imgs/**/*.png"),
    derives=("montgomery", "shenzhen"),
)

_FOLDERS = ("health", "sick", "tb")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the training list, then of the validation list; boxes in pixels of the picture.

    Labels are the picture's folder and the categories of its boxes. A film in `tb` without a box is that of a patient
    with tuberculosis and need not show it.
    """
    images = Images(root / "imgs", ("**/*.png",), key=lambda path: path)
    for split in ("train", "val"):
        name = f"TBX11K_{split}.json"
        path = root / "annotations" / "json" / name
        if split == "val" and not path.is_file():
            continue
        content = read_json(path)
        try:
            categories = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
            films, boxes = list(content["images"]), list(content["annotations"])
        except (KeyError, TypeError) as error:
            raise UsageError(f"{path}: no images, annotations or categories. Download it again.") from error
        found: dict[Any, list[RawRegion]] = {}
        for number, box in enumerate(boxes, start=1):
            try:
                found.setdefault(box["image_id"], []).append(_region(box, categories))
            except SampleError as error:
                yield quarantined(f"{name}: annotation {number}", error)
        for number, film in enumerate(films, start=1):
            try:
                yield _record(f"{name}: image {number}", film, found, images, split)
            except SampleError as error:
                yield quarantined(f"{name}: image {number}", error)
    for rest in images.unlisted():
        yield Rejected(f"imgs/{rest.image}", "", rest.outcome, rest.reason, rest.detail)


def _region(box: Any, categories: dict[Any, str]) -> RawRegion:
    try:
        x, y, width, height = (str(value) for value in box["bbox"])
        return RawRegion(categories[box["category_id"]], corners(x, y, width, height))
    except (KeyError, TypeError, ValueError) as error:
        raise SampleError("bad_row", "no box of four numbers under a listed category") from error


def _record(origin: str, film: Any, found: dict[Any, list[RawRegion]], images: Images, split: str) -> RawRecord:
    try:
        name, regions = str(film["file_name"]), tuple(found.get(film["id"], ()))
    except (KeyError, TypeError) as error:
        raise SampleError("bad_row", "no file_name or id") from error
    image = images.take(name, name)
    folder = name.partition("/")[0]
    if folder not in _FOLDERS or (regions and folder != "tb"):
        raise SampleError("bad_row", "a folder that is none of health, sick and tb, or boxes outside tb")
    words = (folder, *(region.label for region in regions))
    labels = dict.fromkeys(words, State.PRESENT)
    return RawRecord(f"imgs/{image}", origin, labels=labels, regions=regions, official_split=split)
