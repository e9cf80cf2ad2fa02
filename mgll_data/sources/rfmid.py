"""RFMiD 1.0: 3,200 photographs, each judged for 45 conditions, the rare ones merged in the challenge's version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from mgll_data.errors import SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.tables import Row, records

CARD = SourceCard(
    name="rfmid",
    modality="fundus",
    title="Retinal Fundus Multi-disease Image Dataset (RFMiD)",
    release="1.0",
    images=3_200,
    licence="CC-BY-4.0",
    open_licence=True,
    access="registration",
    redistributable=True,
    url="https://ieee-dataport.org/open-access/retinal-fundus-multi-disease-image-dataset-rfmid",
    cite="""@article{pachade2021rfmid,
  title   = {Retinal Fundus Multi-Disease Image Dataset ({RFMiD}): A Dataset for Multi-Disease Detection Research},
  author  = {Pachade, Samiksha and Porwal, Prasanna and Thulkar, Dhanshree and Kokare, Manesh and
             Deshmukh, Girish and Sahasrabuddhe, Vivek and Giancardo, Luca and Quellec, Gwenol{\\'e} and
             M{\\'e}riaudeau, Fabrice},
  journal = {Data},
  volume  = {6},
  number  = {2},
  pages   = {14},
  year    = {2021},
  doi     = {10.3390/data6020014}
}""",
    label_origin="Adjudicated consensus of two retina experts.",
    scope=(),
    silence="unknown",
    normal_excludes_all=True,
    layout="""Download the data set from IEEE DataPort (free account) and unpack it, or take the challenge's version
(RIADD on grand-challenge.org, "retinal-disease-classification" on Kaggle; its card says CC BY-SA 4.0). Any of the
three sets may be left out. The picture numbers restart at 1 in every set: keep the folders, which may lie deeper.

rfmid/                                             rfmid/
  1. Original Images/                                Training_Set/
    a. Training Set/1.png                              RFMiD_Training_Labels.csv
    b. Validation Set/1.png                            Training/1.png
    c. Testing Set/1.png                             Evaluation_Set/
  2. Groundtruths/                                     RFMiD_Validation_Labels.csv
    a. RFMiD_Training_Labels.csv                       Validation/1.png
    b. RFMiD_Validation_Labels.csv                   Test_Set/
    c. RFMiD_Testing_Labels.csv                        RFMiD_Testing_Labels.csv
                                                       Test/1.png""",
    needs=("**/*RFMiD_*Labels.csv*", "**/*.png"),
)

_TABLE = re.compile(r"(?:[abc]\. ?)?RFMiD_(Training|Validation|Testing)_Labels\.csv(?:\.gz)?", re.IGNORECASE)
_SPLITS = {"training": "train", "validation": "val", "testing": "test"}
_FOLDERS = {
    "a. training set": "train",
    "b. validation set": "val",
    "c. testing set": "test",
    "training": "train",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_EXPECTED = {"train": "a. Training Set", "val": "b. Validation Set", "test": "c. Testing Set"}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the training, validation and testing set, in the order of their tables.

    Every column but ID is a word, present for 1 and absent for 0; an empty cell says nothing. `Disease_Risk` is the
    word `Disease_Risk=0` or `Disease_Risk=1`. Raises UsageError without a table or with two of one set.
    """
    images = Images(root, ("**/*.png",), _key)
    tables = _tables(root)
    for split, table in tables.items():

        def record(origin: str, row: Row, split: str = split) -> RawRecord:
            name = row["ID"]
            image = images.take(f"{split}/{name}", f"1. Original Images/{_EXPECTED[split]}/{name}.png")
            labels = dict(_label(column, value) for column, value in row.items() if value and column != "ID")
            if not labels:
                raise SampleError("bad_row", "no label")
            return RawRecord(image, origin, labels=labels, official_split=split)

        yield from records(table, ("ID", "Disease_Risk"), record)
    yield from images.unlisted()


def _label(column: str, value: str) -> tuple[str, State]:
    if value not in ("0", "1"):
        raise SampleError("bad_row", "a label that is neither 0 nor 1")
    if column == "Disease_Risk":
        return f"{column}={value}", State.PRESENT
    return column, State.PRESENT if value == "1" else State.ABSENT


def _tables(root: Path) -> dict[str, Path]:
    """Split -> label table, in the order train, val, test."""
    found: dict[str, Path] = {}
    for path in list_images(root, ("**/*.csv", "**/*.csv.gz")):
        match = _TABLE.fullmatch(unquote(path.rpartition("/")[2]))
        if match:
            split = _SPLITS[match[1].lower()]
            if split in found:
                raise UsageError(f"{root / path}: a second label table of this set, beside {found[split]}. Remove one.")
            found[split] = root / path
    if not found:
        raise UsageError(f"{root}: no RFMiD_Training_Labels.csv, nor a table of the other two sets, at any depth.")
    return {split: found[split] for split in _SPLITS.values() if split in found}


def _key(path: str) -> str:
    """Split and picture number: `train/17`. A picture elsewhere keeps its path, which no row can name."""
    parts = unquote(path).split("/")
    split = _FOLDERS.get(parts[-2].lower()) if len(parts) > 1 else None
    return f"{split}/{parts[-1].rpartition('.')[0]}" if split else f"/{path}"
