"""FIVES: 800 photographs for vessel segmentation, a quarter each normal, diabetic, glaucomatous and with AMD."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import list_images
from mgll_data.sources.layouts import stem

CARD = SourceCard(
    name="fives",
    modality="fundus",
    title="FIVES: fundus image vessel segmentation",
    release="1",
    images=800,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://doi.org/10.6084/m9.figshare.19688169",
    cite="""@article{jin2022fives,
  title   = {{FIVES}: A Fundus Image Dataset for Artificial Intelligence Based Vessel Segmentation},
  author  = {Jin, Kai and Huang, Xingru and Zhou, Jingxing and Li, Yunxiang and Yan, Yan and Sun, Yibao and
             Zhang, Qianni and Wang, Yaqi and Ye, Juan},
  journal = {Scientific Data},
  volume  = {9},
  pages   = {475},
  year    = {2022},
  doi     = {10.1038/s41597-022-01564-3}
}""",
    label_origin="Ophthalmologists, one diagnosis an eye.",
    scope=(),
    silence="unknown",
    normal_excludes_all=True,
    layout="""Download from figshare and unpack. The letter in a name is the diagnosis. Vessel masks are in "Ground
truth" (one release writes "Groud truth") and are not read, nor is the quality sheet.

fives/
  train/Original/1_A.png        A age-related macular degeneration, D diabetic retinopathy, G glaucoma, N normal
  test/Original/1_N.png""",
    needs=("**/train/Original/*.png",),
)

_LETTERS = "ADGN"


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the training, then of the test set; the word is the letter in the name."""
    found = False
    for split in ("train", "test"):
        for image in list_images(root, (f"**/{split}/Original/*.png",)):
            found = True
            letter = stem(image).rpartition("_")[2].upper()
            if letter in _LETTERS:
                yield RawRecord(image, f"{split}/", labels={letter: State.PRESENT}, official_split=split)
            else:
                yield Rejected(image, f"{split}/", "quarantined", "bad_row", f"no letter of {_LETTERS} in the name")
    if not found:
        raise UsageError(f"{root}: no picture in train/Original or test/Original. Unpack the source there.")
