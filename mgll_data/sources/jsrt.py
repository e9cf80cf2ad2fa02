"""JSRT: 247 digitized PA films, 154 with a lung nodule that CT confirmed and 93 without one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.tables import age_in_years, quarantined, sex

CARD = SourceCard(
    name="jsrt",
    modality="cxr",
    title="JSRT standard digital image database",
    release="1998",
    images=247,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="http://db.jsrt.or.jp/eng.php",
    cite="""@article{shiraishi2000jsrt,
  title   = {Development of a Digital Image Database for Chest Radiographs With and Without a Lung Nodule: Receiver
             Operating Characteristic Analysis of Radiologists' Detection of Pulmonary Nodules},
  author  = {Shiraishi, Junji and Katsuragawa, Shigehiko and Ikezoe, Junpei and Matsumoto, Tsuneo and
             Kobayashi, Takeshi and Komatsu, Ken-ichi and Matsui, Mitate and Fujita, Hiroshi and Kodera, Yoshie and
             Doi, Kunio},
  journal = {American Journal of Roentgenology},
  volume  = {174},
  number  = {1},
  pages   = {71--74},
  year    = {2000}
}""",
    label_origin="Nodules confirmed by CT, their absence too; malignant or benign by histology or follow-up.",
    scope=("cxr.nodule",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Register at db.jsrt.or.jp (research use, no licence is stated; downloads are limited in number), fetch
the two archives of films and the clinical information, and unpack them below one folder.

jsrt/
  CLNDAT_EN.txt             films with a nodule, and where it is; any case of letters, in any folder
  CNNDAT_EN.TXT             films without
  Nodule154images/JPCLN001.IMG
  NonNodule93images/JPCNN001.IMG""",
    needs=("**/*.[iI][mM][gG]",),
)

PIXEL_MM = 0.175
_FILM = re.compile(r"JPC[LN]N\d{3}\.IMG", re.IGNORECASE)
_PLACES = {"l": "left", "r": "right", "upper": "upper", "middle": "middle", "lower": "lower"}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the films with a nodule, then of those without. Diagnoses are free text and are not read.

    The lists have no header: film, subtlety, size in mm, age, sex, x, y, malignant or benign, location, diagnosis;
    and film, age, sex. The box of a nodule is the square of its size around x, y. A film without a nodule need not be
    normal. Lines that run together are cut before each film's name.
    """
    images = Images(root, ("**/*.img",), lambda path: path.rpartition("/")[2].lower())
    lists = {Path(path).stem.upper(): path for path in list_images(root, ("**/*.txt",))}
    lacking = [name for name in ("CLNDAT_EN", "CNNDAT_EN") if name not in lists]
    if lacking:
        raise UsageError([f"{root}: no file {name}.TXT. It is in the clinical information." for name in lacking])
    for name, make in (("CLNDAT_EN", _nodule), ("CNNDAT_EN", _none)):
        # The lists are not all ASCII; what is read of them is.
        text = (root / lists[name]).read_text(encoding="latin-1")
        starts = [match.start() for match in _FILM.finditer(text)]
        if not starts:
            raise UsageError(f"{root / lists[name]}: names no film such as JPCLN001.IMG. Download the list again.")
        if stray := text[: starts[0]].strip():
            problem = SampleError("bad_row", f"{len(stray.splitlines())} lines that name no film")
            yield quarantined(f"{Path(lists[name]).name}:1", problem)
        for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
            origin = f"{Path(lists[name]).name}:{text.count(chr(10), 0, start) + 1}"
            fields = [field.strip() for field in text[start:end].split("\t")]
            folder = "Nodule154images" if make is _nodule else "NonNodule93images"
            try:
                yield make(images.take(fields[0].lower(), f"{folder}/{fields[0]}"), origin, fields)
            except SampleError as error:
                yield quarantined(origin, error)
    yield from images.unlisted()


def _nodule(image: str, origin: str, fields: list[str]) -> RawRecord:
    if len(fields) < 9 or fields[7] not in ("malignant", "benign"):
        raise SampleError("bad_row", f"{len(fields)} fields; a film, nine facts of its nodule and its kind expected")
    _, subtlety, size, age, gender, x, y, kind, location = fields[:9]
    place = [_PLACES[word] for word in re.findall(r"[a-z]+", location.lower()) if word in _PLACES]
    attrs: dict[str, str | float] = {"nodule_subtlety": float(subtlety)} if subtlety.isdecimal() else {}
    return RawRecord(
        image=image,
        origin=origin,
        view="pa",
        labels={"nodule": State.PRESENT, kind: State.PRESENT},
        regions=_region(size, x, y),
        age=age_in_years(age),
        sex=sex(gender),
        qualifiers={"nodule": tuple(dict.fromkeys(place))} if place else {},
        attrs=attrs,
    )


def _none(image: str, origin: str, fields: list[str]) -> RawRecord:
    if len(fields) < 3:
        raise SampleError("bad_row", f"{len(fields)} fields; a film, an age and a sex expected")
    return RawRecord(
        image, origin, view="pa", labels={"nodule": State.ABSENT}, age=age_in_years(fields[1]), sex=sex(fields[2])
    )


def _region(size: str, x: str, y: str) -> tuple[RawRegion, ...]:
    """Square of the nodule's size around its center; none where a number is unknown (`?`)."""
    if not (size.replace(".", "", 1).isdecimal() and x.isdecimal() and y.isdecimal() and float(size) > 0):
        return ()
    half, column, row = float(size) / PIXEL_MM / 2, float(x), float(y)
    return (RawRegion("nodule", (column - half, row - half, column + half, row + half)),)
