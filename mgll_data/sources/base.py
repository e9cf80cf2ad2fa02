"""What a source is: a card, a reader that yields records, and nothing else.

A source is a module of this package, found by its name, with two members: `CARD` (a `SourceCard`) and
`read(root)`, which yields a `RawRecord` for every image the source names and a `Rejected` for every row or file that
it cannot or should not turn into one. Nothing is skipped in silence: what `read` yields is what the build counts.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Literal

from mgll_data.errors import UsageError
from mgll_data.schema import State

Access = Literal["open", "registration", "agreement", "credentialed"]
HELPERS = (
    "base",
    "dicom_series",
    "files",
    "layouts",
    "masks",
    "nih_identity",
    "padchest_places",
    "tables",
)  # modules of this package that are no source


@dataclass(frozen=True)
class SourceCard:
    """What a user must know of a source before using it.

    name: module name. release: version of the published files, part of every uid. images: number as published.
    licence: short id, such as CC-BY-4.0. open_licence: true where it asks for no consent beyond attribution; else the
    recipe must list the id under `licences.accept`. cite: one BibTeX entry. label_origin: who made the labels and how.
    scope: topmost concept ids that the source judges for every image. silence: what an unmentioned concept of the
    scope means. normal_excludes_all: whether the source's "normal" denies every abnormality, not only the scope.
    layout: lines that show the folder as published. needs: glob patterns, each of which must match below the root.
    path_labels: raw words are `/`-separated paths, looked up by their longest listed prefix of whole segments.
    derives: names of the sources whose pictures this one publishes again, whole or in part.
    patients_of: name of the source whose patient keys this one uses ('' for its own): equal keys are one patient.
    votes: the labels come from several readers as `RawRecord.votes`, and the recipe's `labels.votes` decides.
    """

    name: str
    modality: Literal["fundus", "cxr"]
    title: str
    release: str
    images: int
    licence: str
    open_licence: bool
    access: Access
    redistributable: bool
    url: str
    cite: str
    label_origin: str
    scope: tuple[str, ...]
    silence: Literal["absent", "unknown"]
    normal_excludes_all: bool
    layout: str
    needs: tuple[str, ...]
    path_labels: bool = False
    derives: tuple[str, ...] = ()
    patients_of: str = ""
    votes: bool = False

    def public(self) -> dict[str, Any]:
        """The card as `mgll-data sources --json` prints it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RawRegion:
    """A box drawn by the source: x0, y0, x1, y1 in pixels of the original image, under the source's own word."""

    label: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One image and all that its source says of it, in the source's own words.

    image: path below the root, with `/`. origin: label file and line, such as `train.csv:17`. patient, study: the
    source's keys, pseudonymised before anything is written. view: pa, ap, lateral or None. laterality: left, right or
    None. labels: raw word -> state. age in years. sex: F, M or None. report: section name -> text.
    captions: `modality` a DICOM modality code, `study` and `series` free descriptions (normalised later, never copied).
    votes: raw word -> (readers who saw it, readers who were asked); such a word does not stand in `labels`.
    qualifiers: raw word -> side, severity and place as the source states them, each of `schema.QUALIFIERS`.
    same_as: (source, key) of pictures in other sources that this one repeats; key is that source's image path or the
    end of it, such as the file name, where only this is known; case counts only where it must. Pictures that name one
    another, or the same third, are one photograph to a build: it is counted once and the labels are merged; without a
    patient of its own the record takes that picture's. attrs: further facts worth keeping, by name, such as
    `cup_to_disc`; numbers or words, never an identifier, a date or free text.
    patient_of: name of the source whose patient key this one is, where a set gathers films of several; else the card's.
    conflicts: what the source says twice and differently of this image and the reader had to settle, such as
    `flag C without a cataract keyword`; short, in the source's own words, never an identifier. They are counted,
    listed by `mgll-data stats --conflicts`, and change no label.
    """

    image: str
    origin: str
    patient: str | None = None
    study: str | None = None
    view: str | None = None
    laterality: str | None = None
    labels: Mapping[str, State] = field(default_factory=dict)
    regions: tuple[RawRegion, ...] = ()
    report: Mapping[str, str] = field(default_factory=dict)
    captions: Mapping[str, str] = field(default_factory=dict)
    age: float | None = None
    sex: str | None = None
    device: str | None = None
    official_split: str | None = None
    votes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    qualifiers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    same_as: tuple[tuple[str, str], ...] = ()
    attrs: Mapping[str, str | float] = field(default_factory=dict)
    conflicts: tuple[str, ...] = ()
    patient_of: str = ""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row or file that gives no record. outcome and reason: see `schema.QUARANTINE_REASONS`, `EXCLUSION_REASONS`."""

    image: str
    origin: str
    outcome: Literal["quarantined", "excluded"]
    reason: str
    detail: str = ""


Reader = Callable[[Path], Iterator[RawRecord | Rejected]]


@dataclass(frozen=True)
class Source:
    """A source module: its card and its reader."""

    card: SourceCard
    read: Reader


@cache
def names() -> tuple[str, ...]:
    """Names of all sources, sorted: the modules of this package that declare a card."""
    package = importlib.import_module("mgll_data.sources")
    return tuple(sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name not in HELPERS))


@cache
def find(name: str) -> Source:
    """The source of this name. Raises UsageError with the nearest names if there is none."""
    if name not in names():
        near = get_close_matches(name, names(), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the sources are {', '.join(names())}."
        raise UsageError(f"unknown source {name!r}: {hint}")
    module = importlib.import_module(f"mgll_data.sources.{name}")
    return Source(module.CARD, module.read)


def missing(card: SourceCard, root: Path) -> list[str]:
    """Patterns of `card.needs` that match nothing below `root` (all of them where the folder itself is absent)."""
    if not root.is_dir():
        return list(card.needs)
    return [pattern for pattern in card.needs if not any(root.glob(pattern))]
