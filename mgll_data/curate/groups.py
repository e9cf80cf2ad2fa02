"""Groups: what must never straddle a split (one patient, one study, copies of one picture)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mgll_data.curate import duplicates
from mgll_data.recipe import Curate
from mgll_data.schema import arrow_schema

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

VERSION = 2


class Components:
    """Connected components of the numbers 0 to size - 1 (disjoint sets with path halving)."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, item: int) -> int:
        """Representative of the item's component."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def join(self, items: Iterable[int]) -> None:
        """Put the items into one component."""
        first: int | None = None
        for item in items:
            root = self.find(item)
            if first is None:
                first = root
            elif root != first:
                self._parent[root] = first


def group(
    rows: Sequence[dict[str, Any]],
    sources: Sequence[str],
    curate: Curate,
    thumbnail: Callable[[int], NDArray[np.float32]],
) -> pa.Table:
    """GROUPS of the usable images.

    rows: uid, source, patient, study, pixel_sha256, dhash of each image; sources: names in recipe order. Under
    `exact: drop` all but the first copy (by recipe order, then uid) get `duplicate_of`. A group is named after its
    first member in the same order, so a source added at the end of a recipe renames no group, except where it
    shows two groups to be one.
    """
    import pyarrow as pa

    rank = {name: i for i, name in enumerate(sources)}
    order = sorted(range(len(rows)), key=lambda i: (rank[rows[i]["source"]], rows[i]["uid"]))
    rows = [rows[i] for i in order]
    components = Components(len(rows))
    for column in ("patient", "study"):
        members: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            if row[column]:
                members.setdefault(row[column], []).append(i)
        for same in members.values():
            components.join(same)
    copies = duplicates.exact([row["pixel_sha256"] for row in rows])
    duplicate_of: dict[int, str] = {}
    for same in copies:
        components.join(same)
        if curate.exact == "drop":
            duplicate_of |= {i: rows[same[0]]["uid"] for i in same[1:]}
    near: dict[int, list[str]] = {}
    if curate.near.action == "group":
        alone = [i for i in range(len(rows)) if i not in duplicate_of]
        hashes = [rows[i]["dhash"] for i in alone]
        for a, b, _ in duplicates.near(hashes, curate.near.bits, lambda k: thumbnail(order[alone[k]])):
            components.join((alone[a], alone[b]))
            near.setdefault(alone[a], []).append(rows[alone[b]]["uid"])
    first: dict[int, int] = {}
    for i in range(len(rows)):
        first.setdefault(components.find(i), i)
    table = []
    for i, row in enumerate(rows):
        head = rows[first[components.find(i)]]
        name = "g-" + hashlib.sha256((head["patient"] or head["uid"]).encode()).hexdigest()[:16]
        copy_of = duplicate_of.get(i)
        table.append({"uid": row["uid"], "group": name, "duplicate_of": copy_of, "near": sorted(near.get(i, ()))})
    return pa.Table.from_pylist(table, schema=arrow_schema("groups"))
