"""Splits by group: a hash decides, an official split outweighs it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from mgll_data.errors import UsageError
from mgll_data.recipe import Split
from mgll_data.schema import SPLITS

VERSION = 1


def bucket(seed: int, group: str, ratios: Mapping[str, float]) -> str:
    """Split of a group from sha256(seed, group) alone, so that adding data moves nobody."""
    point = int(hashlib.sha256(f"{seed}\x00{group}".encode()).hexdigest()[:13], 16) / 16**13
    edge = 0.0
    chosen = next(name for name in SPLITS if ratios.get(name, 0) > 0)
    for name in SPLITS:
        share = ratios.get(name, 0.0)
        if share > 0:
            chosen = name
            edge += share
            if point < edge:
                break
    return chosen


def assign(rows: Sequence[Mapping[str, Any]], split: Split, seed: int) -> list[dict[str, Any]]:
    """SPLITS rows of images (uid, source, group, official_split): uid, group, split, reason.

    reason: `hash`, `official`, `only_test`, or `split_conflict` for a group that stands in two official splits (with
    split None under `drop`). Raises UsageError under `conflict: error`, naming how many groups and in which sources.
    """
    official: dict[str, set[str]] = defaultdict(set)
    held_out: set[str] = set()
    sources: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        sources[row["group"]].add(row["source"])
        if row["source"] in split.only_test:
            held_out.add(row["group"])
        if split.official == "keep" and row["official_split"]:
            official[row["group"]].add(row["official_split"])
    torn = sorted(group for group, names in official.items() if len(names) > 1 and group not in held_out)
    if torn and split.conflict == "error":
        named = sorted({name for group in torn for name in sources[group]})
        raise UsageError(
            f"{len(torn)} groups stand in two official splits (sources: {', '.join(named)}): "
            "set split.conflict to test_wins or drop, or split.official to ignore"
        )
    decided: dict[str, tuple[str | None, str]] = {}
    for group in sources:
        names = official.get(group, set())
        if group in held_out:
            decided[group] = ("test", "only_test")
        elif len(names) == 1:
            decided[group] = (next(iter(names)), "official")
        elif names:
            strictest = next(name for name in reversed(SPLITS) if name in names)
            decided[group] = (strictest if split.conflict == "test_wins" else None, "split_conflict")
        else:
            decided[group] = (bucket(seed, group, split.ratios), "hash")
    return [
        {
            "uid": row["uid"],
            "group": row["group"],
            "split": decided[row["group"]][0],
            "reason": decided[row["group"]][1],
        }
        for row in rows
    ]
