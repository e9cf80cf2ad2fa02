"""ADAM (iChallenge-AMD): 400 photographs with age-related macular degeneration or without, with lesion masks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import list_images
from mgll_data.sources.layouts import stem
from mgll_data.sources.masks import described

CARD = SourceCard(
    name="adam",
    modality="fundus",
    title="Automatic Detection challenge on Age-related Macular degeneration (ADAM, iChallenge-AMD), training set",
    release="2020",
    images=400,
    licence="LicenseRef-iChallenge-research",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://amd.grand-challenge.org/",
    cite="""@article{fang2022adam,
  title   = {{ADAM} Challenge: Detecting Age-Related Macular Degeneration from Fundus Images},
  author  = {Fang, Huihui and Li, Fei and Fu, Huazhu and others},
  journal = {IEEE Transactions on Medical Imaging},
  volume  = {41},
  number  = {10},
  pages   = {2828--2847},
  year    = {2022}
}""",
    label_origin="Clinical diagnosis: AMD or not (myopic eyes are among the rest). Ophthalmologists drew the lesions.",
    scope=("fundus.amd",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Join the challenge and unpack the training set and its lesion masks. Names begin with A (AMD, 89) or N
(311). In the masks black is lesion and white is none: a white mask is no finding. An eye without a mask file of a
lesion was not necessarily judged for it.

adam/
  Training400/AMD/A0001.jpg ...   Training400/Non-AMD/N0001.jpg ...
  Training400-Lesion/Lesion_Masks/{drusen,exudate,hemorrhage,others,scar}/A0001.bmp""",
    needs=("**/Training400/**/A*.jpg",),
)

LESIONS = ("drusen", "exudate", "hemorrhage", "others", "scar")
_NAME = re.compile(r"([AN])\d{4}\.jpg", re.IGNORECASE)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records by file name: the words `A` and `N`, and the lesions whose masks have black pixels, with boxes."""
    yield from lettered(root, list_images(root, ("**/Training400/**/*.jpg",)), _NAME, LESIONS)


def lettered(
    root: Path, images: Iterable[str], name: re.Pattern[str], lesions: Sequence[str]
) -> Iterator[RawRecord | Rejected]:
    """Records of training pictures whose first letter is their label, with `Lesion_Masks/<lesion>/<name>.bmp`.

    In the masks of these challenges 0 is lesion and 255 is background.
    """
    masks = {tuple(path.lower().split("/")[-2:]): path for path in list_images(root, ("**/Lesion_Masks/*/*.bmp",))}
    for image in images:
        if not (match := name.fullmatch(image.rpartition("/")[2])):
            yield Rejected(image, "", "excluded", "unlisted", "its name holds no label of this source")
            continue
        record = RawRecord(image, "name", labels={match[1].upper(): State.PRESENT}, official_split="train")
        own = [(lesion, masks.get((lesion.lower(), f"{stem(image)}.bmp"))) for lesion in lesions]
        yield from described(root, record, [(word, path) for word, path in own if path], low=0, high=127)
