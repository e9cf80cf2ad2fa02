"""Where labels contradict themselves: a table of every such image, and the figures of it that a dataset carries."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from mgll_data import merge
from mgll_data.hierarchy import Hierarchy
from mgll_data.schema import arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLES = 5  # uids listed with each reason
REASONS = 50  # reasons listed for each source, the commonest


def table(concepts: pa.Table, merged: pa.Table, groups: pa.Table, records: pa.Table, hierarchy: Hierarchy) -> pa.Table:
    """One row per contradiction: within a source, or, under the name of both, between the sources of one photograph.

    concepts: CONCEPTS as each source has them; merged: with the labels of copies put together.
    """
    import pyarrow as pa

    own = _listed(concepts)
    families = merge.copies(groups)
    found = [(uid, reason, "") for uid, reasons in own.items() for reason in reasons]
    speakers = dict(zip(merged["uid"].to_pylist(), merged["sources"].to_pylist(), strict=True))
    for uid, reasons in _listed(merged).items():
        known = {reason for member in (uid, *families.get(uid, ())) for reason in own.get(member, ())}
        found += [(uid, reason, " + ".join(speakers[uid])) for reason in reasons if reason not in known]
    wanted = {uid for uid, *_ in found}
    columns = (records[name].to_pylist() for name in ("uid", "source", "image", "origin"))
    places = {uid: rest for uid, *rest in zip(*columns, strict=True) if uid in wanted}
    rows = []
    for uid, reason, between in found:
        source, image, origin = places[uid]
        words = dict.fromkeys(word.strip(",()") for word in reason.split())
        named = [word for word in words if word in hierarchy.ontology]
        row = {"uid": uid, "source": between or source, "concepts": named, "reason": reason}
        rows.append(row | {"image": image, "origin": origin})
    return pa.Table.from_pylist(rows, schema=arrow_schema("conflicts"))


def _listed(concepts: pa.Table) -> dict[str, list[str]]:
    columns = zip(concepts["uid"].to_pylist(), concepts["conflicts"].to_pylist(), strict=True)
    return {uid: reasons for uid, reasons in columns if reasons}


def figures(conflicts: pa.Table) -> dict[str, Any]:
    """Per source the images concerned and the reasons, commonest first, each with its images and some of their uids."""
    images: dict[str, set[str]] = defaultdict(set)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    examples: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in conflicts.select(["uid", "source", "reason"]).to_pylist():
        uid, source, reason = row.values()
        images[source].add(uid)
        counts[source][reason] += 1
        examples[source, reason].append(uid)
    return {
        source: {
            "images": len(images[source]),
            "reasons": [
                {"reason": reason, "images": number, "examples": sorted(examples[source, reason])[:EXAMPLES]}
                for reason, number in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))[:REASONS]
            ],
        }
        for source, counted in sorted(counts.items())
    }
