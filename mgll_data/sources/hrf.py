"""HRF: 45 photographs of healthy, diabetic and glaucomatous eyes, and 18 pairs of sharp and poor ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import by_name

CARD = SourceCard(
    name="hrf",
    modality="fundus",
    title="High-Resolution Fundus Image Database (HRF)",
    release="2013",
    images=81,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://www5.cs.fau.de/research/data/fundus-images/",
    cite="""@article{budai2013robust,
  title   = {Robust Vessel Segmentation in Fundus Images},
  author  = {Budai, Attila and Bock, R{\\"u}diger and Maier, Andreas and Hornegger, Joachim and Michelson, Georg},
  journal = {International Journal of Biomedical Imaging},
  year    = {2013},
  doi     = {10.1155/2013/154860}
}""",
    label_origin="Clinical groups: healthy, diabetic retinopathy, glaucoma; the pairs show an eye sharp and blurred.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download the images (all.zip) and, if wanted, the quality pairs, and unpack both. Vessel and field masks
(.tif) are not read.

hrf/
  images/01_h.jpg, 01_dr.JPG, 01_g.jpg ...
  quality/1_good.JPG, 1_bad.JPG ...""",
    needs=("**/*_h.*",),
)

_NAME = re.compile(r"(\d+)_(h|dr|g|good|bad)\.jpe?g", re.IGNORECASE)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records by file name; the words are `h`, `dr`, `g`, `good` and `bad`. A pair is one patient."""

    def record(image: str) -> RawRecord | None:
        if not (match := _NAME.fullmatch(image.rpartition("/")[2])):
            return None
        word = match[2].lower()
        pair = f"pair {int(match[1])}" if word in ("good", "bad") else None
        return RawRecord(image, "name", patient=pair, labels={word: State.PRESENT})

    yield from by_name(root, ("**/*.jpg", "**/*.jpeg"), record)
