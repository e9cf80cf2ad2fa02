"""Groups: what must never straddle a split (one patient, one study, copies of one picture)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mgll_data.curate import duplicates
from mgll_data.curate.components import Components
from mgll_data.recipe import Curate
from mgll_data.schema import arrow_schema

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

VERSION = 3


def group(
    rows: Sequence[dict[str, Any]],
    sources: Sequence[str],
    curate: Curate,
    thumbnail: Callable[[int], NDArray[np.float32]],
) -> pa.Table:
    """GROUPS of the usable images.

    rows: uid, source, patient, study, pixel_sha256, dhash and same (equal for pictures that `links` found to be one
    photograph, else None) of each image; sources: names in recipe order. Pictures with equal pixels or of one
    photograph are copies: under `exact: drop` all but the first (by recipe order, then uid) get `duplicate_of`, with
    the reason `equal_pixels`, or `same_as` where only the sources' word makes them so. A group is named after its
    first member in the same order, so a source added at the end of a recipe renames no group, except where it
    shows two groups to be one.
    """
    import pyarrow as pa

    rank = {name: i for i, name in enumerate(sources)}
    order = sorted(range(len(rows)), key=lambda i: (rank[rows[i]["source"]], rows[i]["uid"]))
    rows = [rows[i] for i in order]
    components, copies = Components(len(rows)), Components(len(rows))
    for column in ("patient", "study", "same", "pixel_sha256"):
        members: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            if row[column]:
                members.setdefault(row[column], []).append(i)
        for alike in members.values():
            components.join(alike)
            if column in ("same", "pixel_sha256"):
                copies.join(alike)
    sets: dict[int, list[int]] = {}
    for i in range(len(rows)):
        sets.setdefault(copies.find(i), []).append(i)
    first_copy = {i: alike[0] for alike in sets.values() if len(alike) > 1 for i in alike}
    dropped = {i for i, first in first_copy.items() if i != first} if curate.exact == "drop" else set()
    near: dict[int, list[str]] = {}
    if curate.near.action == "group":
        alone = [i for i in range(len(rows)) if i not in dropped]
        hashes = [rows[i]["dhash"] for i in alone]
        for a, b, _ in duplicates.near(hashes, curate.near.bits, lambda k: thumbnail(order[alone[k]])):
            components.join((alone[a], alone[b]))
            near.setdefault(alone[a], []).append(rows[alone[b]]["uid"])
    head: dict[int, int] = {}
    for i in range(len(rows)):
        head.setdefault(components.find(i), i)
    table = []
    for i, row in enumerate(rows):
        named = rows[head[components.find(i)]]
        first = rows[first_copy[i]] if i in first_copy else None
        equal = first is not None and first["pixel_sha256"] == row["pixel_sha256"]
        table.append(
            {
                "uid": row["uid"],
                "group": "g-" + hashlib.sha256((named["patient"] or named["uid"]).encode()).hexdigest()[:16],
                "same": first["uid"] if first else None,
                "duplicate_of": first["uid"] if first and i in dropped else None,
                "reason": ("equal_pixels" if equal else "same_as") if i in dropped else None,
                "near": sorted(near.get(i, ())),
            }
        )
    return pa.Table.from_pylist(table, schema=arrow_schema("groups"))
