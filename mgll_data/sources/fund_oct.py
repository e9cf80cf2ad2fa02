"""FUND-OCT: fundus photographs and OCT scans of the same eyes, in folders by disease."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import list_images
from mgll_data.sources.layouts import PICTURES

CARD = SourceCard(
    name="fund_oct",
    modality="fundus",
    title="Composite retinal fundus and OCT dataset (Hassan)",
    release="4",
    images=179,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://data.mendeley.com/datasets/trghs22fpg/4",
    cite="""@misc{fund_oct,
  title = {Composite retinal fundus and OCT dataset (Hassan)},
  year  = {2021},
  url   = {https://data.mendeley.com/datasets/trghs22fpg/4}
}""",
    label_origin="Ophthalmologists of the Armed Forces Institute of Ophthalmology, Rawalpindi.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download from Mendeley Data and unpack. Photographs have Color in their names; all other pictures are OCT
scans or screens and are excluded. ci-DME is edema that involves the center. A healthy disc says nothing of the macula,
and the other way round.

fund_oct/Dataset/
  OD/Glaucoma/<patient>/<exam>/...Color....jpg          OD/Healthy/
  Macula/acute CSR/    chronic CSR/    ci-DME/    geographic_AMD/    neovascular_AMD/    Healthy/""",
    needs=("**/Macula/*/*/*/*",),
)

_CLASSES = (
    "OD/Glaucoma",
    "OD/Healthy",
    "Macula/acute CSR",
    "Macula/chronic CSR",
    "Macula/ci-DME",
    "Macula/geographic_AMD",
    "Macula/neovascular_AMD",
    "Macula/Healthy",
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the files; the word is `<region>/<class>`. The patient is the folder below the class."""
    classes = {word.lower(): word for word in _CLASSES}
    for image in list_images(root, PICTURES):
        parts = image.split("/")
        at = next((i for i, part in enumerate(parts) if part in ("OD", "Macula")), len(parts))
        word = classes.get("/".join(parts[at : at + 2]).lower())
        if "color" not in parts[-1].lower():
            yield Rejected(image, "", "excluded", "not_fundus", "no Color in its name: an OCT scan or a screen")
        elif word is None or len(parts) != at + 5:
            yield Rejected(image, "", "excluded", "unlisted", "no class folder holds it")
        else:
            labels = {word: State.PRESENT}
            yield RawRecord(image, f"{word}/", patient=parts[at + 2], study=parts[at + 3], labels=labels)
