"""DRIVE: 40 photographs from screening for diabetic retinopathy, of which the publishers describe the abnormal ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import by_name

CARD = SourceCard(
    name="drive",
    modality="fundus",
    title="DRIVE: Digital Retinal Images for Vessel Extraction",
    release="2004",
    images=40,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://drive.grand-challenge.org/",
    cite="""@article{staal2004ridge,
  title   = {Ridge-Based Vessel Segmentation in Color Images of the Retina},
  author  = {Staal, Joes and Abr{\\`a}moff, Michael D. and Niemeijer, Meindert and others},
  journal = {IEEE Transactions on Medical Imaging},
  volume  = {23},
  number  = {4},
  pages   = {501--509},
  year    = {2004},
  doi     = {10.1109/TMI.2004.825627}
}""",
    label_origin="The publishers describe seven pictures in a line each and say that the other 33 show no sign of "
    "diabetic retinopathy. (They also count seven with retinopathy; two of their lines deny it.)",
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Join the challenge and unpack the archive; we know of no stated licence. Vessel and field masks are not
read.

drive/
  training/images/21_training.tif ... 40_training.tif
  test/images/01_test.tif ... 20_test.tif""",
    needs=("**/images/*_t*.tif",),
)

_BACKGROUND = ("background diabetic retinopathy",)
_SCAR = ("pigment epithelium changes", "pigmented scar in fovea or choroidiopathy", "no diabetic retinopathy")
_NO_VESSEL = "no other vascular abnormalities"
DESCRIBED = {
    "25_training": (_SCAR[0], "probably butterfly maculopathy", *_SCAR[1:], _NO_VESSEL),
    "26_training": (*_BACKGROUND, "pigmentary epithelial atrophy", "atrophy around optic disk"),
    "32_training": _BACKGROUND,
    "03_test": _BACKGROUND,
    "08_test": (*_SCAR, _NO_VESSEL),
    "14_test": _BACKGROUND,
    "17_test": _BACKGROUND,
}
_OTHERS = ("no sign of diabetic retinopathy",)
_NAME = re.compile(r"((?:2[1-9]|3\d|40)_training|(?:0[1-9]|1\d|20)_test)\.tif", re.IGNORECASE)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records by file name, with the publishers' words for this picture."""

    def record(image: str) -> RawRecord | None:
        if not (match := _NAME.fullmatch(image.rpartition("/")[2])):
            return None
        name = match[1].lower()
        labels = dict.fromkeys(DESCRIBED.get(name, _OTHERS), State.PRESENT)
        return RawRecord(image, "name", labels=labels, official_split="train" if "training" in name else "test")

    yield from by_name(root, ("**/images/*.tif",), record)
