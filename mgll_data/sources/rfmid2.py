"""RFMiD 2.0: 860 photographs, each judged for 51 conditions; the tables are in Latin-1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError, UsageError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import flags, stem
from mgll_data.sources.tables import Row, made, read_csv

CARD = SourceCard(
    name="rfmid2",
    modality="fundus",
    title="Retinal Fundus Multi-disease Image Dataset 2.0 (RFMiD 2.0)",
    release="2.0",
    images=860,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://doi.org/10.5281/zenodo.7505822",
    cite="""@article{panchal2023rfmid2,
  title   = {Retinal Fundus Multi-Disease Image Dataset ({RFMiD}) 2.0: A Dataset of Frequently and Rarely Identified
             Diseases},
  author  = {Panchal, Sachin and Naik, Ankita and Kokare, Manesh and Pachade, Samiksha and others},
  journal = {Data},
  volume  = {8},
  number  = {2},
  pages   = {29},
  year    = {2023},
  doi     = {10.3390/data8020029}
}""",
    label_origin="Two retina experts, by consensus.",
    scope=(),
    silence="unknown",
    normal_excludes_all=True,
    layout="""Download from Zenodo and unpack. Any of the three sets may be left out. Picture numbers restart in every
set: keep the folders. Some headers hold odd bytes, and one is misspelled (OPDM); both are repaired. Abbreviations that
the published descriptions expand in different ways are kept as words without a concept.

rfmid2/
  Training_set/RFMiD_2_Training_labels.csv          ID, WNL and 50 conditions, 0 or 1
  Training_set/1.jpg
  Validation_set/RFMiD_2_Validation_labels.csv      Test_set/RFMiD_2_Testing_labels.csv""",
    needs=("**/RFMiD_2_*_labels.csv", "**/*.jpg"),
)

_SPLITS = {"Training": "train", "Validation": "val", "Testing": "test"}
_FOLDERS = {"training": "train", "train": "train", "validation": "val", "test": "test", "testing": "test"}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the training, validation and test set, in the order of their tables.

    Every column but ID is a word, present for 1 and absent for 0. Raises UsageError without a table.
    """
    images = Images(root, ("**/*.jpg", "**/*.jpeg", "**/*.png"), _key)
    tables = {name: list_images(root, (f"**/RFMiD_2_{name}_labels.csv",))[:1] for name in _SPLITS}
    if not any(tables.values()):
        raise UsageError(f"{root}: no RFMiD_2_Training_labels.csv, nor a table of the other two sets, at any depth.")
    for name, paths in tables.items():
        split = _SPLITS[name]

        def record(origin: str, row: Row, split: str = split, name: str = name) -> RawRecord:
            number = row["ID"].removesuffix(".0")
            image = images.take(f"{split}/{number}", f"{name}_set/{number}.jpg")
            words = {_word(column): value for column, value in row.items() if column != "ID"}
            labels = flags(words, tuple(words))
            if not labels:
                raise ExcludedError("no_label", "an empty row")
            return RawRecord(image, origin, labels=labels, official_split=split)

        for path in paths:
            rows = read_csv(root / path, required=("ID", "WNL"), encoding="latin-1")
            yield from made(path.rpartition("/")[2], rows, record)
    yield from images.unlisted()


def _word(column: str) -> str:
    """A header without the bytes that are no letters, and spelled right."""
    plain = re.sub("[^A-Za-z]", "", column)
    return {"OPDM": "ODPM"}.get(plain, plain)


def _key(path: str) -> str:
    """Split and picture number: `train/17`. A picture elsewhere keeps its path, which no row can name."""
    parts = path.split("/")
    split = _FOLDERS.get(re.split("[ _]", parts[-2].lower())[0]) if len(parts) > 1 else None
    return f"{split}/{stem(path)}" if split else f"/{path}"
