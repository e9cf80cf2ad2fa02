"""Reads a source into RECORDS: one row per image named, with pseudonyms in place of the source's keys."""

from __future__ import annotations

import hashlib
import hmac
import importlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mgll_data.errors import UsageError
from mgll_data.recipe import SourceUse
from mgll_data.schema import State, arrow_schema, make_uid
from mgll_data.sources import base
from mgll_data.stage import fingerprint

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1
PHANTOM_FILE = "phantoms.json"


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
    """Fingerprint of RECORDS: every file below the root (path, size, time), the adapter's code, options, the key."""
    listing = hashlib.sha256()
    for line in sorted(_tree(str(source.use.root), "")):
        listing.update(line.encode("utf-8", "surrogateescape"))
    code = Path(str(importlib.import_module(f"mgll_data.sources.{source.card.name}").__file__)).read_bytes()
    return fingerprint(
        stage="records",
        version=VERSION,
        files=listing.hexdigest(),
        adapter=hashlib.sha256(code).hexdigest(),
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

    A second record of the same image is quarantined as `bad_row`; views outside the recipe and, under `partial`, files
    not downloaded are excluded.
    """
    import pyarrow as pa

    key, _ = key_bytes(seed)
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, item in enumerate(base.find(source.card.name).read(source.use.root)):
        uid = make_uid(source.card.name, source.card.release, item.image)
        if isinstance(item, base.Rejected):
            # A rejected row may name no image, or one that a good row names too: its id is that of the row.
            row_id = make_uid(source.card.name, source.card.release, f"{item.image}\x00{item.origin}\x00{number}")
            rows.append(_rejected(source, row_id, item))
        elif uid in seen:
            again = base.Rejected(item.image, item.origin, "quarantined", "bad_row", "the image is named a second time")
            rows.append(
                _rejected(source, make_uid(source.card.name, source.card.release, f"{item.image}\x00{number}"), again)
            )
        else:
            rows.append(_kept(source, uid, item, key))
            seen.add(uid)
    return pa.Table.from_pylist(rows, schema=arrow_schema("records"))


def _rejected(source: OpenSource, uid: str, item: base.Rejected) -> dict[str, Any]:
    return {
        "uid": uid,
        "source": source.card.name,
        "image": item.image,
        "origin": item.origin,
        "outcome": item.outcome,
        "reason": item.reason,
        "detail": item.detail,
    }


def _kept(source: OpenSource, uid: str, item: base.RawRecord, key: bytes) -> dict[str, Any]:
    outcome, reason = "kept", ""
    if source.use.views and item.view is not None and item.view not in source.use.views:
        outcome, reason = "excluded", "view"
    elif source.use.partial and not (source.use.root / item.image).exists():
        outcome, reason = "excluded", "not_downloaded"
    name = source.card.name
    return {
        "uid": uid,
        "source": name,
        "image": item.image,
        "origin": item.origin,
        "patient": pseudonym(key, "p", name, item.patient) if item.patient else None,
        "study": pseudonym(key, "s", name, f"{item.patient}\x00{item.study}") if item.study else None,
        "view": item.view,
        "laterality": item.laterality,
        "official_split": item.official_split,
        "sex": item.sex,
        "age_band": age_band(item.age),
        "device": item.device,
        "captions": json.dumps(dict(item.captions), ensure_ascii=False),
        "report": json.dumps(dict(item.report), ensure_ascii=False),
        "regions": json.dumps([{"label": r.label, "box": r.box} for r in item.regions], ensure_ascii=False),
        "labels": json.dumps({word: str(State(state)) for word, state in item.labels.items()}, ensure_ascii=False),
        "outcome": outcome,
        "reason": reason,
        "detail": "",
    }
