"""Which pictures are one photograph by their sources' own word: published names and cross-references (`same_as`)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mgll_data.curate.components import Components

if TYPE_CHECKING:
    import pyarrow as pa

Node = tuple[str, str]  # source, path or name of a picture


class Names:
    """The pictures of one source, found by path or by as much of its end as a key names, where only one fits.

    Case counts only where two names differ by nothing else.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = set(paths)
        self._ends: dict[int, tuple[dict[str, set[str]], dict[str, set[str]]]] = {}

    def find(self, key: str) -> str | None:
        """Path of the picture, or None where there is none or more than one."""
        if key in self._paths:
            return key
        depth = key.count("/") + 1
        if depth not in self._ends:
            self._ends[depth] = self._index(depth)
        exact, lower = self._ends[depth]
        found = exact.get(key) or lower.get(key.lower()) or set()
        return next(iter(found)) if len(found) == 1 else None

    def _index(self, depth: int) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        exact: dict[str, set[str]] = defaultdict(set)
        lower: dict[str, set[str]] = defaultdict(set)
        for path in self._paths:
            end = "/".join(path.split("/")[-depth:])
            exact[end].add(path)
            lower[end.lower()].add(path)
        return exact, lower


def resolve(records: pa.Table) -> tuple[dict[str, str], Counter[tuple[str, str]]]:
    """uid -> uid of the first record (in the table's order) of the same photograph, for all that have company.

    Rejected rows count: two pictures that name the same third one are the same whether it can be used or not. Also
    returned: (source, source named) -> pictures that name one which is not found there, or not found once.
    """
    columns = (records[name].to_pylist() for name in ("source", "image", "uid", "same_as"))
    rows = [(source, image, uid, json.loads(same or "[]")) for source, image, uid, same in zip(*columns, strict=True)]
    named = {other for *_, same in rows for other, _ in same}
    if not named:
        return {}, Counter()
    present = {row[0] for row in rows}
    names = {s: Names(image for source, image, _, _ in rows if source == s and image) for s in named & present}
    lost: Counter[tuple[str, str]] = Counter()
    nodes: dict[Node, int] = {}
    pairs: list[tuple[int, int]] = []
    uids: dict[int, list[str]] = defaultdict(list)
    for source, image, uid, same in rows:
        if image:
            own = nodes.setdefault((source, image), len(nodes))
            uids[own].append(uid)
            for other, key in same:
                path = names[other].find(key) if other in names else None
                if path is None and other in names:
                    lost[source, other] += 1
                pairs.append((own, nodes.setdefault((other, path or key.lower()), len(nodes))))
    return _heads(len(nodes), pairs, uids), lost


def _heads(size: int, pairs: Sequence[tuple[int, int]], uids: Mapping[int, list[str]]) -> dict[str, str]:
    components = Components(size)
    for pair in pairs:
        components.join(pair)
    members: dict[int, list[str]] = defaultdict(list)
    for node, borne in uids.items():
        members[components.find(node)] += borne
    return {uid: same[0] for same in members.values() if len(same) > 1 for uid in same}


def with_patients(records: pa.Table, same: Mapping[str, str]) -> pa.Table:
    """RECORDS where a picture whose source names no patient has that of the same photograph elsewhere."""
    import pyarrow as pa

    if not same:
        return records
    uids, patients = records["uid"].to_pylist(), records["patient"].to_pylist()
    known: dict[str, str] = {}
    for uid, patient in zip(uids, patients, strict=True):
        if patient and uid in same:
            known.setdefault(same[uid], patient)
    filled = [p or known.get(same.get(uid, "")) for uid, p in zip(uids, patients, strict=True)]
    return records.set_column(records.schema.get_field_index("patient"), "patient", pa.array(filled, pa.string()))
