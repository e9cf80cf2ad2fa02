"""Reads a source into RECORDS: one row per image named, with pseudonyms in place of the source's keys."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mgll_data import votes
from mgll_data.errors import UsageError
from mgll_data.images.study_names import safe_captions
from mgll_data.recipe import SourceUse
from mgll_data.schema import arrow_schema, make_uid
from mgll_data.sources import base
from mgll_data.stage import fingerprint

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 2
PHANTOM_FILE = "phantoms.json"
_ENCODE = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True)
class OpenSource:
    """A source of a recipe, found on disk. phantom: its images are drawn, its card is changed to say so."""

    card: base.SourceCard
    use: SourceUse
    phantom: bool


def open_sources(uses: tuple[SourceUse, ...], *, skip_missing: bool) -> tuple[list[OpenSource], list[str]]:
    """The sources whose files are there, and a message for each one that is missing.

    Raises UsageError naming every missing source (where to get it, its licence, the folder expected) unless
    `skip_missing`, or when none is there.
    """
    found: list[OpenSource] = []
    absent: list[str] = []
    for use in uses:
        card = base.find(use.use).card
        lacking = base.missing(card, use.root)
        if lacking:
            absent.append(_missing_message(card, use.root, lacking))
            continue
        card, phantom = _phantom(card, use.root)
        found.append(OpenSource(card, use, phantom))
    if absent and (not skip_missing or not found):
        raise UsageError(absent + ([] if skip_missing else ["Get them, or build without them: --skip-missing"]))
    return found, absent


def _missing_message(card: base.SourceCard, root: Path, lacking: list[str]) -> str:
    what = "no such folder" if not root.is_dir() else f"nothing there matches {', '.join(lacking)}"
    return (
        f"{card.name}: {what}\n  expected in  {root}\n  get it from  {card.url}\n"
        f"  licence      {card.licence} ({card.access} access)\n  how to lay it out: mgll-data sources {card.name}"
    )


def _phantom(card: base.SourceCard, root: Path) -> tuple[base.SourceCard, bool]:
    marker = root / PHANTOM_FILE
    if not marker.is_file():
        return card, False
    content = json.loads(marker.read_text(encoding="utf-8"))
    drawn = replace(
        card,
        title=f"Drawn phantoms in the layout of: {card.title}",
        release=str(content["release"]),
        licence="CC0-1.0",
        open_licence=True,
        access="open",
        redistributable=True,
        label_origin="known by construction: the findings were drawn, these are not patients",
    )
    return drawn, True


def key_bytes(seed: int) -> tuple[bytes, str | None]:
    """Key of the pseudonyms, and the digest of MGLL_SECRET where that is the key (None where the seed is)."""
    secret = os.environ.get("MGLL_SECRET")
    if secret:
        return secret.encode(), hashlib.sha256(secret.encode()).hexdigest()
    return f"mgll-seed-{seed}".encode(), None


def pseudonym(key: bytes, kind: str, source: str, value: str) -> str:
    """`<kind>-<16 hex>` of HMAC-SHA256 over the source and its own key."""
    digest = hmac.new(key, "\x00".join((kind, source, value)).encode(), hashlib.sha256).hexdigest()
    return f"{kind}-{digest[:16]}"


def age_band(age: float | None) -> str | None:
    """Ten-year band of an age in years, `90+` from ninety on (as DICOM PS3.15 and HIPAA ask); None if unknown."""
    if age is None or not 0 <= age <= 130:
        return None
    if age >= 90:
        return "90+"
    low = int(age) // 10 * 10
    return f"{low}-{low + 9}"


def source_fingerprint(source: OpenSource, seed: int) -> str:
    """Fingerprint of RECORDS: every file below the root (path, size, time), the readers' code, options, the key."""
    listing = hashlib.sha256()
    for line in sorted(_tree(str(source.use.root), "")):
        listing.update(line.encode("utf-8", "surrogateescape"))
    code = hashlib.sha256()
    for path in sorted(Path(str(base.__file__)).parent.glob("*.py")):
        if path.stem in (*base.HELPERS, source.card.name):
            code.update(path.read_bytes())
    return fingerprint(
        stage="records",
        version=VERSION,
        files=listing.hexdigest(),
        adapter=code.hexdigest(),
        card=asdict(source.card),
        views=source.use.views,
        partial=source.use.partial,
        key=hashlib.sha256(key_bytes(seed)[0]).hexdigest(),
    )


def _tree(folder: str, relative: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{relative}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _tree(entry.path, f"{name}/")
            else:
                try:
                    info = entry.stat()
                except OSError:  # a link to nowhere or to itself, as git-annex leaves for what was not fetched
                    info = entry.stat(follow_symlinks=False)
                yield f"{name}\x00{info.st_size}\x00{info.st_mtime_ns}\n"


def read_source(source: OpenSource, seed: int) -> pa.Table:
    """RECORDS of one source. Every record and rejection of its reader is one row; none is lost.

    A second record of the same image, and one with more votes than readers, are quarantined as `bad_row`; views outside
    the recipe and, under `partial`, files not downloaded are excluded.
    """
    import pyarrow as pa

    made = _Rows(source, key_bytes(seed)[0])
    for item in base.find(source.card.name).read(source.use.root):
        made.add(item)
    schema = arrow_schema("records")
    return pa.table([pa.array(c, f.type) for c, f in zip(made.columns, schema, strict=True)], schema=schema)


class _Rows:
    """Columns of RECORDS while they grow. A tuple for each row would cost the garbage collector half of the time."""

    def __init__(self, source: OpenSource, key: bytes) -> None:
        self.columns: list[list[Any]] = [[] for _ in arrow_schema("records")]
        self._root = str(source.use.root)
        self._source, self._card, self._key = source, source.card, key
        self._seen: set[str] = set()
        self._texts: dict[tuple[Any, ...], str] = {}
        self._unknown = (None,) * (len(self.columns) - 7)
        self._pseudonym = cache(partial(pseudonym, key))

    def add(self, item: base.RawRecord | base.Rejected) -> None:
        """Append the row of a record or of a rejection."""
        if isinstance(item, base.Rejected):
            self._rejected(item)
        elif item.image in self._seen:
            self._broken(item, "the image is named a second time")
        elif wrong := votes.problem(item.votes):
            self._broken(item, wrong)
        else:
            self._kept(item)
            self._seen.add(item.image)

    def _broken(self, item: base.RawRecord, why: str) -> None:
        self._rejected(base.Rejected(item.image, item.origin, "quarantined", "bad_row", why))

    def _rejected(self, item: base.Rejected) -> None:
        # A rejected row may name no image, or one that a good row names too: its id is that of the row.
        uid = self._uid(f"{item.image}\x00{item.origin}\x00{len(self.columns[0])}")
        said = (item.outcome, item.reason, item.detail)
        self._append(uid, self._card.name, item.image, item.origin, *self._unknown, *said)

    def _kept(self, item: base.RawRecord) -> None:
        use, name = self._source.use, self._card.name
        outcome, reason = "kept", ""
        if use.views and item.view is not None and item.view not in use.views:
            outcome, reason = "excluded", "view"
        elif use.partial and not os.path.exists(f"{self._root}/{item.image}"):  # noqa: PTH110 - Path costs four times as much
            outcome, reason = "excluded", "not_downloaded"
        space = item.patient_of or self._card.patients_of or name
        self._append(
            self._uid(item.image),
            name,
            item.image,
            item.origin,
            self._pseudonym("p", space, item.patient) if item.patient else None,
            self._pseudonym("s", name, f"{item.patient}\x00{item.study}") if item.study else None,
            item.view,
            item.laterality,
            item.official_split,
            item.sex,
            age_band(item.age),
            item.device,
            self._json(safe_captions(item.captions)),
            _ENCODE(dict(item.report)),
            _ENCODE([{"label": r.label, "box": r.box} for r in item.regions]) if item.regions else "[]",
            self._json(item.labels),
            self._json(item.votes),
            self._json(item.qualifiers),
            _ENCODE(item.same_as) if item.same_as else "[]",
            self._json(item.attrs),
            item.conflicts,
            outcome,
            reason,
            "",
        )

    def _append(self, *row: Any) -> None:
        for column, value in zip(self.columns, row, strict=True):
            column.append(value)

    def _uid(self, key: str) -> str:
        return make_uid(self._card.name, self._card.release, key)

    def _json(self, value: Mapping[str, Any]) -> str:
        """JSON of a small mapping, written once for all records that have it."""
        if not value:
            return "{}"
        key = tuple(value.items())
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = _ENCODE(dict(value))
        return text
