"""The harmonise stage: LABELS (the trace of every raw word) and CONCEPTS (closed labels) of all records."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mgll_data.errors import UsageError
from mgll_data.harmonise import LabelMap, label_table
from mgll_data.hierarchy import Closed, Hierarchy
from mgll_data.schema import State, arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1


def harmonise(
    records: pa.Table, maps: dict[str, LabelMap], hierarchy: Hierarchy, *, unmapped: str, uncertain: str, vocab: Path
) -> tuple[pa.Table, pa.Table]:
    """LABELS and CONCEPTS of the kept records. An unmapped word is a LABELS row of relation `unmapped`.

    uncertain: `drop` leaves uncertain concepts unknown. Raises UsageError listing every unmapped word (source, count,
    first place, nearest listed words) if `unmapped` is `error`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    traces: list[dict[str, Any]] = []
    closures: list[dict[str, Any]] = []
    places: dict[tuple[str, str], str] = {}
    counts: Counter[tuple[str, str]] = Counter()

    @cache
    def apply(source: str, labels: str) -> tuple[list[dict[str, Any]], Closed, list[str]]:
        words = {word: State(state) for word, state in json.loads(labels).items()}
        statements, closed, unknown = maps[source].apply(words, hierarchy)
        rows = [
            {
                "raw": s.raw,
                "raw_state": str(s.raw_state),
                "concept": s.concept or None,
                "relation": s.relation,
                "state": str(s.state) if s.state else None,
            }
            for s in statements
        ]
        rows += [{"raw": word, "raw_state": str(words[word]), "relation": "unmapped"} for word in unknown]
        return rows, closed, unknown

    kept = records.filter(pc.equal(records["outcome"], "kept"))
    columns = (kept[name].to_pylist() for name in ("uid", "source", "labels", "origin"))
    for uid, source, labels, origin in zip(*columns, strict=True):
        statements, closed, unknown = apply(source, labels)
        for word in unknown:
            counts[source, word] += 1
            places.setdefault((source, word), origin)
        traces += [{"uid": uid, **statement} for statement in statements]
        closures.append(
            {
                "uid": uid,
                "present": sorted(closed.present),
                "absent": sorted(closed.absent),
                "uncertain": sorted(closed.uncertain) if uncertain == "keep" else [],
                "conflicts": list(closed.conflicts),
            }
        )
    if counts and unmapped == "error":
        raise UsageError(_problems(counts, places, maps, vocab))
    return (
        pa.Table.from_pylist(traces, schema=arrow_schema("labels")),
        pa.Table.from_pylist(closures, schema=arrow_schema("concepts")),
    )


def _problems(
    counts: Counter[tuple[str, str]], places: dict[tuple[str, str], str], maps: dict[str, LabelMap], vocab: Path
) -> list[str]:
    problems = []
    for (source, word), count in sorted(counts.items()):
        near = maps[source].nearest(word)
        hint = f"; nearest listed: {', '.join(map(repr, near))}" if near else ""
        problems.append(f"{source}: {places[source, word]}: label {word!r} ({count} times) is not in the table{hint}")
    tables = ", ".join(str(label_table(vocab, source)) for source in sorted({source for source, _ in counts}))
    advice = f"Add a row to {tables}, or set labels.unmapped to quarantine or ignore in the recipe."
    return [*problems, advice]
