"""HEI-MED: 169 photographs with exudates and microaneurysms listed for the study of macular edema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import list_images
from mgll_data.sources.layouts import stem

CARD = SourceCard(
    name="hei_med",
    modality="fundus",
    title="Hamilton Eye Institute Macular Edema Dataset",
    release="1.0",
    images=169,
    licence="LicenseRef-HEI-MED",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://github.com/lgiancaUTH/HEI-MED",
    cite="""@article{giancardo2012exudate,
  title   = {Exudate-Based Diabetic Macular Edema Detection in Fundus Images Using Publicly Available Datasets},
  author  = {Giancardo, Luca and Meriaudeau, Fabrice and Karnowski, Thomas P. and others},
  journal = {Medical Image Analysis},
  volume  = {16},
  pages   = {216--226},
  year    = {2012},
  doi     = {10.1016/j.media.2011.07.004}
}""",
    label_origin="An ophthalmologist outlined the exudates and microaneurysms.",
    scope=("fundus.ex",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Clone the repository (non-commercial research only). The .meta files hold dates of birth and other
personal facts: they are never opened, and may be deleted. A .GND file lists the lesions that were outlined; a picture
without one has no statement, although the tools of the set take it for healthy.

hei_med/
  DMED/00000001.jpg
  DMED/00000001.GND""",
    needs=("**/*.jpg", "**/*.GND"),
)

_WORDS = ("Exudate", "MicroAneurysm")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the pictures; words are Exudate, MicroAneurysm and `other lesion`.

    A .GND file without an exudate denies exudates, as the set was made to find them; it denies nothing else.
    """
    lists = {stem(path): path for path in list_images(root, ("**/*.GND",))}
    for image in list_images(root, ("**/*.jpg",)):
        path = lists.get(stem(image))
        if path is None:
            yield Rejected(image, "", "excluded", "no_label", "no .GND file")
            continue
        try:
            lesions = _lesions(root / path)
        except SampleError as error:
            yield Rejected(image, path, "quarantined", error.reason, error.detail)
            continue
        words = {next((word for word in _WORDS if word.lower() in lesion), "other lesion") for lesion in lesions}
        states = {word: State.PRESENT for word in (*_WORDS, "other lesion") if word in words}
        yield RawRecord(image, path, labels={"Exudate": State.ABSENT, **states})


def _lesions(path: Path) -> list[str]:
    """Kinds of the outlined lesions: perhaps a version line, their number, a line for each. Notes stay unread."""
    lines = path.read_text(encoding="latin-1").splitlines()
    lines = lines[1:] if lines and lines[0].upper().startswith("GNDVERSION") else lines
    if not lines or not lines[0].strip().isdigit() or len(lines) <= int(lines[0]):
        raise SampleError("bad_row", "the .GND file does not begin with the number of its lesions")
    return [line.lower() for line in lines[1 : int(lines[0]) + 1]]
