"""DR1 and DR2 (Pires): photographs in a folder for each lesion, some in several folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import list_images
from mgll_data.sources.layouts import PICTURES, stem

CARD = SourceCard(
    name="dr1_dr2",
    modality="fundus",
    title="DR1 and DR2",
    release="2014",
    images=1_522,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://doi.org/10.6084/m9.figshare.953671",
    cite="""@article{pires2014advancing,
  title   = {Advancing Bag-of-Visual-Words Representations for Lesion Classification in Retinal Images},
  author  = {Pires, Ramon and Jelinek, Herbert F. and Wainer, Jacques and Valle, Eduardo and Rocha, Anderson},
  journal = {PLOS ONE},
  volume  = {9},
  number  = {6},
  pages   = {e96814},
  year    = {2014},
  doi     = {10.1371/journal.pone.0096814}
}""",
    label_origin="Medical specialists, one folder a lesion.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download from figshare and unpack; its licence was not read, so consent is asked for. A photograph with
several lesions lies in several folders under one name: it gives one record with all of them, and its other copies are
excluded.

dr1_dr2/
  Cotton-wool Spots/    Deep Hemorrhages/    Drusen/    Hard Exudates/    Normal Images/    Red Lesions/
  Superficial Hemorrhages/""",
    needs=("Normal Images/*",),
)

_FOLDERS = (
    "Cotton-wool Spots",
    "Deep Hemorrhages",
    "Drusen",
    "Hard Exudates",
    "Normal Images",
    "Red Lesions",
    "Superficial Hemorrhages",
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the folders; a word is the name of a folder that holds the photograph."""
    places: dict[str, list[str]] = {}
    for image in list_images(root, PICTURES):
        if image.count("/") == 1 and image.partition("/")[0] in _FOLDERS:
            places.setdefault(stem(image), []).append(image)
        else:
            yield Rejected(image, "", "excluded", "unlisted", "no lesion's folder holds it")
    if not places:
        raise UsageError(f"{root}: none of the folders {', '.join(_FOLDERS)} holds a picture. Unpack the source there.")
    for first, *others in places.values():
        words = [path.partition("/")[0] for path in (first, *others)]
        yield RawRecord(first, f"{words[0]}/", labels=dict.fromkeys(words, State.PRESENT))
        for path in others:
            yield Rejected(path, "", "excluded", "unlisted", "the same photograph again, its lesion is merged")
