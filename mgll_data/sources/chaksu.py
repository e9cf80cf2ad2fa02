"""Chaksu IMAGE: 1,345 photographs of three Indian cameras, each judged by five experts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError, SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.tables import Row, records

CARD = SourceCard(
    name="chaksu",
    modality="fundus",
    title="Chaksu: A glaucoma specific fundus image database",
    release="2",
    images=1_345,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://doi.org/10.6084/m9.figshare.20123135",
    cite="""@article{kumar2023chaksu,
  title   = {Ch{\\'a}k{\\d{s}}u: A Glaucoma Specific Fundus Image Database},
  author  = {Kumar, J. R. Harish and Seelamantula, Chandra Sekhar and Gagan, J. H. and others},
  journal = {Scientific Data},
  volume  = {10},
  pages   = {70},
  year    = {2023},
  doi     = {10.1038/s41597-023-01943-4}
}""",
    label_origin="Five experts called each photograph normal or a glaucoma suspect; nobody diagnosed glaucoma.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download Train.zip and Test.zip from figshare and unpack both. Names differ in case between tables and
files, one camera is spelled Remidio or Remedio, and a table may call a picture Image101.jpg-Image101-1.jpg.

chaksu/
  Train/1.0_Original_Fundus_Images/{Bosch,Forus,Remidio}/Image101.jpg
  Train/6.0_Glaucoma_Decision/Glaucoma_Decision_Comparison_Bosch_majority.csv (and Forus, Remidio)
  Test/...""",
    needs=("**/1.0_Original_Fundus_Images/*/*.*", "**/Glaucoma_Decision_Comparison_*_majority.csv"),
    votes=True,
)

_TABLE = re.compile(r"(?:.*/)?(train|test)/.*glaucoma_decision_comparison_(bosch|forus|rem[ie]dio)_majority\.csv")
_EXPERTS = tuple(f"Expert.{number}" for number in range(1, 6))
_VERDICTS = ("Majority Decision", "Glaucoma Decision")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the tables: votes of the experts for `GLAUCOMA SUSPECT`, `NORMAL` where nobody gave one.

    Where a table names no experts, the verdict of the majority is the word. Raises UsageError without a table.
    """
    images = Images(root, tuple(f"**/1.0_Original_Fundus_Images/**/*.{kind}" for kind in ("jpg", "png", "jpeg")), _key)
    tables = [(path, match) for path in list_images(root, ("**/*.csv",)) if (match := _TABLE.fullmatch(path.lower()))]
    if not tables:
        raise UsageError(f"{root}: no Train/6.0_Glaucoma_Decision/Glaucoma_Decision_Comparison_<camera>_majority.csv.")
    for path, match in tables:
        split, camera = match[1], _camera(match[2])

        def record(origin: str, row: Row, split: str = split, camera: str = camera) -> RawRecord:
            name = row["Images"].split("-")[0]
            key = f"{split}/{camera}/{name.rpartition('.')[0].lower()}" if name else ""
            image = images.take(key, f"{split.title()}/1.0_Original_Fundus_Images/{camera.title()}/{name}")
            said = [_verdict(row[expert]) for expert in _EXPERTS if row.get(expert)]
            verdict = next((_verdict(row[column]) for column in _VERDICTS if row.get(column)), None)
            if not said and verdict is None:
                raise ExcludedError("no_label", "neither experts nor a verdict")
            suspected = said.count("GLAUCOMA SUSPECT")
            votes = {"GLAUCOMA SUSPECT": (suspected, len(said))} if said else {}
            word = verdict if not said else None if suspected else "NORMAL"
            labels = {word: State.PRESENT} if word else {}
            return RawRecord(image, origin, labels=labels, votes=votes, device=camera.title(), official_split=split)

        yield from records(root / path, ("Images",), record)
    yield from images.unlisted()


def _verdict(text: str) -> str:
    """NORMAL or GLAUCOMA SUSPECT, however it is spelled (`GLAUCOMA  SUSUPECT` occurs)."""
    word = " ".join(text.upper().split())
    if word != "NORMAL" and not re.fullmatch(r"GLAUCOMA SUSU?PECT", word):
        raise SampleError("bad_row", "a verdict that is neither NORMAL nor GLAUCOMA SUSPECT")
    return "NORMAL" if word == "NORMAL" else "GLAUCOMA SUSPECT"


def _camera(name: str) -> str:
    return name.lower().replace("remedio", "remidio")


def _key(path: str) -> str:
    """`train/bosch/image101`. A picture elsewhere keeps its path, which no row can name."""
    parts = path.lower().split("/")
    split = next((part for part in parts if part in ("train", "test")), None)
    return f"{split}/{_camera(parts[-2])}/{parts[-1].rpartition('.')[0]}" if split else f"/{path}"
