"""ChestX-Det10: 3,543 NIH films on which three radiologists boxed ten findings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mgll_data.errors import SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import corner_box, read_json
from mgll_data.sources.tables import quarantined

CARD = SourceCard(
    name="chestx_det10",
    modality="cxr",
    title="ChestX-Det10",
    release="2020",
    images=3_543,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://github.com/Deepwise-AILab/ChestX-Det10-Dataset",
    cite="""@misc{liu2020chestxdet10,
  title         = {{ChestX-Det10}: Chest {X}-ray Dataset on Detection of Thoracic Abnormalities},
  author        = {Liu, Jingyu and Lian, Jie and Yu, Yizhou},
  year          = {2020},
  eprint        = {2006.10550},
  archiveprefix = {arXiv},
  primaryclass  = {eess.IV}
}""",
    label_origin="Three board-certified radiologists boxed ten findings; a film without a finding's box has none.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Clone the repository for the two JSON files and unpack the pictures that its page links beside them. No
licence is stated. The films are NIH ChestX-ray14's under other names (36201.png), and no list says which: build that
set beside this one, so that equal films are found by their pixels.

chestx_det10/
  train.json           [{"file_name": ..., "syms": [...], "boxes": [[x1, y1, x2, y2], ...]}, ...]
  test.json
  train_data/<file_name>
  test_data/<file_name>""",
    needs=("train.json", "**/*.png"),
    derives=("nih_cxr14",),
)

WORDS = (
    "Atelectasis",
    "Calcification",
    "Consolidation",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Fracture",
    "Mass",
    "Nodule",
    "Pneumothorax",
)
_NIH_NAME = re.compile(r"\d{8}_\d{3}\.png")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of train.json, then of test.json; boxes in pixels of the distributed PNG."""
    yield from boxed_films(root, {"train": "train.json", "test": "test.json"}, WORDS)


def boxed_films(root: Path, lists: dict[str, str], words: Sequence[str]) -> Iterator[RawRecord | Rejected]:
    """Records of the lists (official split -> JSON file) in which each entry names a film, its findings and boxes.

    Each of `words` is stated of every film: present where it is among the findings, else absent. Lists but the first
    may be absent.
    """
    images = Images(root, ("**/*.png",))
    for place, (split, name) in enumerate(lists.items()):
        if place and not (root / name).is_file():
            continue
        entries = read_json(root / name)
        if not isinstance(entries, list):
            raise UsageError(f"{root / name}: a list of films was expected. Download the file again.")
        for number, entry in enumerate(entries, start=1):
            origin = f"{name}:{number}"
            try:
                yield _film(origin, entry, images, split, words)
            except SampleError as error:
                yield quarantined(origin, error)
    yield from images.unlisted()


def _film(origin: str, entry: Any, images: Images, split: str, words: Sequence[str]) -> RawRecord:
    try:
        name, found, boxes = str(entry["file_name"]), [str(word) for word in entry["syms"]], list(entry["boxes"])
    except (KeyError, TypeError) as error:
        raise SampleError("bad_row", "no file_name, syms or boxes") from error
    image = images.take(name, f"{split}_data/{name}" if name else "")
    if len(found) != len(boxes):
        raise SampleError("bad_row", f"{len(found)} findings and {len(boxes)} boxes")
    labels = dict.fromkeys(words, State.ABSENT) | dict.fromkeys(found, State.PRESENT)
    return RawRecord(
        image=image,
        origin=origin,
        labels=labels,
        regions=tuple(RawRegion(word, corner_box(box)) for word, box in zip(found, boxes, strict=True)),
        official_split=split,
        same_as=(("nih_cxr14", name),) if _NIH_NAME.fullmatch(name) else (),
    )
