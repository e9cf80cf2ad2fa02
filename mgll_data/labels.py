"""The harmonise stage: LABELS (the trace of every raw word) and CONCEPTS (closed labels) of all records."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mgll_data import votes as readers
from mgll_data.errors import UsageError
from mgll_data.harmonise import LabelMap, Statement, label_table
from mgll_data.hierarchy import Closed, Hierarchy
from mgll_data.reports.added import with_report
from mgll_data.schema import State, arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 2


@dataclass(frozen=True)
class Said:
    """What one set of raw words says. rows: of LABELS, without uid and source. unmapped: the unknown words."""

    statements: tuple[Statement, ...]
    rows: tuple[tuple[Any, ...], ...]
    closed: Closed
    unmapped: tuple[str, ...]


def harmonise(
    records: pa.Table,
    maps: Mapping[str, LabelMap],
    hierarchy: Hierarchy,
    *,
    unmapped: str,
    uncertain: str,
    votes: readers.Policy,
    vocab: Path,
    reports: Mapping[str, str] | None = None,
) -> tuple[pa.Table, pa.Table]:
    """LABELS and CONCEPTS of the kept records. An unmapped word is a LABELS row of relation `unmapped`.

    Records are worked through by what they say, not one by one: 112,120 films of NIH say 836 different things.
    uncertain: `drop` leaves uncertain concepts unknown. reports: `report` of a record -> JSON of the states that it
    gives; they count where the record's own labels leave a concept unknown, as rows of relation `report`.
    Raises UsageError listing every unmapped word (source, count, first place, nearest listed words) if `unmapped` is
    `error`.
    """
    import pyarrow.compute as pc

    kept = records.filter(pc.equal(records["outcome"], "kept"))
    numbers: dict[tuple[str, ...], int] = {}
    texts = [(reports or {}).get(report, "{}") for report in kept["report"].to_pylist()]
    keys = zip(*(kept[name].to_pylist() for name in ("source", "labels", "votes")), texts, strict=True)
    codes = [numbers.setdefault(key, len(numbers)) for key in keys]
    said = [_said(maps[source], hierarchy, votes, *rest) for source, *rest in numbers]
    if unmapped == "error" and any(one.unmapped for one in said):
        raise UsageError(_problems(kept, codes, said, maps, vocab))
    sources = [source for source, *_ in numbers]

    @cache
    def qualifiers(code: int, stated: str) -> str:
        return _qualifiers(maps[sources[code]], said[code], stated)

    qualified = [qualifiers(*pair) for pair in zip(codes, kept["qualifiers"].to_pylist(), strict=True)]
    return _traces(kept, codes, said), _closures(kept, codes, said, qualified, uncertain)


def _said(labels: LabelMap, hierarchy: Hierarchy, policy: readers.Policy, words: str, votes: str, report: str) -> Said:
    counted = {word: (seen, asked) for word, (seen, asked) in json.loads(votes).items()}
    states = {word: State(state) for word, state in json.loads(words).items()} | readers.resolve(counted, policy)
    statements, closed, unknown = labels.apply(states, hierarchy)
    cast = {word: f"{seen}/{asked}" for word, (seen, asked) in counted.items()}
    rows = [(s.raw, s.raw_state, cast.get(s.raw), s.concept or None, s.relation, s.state) for s in statements]
    rows += [(word, states[word], cast.get(word), None, "unmapped", None) for word in unknown]
    closed, added = with_report(closed, report, hierarchy)
    rows += [("report", state, None, concept, "report", state) for concept, state in added.items()]
    return Said(tuple(statements), tuple(rows), closed, tuple(unknown))


def _qualifiers(labels: LabelMap, said: Said, stated: str) -> str:
    found = labels.qualifiers(said.statements, said.closed, json.loads(stated))
    return json.dumps(found, sort_keys=True) if found else "{}"


def _traces(kept: pa.Table, codes: Sequence[int], said: Sequence[Said]) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    schema = arrow_schema("labels")
    names = [name for name in schema.names if name not in ("uid", "source")]
    flat = [row for one in said for row in one.rows]
    columns = zip(*flat, strict=True) if flat else ((),) * len(names)
    table = pa.table([pa.array(c, pa.string()) for c in columns], names=names)
    lengths = np.array([len(one.rows) for one in said], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    code = np.array(codes, dtype=np.int64)
    run = lengths[code]
    owner = np.repeat(np.arange(len(code)), run)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(run) - run, run) + np.repeat(starts[code], run)
    made = table.take(pa.array(place))
    for name in ("source", "uid"):
        made = made.add_column(0, name, kept[name].take(pa.array(owner)))
    return made.cast(schema).combine_chunks()


def _closures(
    kept: pa.Table, codes: Sequence[int], said: Sequence[Said], qualified: Sequence[str], uncertain: str
) -> pa.Table:
    import pyarrow as pa

    schema = arrow_schema("concepts")
    lists = {
        "present": [sorted(one.closed.present) for one in said],
        "absent": [sorted(one.closed.absent) for one in said],
        "uncertain": [sorted(one.closed.uncertain) if uncertain == "keep" else [] for one in said],
    }
    which = pa.array(codes, pa.int64())
    columns = {name: pa.array(values, schema.field(name).type).take(which) for name, values in lists.items()}
    found = [list(one.closed.conflicts) for one in said]
    own = kept["conflicts"].to_pylist()
    listed = [[*found[code], *more] if more else found[code] for code, more in zip(codes, own, strict=True)]
    names = {name: [name] for name in kept["source"].unique().to_pylist()}
    columns |= {
        "uid": kept["uid"],
        "conflicts": pa.array(listed, schema.field("conflicts").type),
        "qualifiers": pa.array(qualified, pa.string()),
        "sources": pa.array([names[name] for name in kept["source"].to_pylist()], schema.field("sources").type),
    }
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _problems(
    kept: pa.Table, codes: Sequence[int], said: Sequence[Said], maps: Mapping[str, LabelMap], vocab: Path
) -> list[str]:
    counts: Counter[tuple[str, str]] = Counter()
    places: dict[tuple[str, str], str] = {}
    for code, source, origin in zip(codes, kept["source"].to_pylist(), kept["origin"].to_pylist(), strict=True):
        for word in said[code].unmapped:
            counts[source, word] += 1
            places.setdefault((source, word), origin)
    problems = []
    for (source, word), count in sorted(counts.items()):
        near = maps[source].nearest(word)
        hint = f"; nearest listed: {', '.join(map(repr, near))}" if near else ""
        problems.append(f"{source}: {places[source, word]}: label {word!r} ({count} times) is not in the table{hint}")
    tables = ", ".join(_tables(vocab, (source for source, _ in counts)))
    advice = f"Add a row to {tables}, or set labels.unmapped to quarantine or ignore in the recipe."
    return [*problems, advice]


def _tables(vocab: Path, sources: Iterable[str]) -> list[str]:
    return [str(label_table(vocab, source)) for source in sorted(set(sources))]


def unmapped_words(labels: pa.Table) -> dict[str, str]:
    """uid -> its first word that no table row lists."""
    import pyarrow.compute as pc

    unknown = labels.filter(pc.equal(labels["relation"], "unmapped"))
    found: dict[str, str] = {}
    for uid, raw in zip(unknown["uid"].to_pylist(), unknown["raw"].to_pylist(), strict=True):
        found.setdefault(uid, raw)
    return found
