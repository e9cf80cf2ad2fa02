"""PALM (iChallenge-PM): photographs with pathologic myopia, high myopia or neither, with lesion masks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.adam import lettered
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import graded, spreadsheet
from mgll_data.sources.tables import Row, made

CARD = SourceCard(
    name="palm",
    modality="fundus",
    title="Pathologic Myopia Challenge (PALM, iChallenge-PM)",
    release="2019",
    images=1_200,
    licence="LicenseRef-iChallenge-research",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://palm.grand-challenge.org/",
    cite="""@article{fang2024palm,
  title   = {Open Fundus Photograph Dataset with Pathologic Myopia Recognition and Anatomical Structure Annotation},
  author  = {Fang, Huihui and Li, Fei and Wu, Junde and Fu, Huazhu and others},
  journal = {Scientific Data},
  volume  = {11},
  pages   = {99},
  year    = {2024},
  doi     = {10.1038/s41597-024-02911-2}
}""",
    label_origin="Clinical diagnosis: pathologic myopia (P), high myopia without it (H), neither (N).",
    scope=("fundus.pm",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Join the challenge and unpack its archives. A training picture's first letter is its class; validation
pictures stand in the sheet, where 0 holds both H and N. In the masks black is lesion: a white mask is no finding.
Pictures of the test set have no public label and are counted as unlisted.

palm/
  PALM-Training400/P0001.jpg, H0001.jpg, N0001.jpg ...
  PALM-Training400-Annotation-Lession/Lesion_Masks/{Atrophy,Detachment}/P0001.bmp
  PALM-Validation400/V0001.jpg ...
  PALM-Validation-GT/PM_Label_and_Fovea_Location.xlsx""",
    needs=("**/P*.jpg",),
)

LESIONS = ("Atrophy", "Detachment")
_NAME = re.compile(r"([PHN])\d{4}\.jpg", re.IGNORECASE)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Training pictures by name (words `P`, `H`, `N` and the lesions), then the sheet (`Label=1`, `Label=0`)."""
    training = ("**/P????.jpg", "**/H????.jpg", "**/N????.jpg")
    yield from lettered(root, list_images(root, training), _NAME, LESIONS)
    images = Images(root, ("**/V????.jpg", "**/T????.jpg"))

    def record(origin: str, row: Row) -> RawRecord:
        image = images.take(row["imgName"], f"PALM-Validation400/{row['imgName']}")
        return RawRecord(image, origin, labels=graded(row, "Label"), official_split="val")

    sheets = list_images(root, ("**/PM_Label_and_Fovea_Location.*",))
    for path in sorted({(root / sheet).with_suffix(".xlsx") for sheet in sheets}):
        yield from made(path.name, spreadsheet(path, required=("imgName", "Label")), record)
    yield from images.unlisted()
