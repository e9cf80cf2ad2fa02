"""E-ophtha: photographs of a screening network with exudates or microaneurysms drawn, and healthy ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import list_images
from mgll_data.sources.layouts import stem
from mgll_data.sources.masks import described

CARD = SourceCard(
    name="e_ophtha",
    modality="fundus",
    title="E-ophtha",
    release="2013",
    images=463,
    licence="LicenseRef-E-ophtha",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://www.adcis.net/en/third-party/e-ophtha/",
    cite="""@article{decenciere2013teleophta,
  title   = {{TeleOphta}: Machine Learning and Image Processing Methods for Teleophthalmology},
  author  = {Decenci{\\`e}re, Etienne and others},
  journal = {IRBM},
  volume  = {34},
  number  = {2},
  pages   = {196--203},
  year    = {2013},
  doi     = {10.1016/j.irbm.2013.01.010}
}""",
    label_origin="Ophthalmologists of the OPHDIAT network: lesions drawn pixel by pixel.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Register at ADCIS (research only). The folder says what a picture shows; the drawn masks give the boxes.
The folders named E and a number hold the pictures of one examination. 29 names stand in both parts.

e_ophtha/
  e_optha_EX/EX/E0000404/C0001273.jpg             e_optha_EX/healthy/E.../...jpg
  e_optha_EX/Annotation_EX/E0000404/C0001273_EX.png
  e_optha_MA/MA/E.../...jpg                       e_optha_MA/healthy/E.../...jpg
  e_optha_MA/Annotation_MA/E.../...png""",
    needs=("e_optha_EX/EX/**/*.*", "e_optha_MA/MA/**/*.*"),
)

_FOLDERS = (("e_optha_EX", "EX"), ("e_optha_EX", "healthy"), ("e_optha_MA", "MA"), ("e_optha_MA", "healthy"))
_PICTURES = ("*.jpg", "*.jpeg", "*.png")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records folder by folder; the word is the folder: EX, MA or healthy. The patient is the examination's folder."""
    masks = {_key(path): path for path in list_images(root, ("**/Annotation_*/**/*.png",))}
    for image in list_images(root, [f"{part}/{word}/**/{name}" for part, word in _FOLDERS for name in _PICTURES]):
        part, word, *inner = image.split("/")
        patient = inner[0] if len(inner) > 1 else None
        record = RawRecord(image, f"{part}/{word}/", patient=patient, labels={word: State.PRESENT})
        path = masks.get(_key(image)) if word != "healthy" else None
        yield from described(root, record, [(word, path)] if path else [])


def _key(path: str) -> str:
    """Part, examination and picture: `e_optha_EX/E0000404/c0001273`."""
    parts = path.split("/")
    return f"{parts[0]}/{parts[-2]}/{stem(path).removesuffix('_ex').removesuffix('_ma')}"
