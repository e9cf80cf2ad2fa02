"""Copies of one photograph become one sample: the labels of all its sources, closed again, and what one alone tells."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mgll_data import qualifiers
from mgll_data.hierarchy import Closed, Hierarchy
from mgll_data.schema import arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1
INHERITED = ("patient", "view", "laterality", "sex", "age_band", "device", "captions", "report")
_EMPTY = (None, "{}")


def copies(groups: pa.Table) -> dict[str, list[str]]:
    """Kept picture -> its dropped copies, in the order of GROUPS."""
    found: dict[str, list[str]] = defaultdict(list)
    for uid, kept in zip(groups["uid"].to_pylist(), groups["duplicate_of"].to_pylist(), strict=True):
        if kept:
            found[kept].append(uid)
    return dict(found)


def traced(labels: pa.Table, groups: pa.Table) -> pa.Table:
    """LABELS with the statements on a dropped copy under the uid of the kept picture; `source` says whose they are."""
    import pyarrow as pa

    kept = {copy: first for first, others in copies(groups).items() for copy in others}
    if not kept:
        return labels
    uids = pa.array([kept.get(uid, uid) for uid in labels["uid"].to_pylist()], pa.string())
    return labels.set_column(labels.schema.get_field_index("uid"), "uid", uids)


def concepts(table: pa.Table, labels: pa.Table, groups: pa.Table, hierarchy: Hierarchy, uncertain: str) -> pa.Table:
    """CONCEPTS where a picture with dropped copies has the labels of all of them, closed again.

    Where one says present and another absent the concept becomes uncertain and the contradiction is listed. Rows of the
    copies are left out. uncertain: `drop` leaves uncertain concepts unknown.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    families = copies(groups)
    if not families:
        return table
    involved = {uid for first, others in families.items() for uid in (first, *others)}
    mine = pa.array(sorted(involved), pa.string())
    rows = {row["uid"]: row for row in table.filter(pc.is_in(table["uid"], value_set=mine)).to_pylist()}
    stated: dict[str, set[str]] = defaultdict(set)
    said = labels.filter(pc.and_(pc.is_in(labels["uid"], value_set=mine), pc.equal(labels["state"], "present")))
    for uid, concept in zip(said["uid"].to_pylist(), said["concept"].to_pylist(), strict=True):
        stated[uid].add(concept)
    made = []
    for first, others in families.items():
        members = [rows[uid] for uid in (first, *others)]
        made.append(_merged(members, [stated[row["uid"]] for row in members], hierarchy, uncertain))
    alone = table.filter(pc.invert(pc.is_in(table["uid"], value_set=mine)))
    return pa.concat_tables([alone, pa.Table.from_pylist(made, schema=arrow_schema("concepts"))])


def _merged(
    rows: Sequence[Mapping[str, Any]], stated: Sequence[set[str]], hierarchy: Hierarchy, uncertain: str
) -> dict[str, Any]:
    own = [Closed(frozenset(r["present"]), frozenset(r["absent"]), frozenset(r["uncertain"])) for r in rows]
    closed = union(own, stated, hierarchy)
    listed = [conflict for row in rows for conflict in row["conflicts"]] + list(closed.conflicts)
    raised = closed.uncertain if uncertain == "keep" else frozenset[str]()
    words: dict[str, list[frozenset[str]]] = defaultdict(list)
    for row in rows:
        for concept, given in json.loads(row["qualifiers"]).items():
            if concept in closed.present | raised:
                words[concept].append(frozenset(given))
    combined = {concept: sorted(qualifiers.combine(sets)) for concept, sets in words.items()}
    return {
        "uid": rows[0]["uid"],
        "present": sorted(closed.present),
        "absent": sorted(closed.absent),
        "uncertain": sorted(raised),
        "conflicts": list(dict.fromkeys(listed)),
        "qualifiers": json.dumps({c: w for c, w in combined.items() if w}, sort_keys=True),
        "sources": list(dict.fromkeys(source for row in rows for source in row["sources"])),
    }


def union(closed: Sequence[Closed], stated: Sequence[set[str]], hierarchy: Hierarchy) -> Closed:
    """What several sources say of one picture together. closed: what each says; stated: what each calls present itself.

    A concept that one source calls present and another denies is contested: it becomes uncertain, whichever of the two
    said so directly, and what follows from it is no longer present on its account.
    """
    ontology = hierarchy.ontology
    if len(set(closed)) == 1:
        return Closed(closed[0].present, closed[0].absent, closed[0].uncertain)
    claims = [ontology.lowest(c.present) | (said & c.present) for c, said in zip(closed, stated, strict=True)]
    denied = [ontology.expand_absent(c.absent, c.present, c.uncertain) for c in closed]
    contested = {
        concept
        for i, claim in enumerate(claims)
        for concept in claim
        if any(concept in denials for j, denials in enumerate(denied) if j != i)
    }
    present = set().union(*claims) - contested
    again = hierarchy.close(
        present,
        set().union(*(c.absent for c in closed)) - contested,
        set().union(*(c.uncertain for c in closed)) | contested,
    )
    listed = tuple(
        f"{concept} is present in one record of this photograph and absent in another" for concept in sorted(contested)
    )
    return Closed(again.present, again.absent, again.uncertain, listed + again.conflicts)


def described(records: pa.Table, groups: pa.Table) -> pa.Table:
    """RECORDS without the dropped copies; what only a copy tells (`INHERITED`, attrs) goes to the kept picture."""
    import pyarrow as pa
    import pyarrow.compute as pc

    families = copies(groups)
    if not families:
        return records
    involved = pa.array([uid for first, others in families.items() for uid in (first, *others)], pa.string())
    mine = records.filter(pc.is_in(records["uid"], value_set=involved))
    rows = {row["uid"]: row for row in mine.to_pylist()}
    made = []
    for first, others in families.items():
        row = rows[first]
        for name in INHERITED:
            known = (rows[uid][name] for uid in (first, *others) if rows[uid][name] not in _EMPTY)
            row[name] = next(known, row[name])
        attrs: dict[str, Any] = {}
        for uid in (first, *others):
            attrs = json.loads(rows[uid]["attrs"]) | attrs
        made.append(row | {"attrs": json.dumps(attrs, ensure_ascii=False)})
    alone = records.filter(pc.invert(pc.is_in(records["uid"], value_set=involved)))
    return pa.concat_tables([alone, pa.Table.from_pylist(made, schema=records.schema)])


def fits(kept: Mapping[str, Any], copy: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The INDEX row whose crop places a copy's regions on the kept picture; None where they do not lie on each other.

    Equal stored pixels: the copy's own. Originals of equal size: the kept one's, since both count in the same pixels.
    """
    if kept["pixel_sha256"] == copy["pixel_sha256"]:
        return copy
    same_size = all(kept[side] == copy[side] for side in ("original_width", "original_height"))
    return kept if same_size else None


def lost_regions(records: pa.Table, index: Mapping[str, Mapping[str, Any]], groups: pa.Table) -> dict[str, str]:
    """Copy -> why its regions are left out, for the copies that have some which do not fit the kept picture."""
    kept = {copy: first for first, others in copies(groups).items() for copy in others}
    lost = {}
    for uid, regions in zip(records["uid"].to_pylist(), records["regions"].to_pylist(), strict=True):
        if uid in kept and regions != "[]" and fits(index[kept[uid]], index[uid]) is None:
            number = len(json.loads(regions))
            lost[uid] = f"{number} regions left out: the kept picture has another size"
    return lost
