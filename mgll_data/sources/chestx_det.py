"""ChestX-Det: 3,578 NIH films with 13 findings boxed and outlined, the successor of ChestX-Det10."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.chestx_det10 import WORDS, boxed_films

CARD = SourceCard(
    name="chestx_det",
    modality="cxr",
    title="ChestX-Det",
    release="2021",
    images=3_578,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://github.com/Deepwise-AILab/ChestX-Det-Dataset",
    cite="""@misc{chestxdet2021,
  title = {{ChestX-Det} Dataset},
  author = {{Deepwise AI Lab}},
  url   = {https://github.com/Deepwise-AILab/ChestX-Det-Dataset},
  year  = {2021}
}""",
    label_origin="Three board-certified radiologists boxed 13 findings; a film without a finding's box has none.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Clone the repository for the two JSON files and unpack the two archives of pictures that its page links
beside them. No licence is stated. The films are NIH ChestX-ray14's under other names; build that set and chestx_det10
beside this one, so that equal films are found by their pixels. The polygons are not read; their boxes are.

chestx_det/
  ChestX_Det_train.json    [{"file_name": ..., "syms": [...], "boxes": [...], "polygons": [...]}, ...]
  ChestX_Det_test.json
  train_data/<file_name>   or train/<file_name>
  test_data/<file_name>""",
    needs=("ChestX_Det_train.json", "**/*.png"),
    derives=("nih_cxr14", "chestx_det10"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the training list, then of the test list; boxes in pixels of the distributed PNG."""
    words = (*WORDS, "Cardiomegaly", "Diffuse Nodule", "Pleural Thickening")
    yield from boxed_films(root, {"train": "ChestX_Det_train.json", "test": "ChestX_Det_test.json"}, words)
