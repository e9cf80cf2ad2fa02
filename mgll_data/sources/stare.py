"""STARE: 397 photographs with a diagnosis in free text, doubts and slips of the pen included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import stem
from mgll_data.sources.tables import made

CARD = SourceCard(
    name="stare",
    modality="fundus",
    title="STARE: structured analysis of the retina",
    release="1",
    images=397,
    licence="LicenseRef-STARE",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://cecas.clemson.edu/~ahoover/stare/",
    cite="""@article{hoover2000stare,
  title   = {Locating Blood Vessels in Retinal Images by Piecewise Threshold Probing of a Matched Filter Response},
  author  = {Hoover, Adam and Kouznetsova, Valentina and Goldbaum, Michael},
  journal = {IEEE Transactions on Medical Imaging},
  volume  = {19},
  number  = {3},
  pages   = {203--210},
  year    = {2000},
  doi     = {10.1109/42.845178}
}""",
    label_origin="Two experts, one diagnosis in free text.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download all-images.zip and all-mg-codes.txt from the site (research only). Each line holds a name,
numeric codes and a diagnosis; the text is read, not the codes. Alternatives ("or"), question marks and remarks in
brackets make a diagnosis uncertain. The twenty pictures for vessel segmentation are among these.

stare/
  all-mg-codes.txt          im0001<tab>13 14<tab>Choroidal Neovascularization AND ...
  im0001.ppm                at any depth""",
    needs=("**/all-mg-codes.txt", "**/im*.ppm"),
)

_FIELD = re.compile(r"\t+| {4,}")
_ADVICE = re.compile(r"\(recommendation: ?don't use\)")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the list; words are the parts of the diagnosis, lower-cased."""
    lists = list_images(root, ("**/all-mg-codes.txt",))
    if not lists:
        raise UsageError(f"{root}: no all-mg-codes.txt, at any depth. Download it from the page of the source.")
    images = Images(root, ("**/im*.ppm",), stem)
    lines = (root / lists[0]).read_text(encoding="latin-1").splitlines()

    def record(origin: str, row: list[str]) -> RawRecord:
        image = images.take(row[0].lower(), f"{row[0]}.ppm")
        labels = diagnoses(row[-1]) if len(row) > 1 else {}
        if not labels:
            raise ExcludedError("no_label", "no diagnosis")
        return RawRecord(image, origin, labels=labels)

    rows = ((number, _FIELD.split(line.strip())) for number, line in enumerate(lines, start=1) if line.strip())
    yield from made("all-mg-codes.txt", rows, record)
    yield from images.unlisted()


def diagnoses(text: str) -> dict[str, State]:
    """Parts of a diagnosis and their states. Uncertain: all where alternatives stand, else those in doubt."""
    plain = _ADVICE.sub(" ? ", text.lower().replace('"', " "))
    either = re.search(r"\bor\b", plain) is not None
    states: dict[str, State] = {}
    for part in re.split(r"\band\b|\bor\b|&", plain):
        word = " ".join(re.sub(r"\[[^]]*\]|\?", " ", part).split()).strip(" .,;:")
        doubt = either or "?" in part or "[" in part
        if word and not word.replace(" ", "").isdigit():
            states.setdefault(word, State.UNCERTAIN if doubt else State.PRESENT)
    return states
