"""DIARETDB0: 130 photographs with the presence of five lesions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import stem, text_rows
from mgll_data.sources.tables import made

CARD = SourceCard(
    name="diaretdb0",
    modality="fundus",
    title="DIARETDB0 v1.1",
    release="1.1",
    images=130,
    licence="LicenseRef-DIARETDB0",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://www.it.lut.fi/project/imageret/diaretdb0/",
    cite="""@misc{diaretdb0,
  title = {DIARETDB0 v1.1},
  year  = {2006},
  url   = {https://www.it.lut.fi/project/imageret/diaretdb0/}
}""",
    label_origin="Experts, five lesions looked for in every picture.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download diaretdb0_v_1_1.zip (research only) and unpack it. A ground-truth file holds five words in a
fixed order, "n/a" where the lesion is not there: the evaluation that comes with the set counts it as absent.

diaretdb0/                                  at any depth
  diaretdb0_fundus_images/image001.png
  diaretdb0_groundtruths/image001.dot       redsmalldots hemorrhages n/a n/a n/a""",
    needs=("**/*.png", "**/*.dot"),
)

_LESIONS = ("redsmalldots", "hemorrhages", "hardexudates", "softexudates", "neovascularisation")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the ground-truth files; a lesion is present or absent."""
    images = Images(root, ("**/*.png",), stem)

    def record(origin: str, row: list[str]) -> RawRecord:
        name = origin.partition(".")[0]
        image = images.take(name.lower(), f"diaretdb0_fundus_images/{name}.png")
        if any(word not in (lesion, "n/a") for word, lesion in zip(row, _LESIONS, strict=True)):
            raise SampleError("bad_row", "a word that is not the lesion of its place")
        states = (State.PRESENT if word in _LESIONS else State.ABSENT for word in row)
        return RawRecord(image, origin, labels=dict(zip(_LESIONS, states, strict=True)))

    files = list_images(root, ("**/*.dot",))
    if not files:
        raise UsageError(f"{root}: no ground-truth file image001.dot, at any depth.")
    for path in files:
        yield from made(path.rpartition("/")[2], text_rows(root / path, len(_LESIONS)), record)
    yield from images.unlisted()
