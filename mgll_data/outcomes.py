"""Decides what becomes of every record: kept, duplicate, quarantined or excluded, each with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mgll_data.errors import CorruptError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row that was read. `image` and `origin` are for the user's own eyes, never published."""

    uid: str
    source: str
    outcome: str
    reason: str
    detail: str
    image: str
    origin: str


def of_records(
    records: Iterable[Mapping[str, Any]],
    index: Mapping[str, Mapping[str, Any]],
    unmapped: Mapping[str, str],
    views: Mapping[str, tuple[str, ...]],
    burned_in: str,
) -> list[Outcome]:
    """Outcome of every row read, before duplicates and splits are known.

    index: INDEX rows by uid, empty in a dry run. unmapped: uid -> the word no table row lists. views: allowed views by
    source, empty for all; an image whose view neither its table nor its header tells is excluded where views are asked.
    burned_in: the recipe's `curate.phi.burned_in`.
    """
    found = []
    for row in records:
        outcome, reason, detail = row["outcome"], row["reason"], row["detail"]
        image = index.get(row["uid"])
        if outcome == "kept" and row["uid"] in unmapped:
            outcome, reason, detail = "quarantined", "unmapped_label", unmapped[row["uid"]]
        elif outcome == "kept" and image is not None and image["outcome"] != "kept":
            outcome, reason, detail = image["outcome"], image["reason"], image["detail"]
        elif outcome == "kept" and image is not None and (found_text := _burned_in(image["flags"], burned_in)):
            outcome, reason, detail = "quarantined", "burned_in_text", found_text
        elif outcome == "kept" and image is not None and views.get(row["source"]):
            view = row["view"] or image["view"]
            if view not in views[row["source"]]:
                outcome, reason, detail = "excluded", "view", view or "unknown"
        found.append(Outcome(row["uid"], row["source"], outcome, reason, detail, row["image"], row["origin"]))
    return found


def _burned_in(flags: Collection[str], policy: str) -> str:
    """Why a film with these flags is held back under the policy `curate.phi.burned_in`, '' where it is not."""
    if policy != "quarantine":
        return ""
    if "burned_in_annotation" in flags:
        return "the DICOM header says that text is burned in"
    return "a row of characters near the border" if "border_text" in flags else ""


def final(decided: Iterable[Outcome], groups: pa.Table, splits: pa.Table, details: Mapping[str, str]) -> list[Outcome]:
    """The outcomes once duplicates (GROUPS) and groups dropped for a split conflict (SPLITS) are known too.

    details: what was lost with a duplicate, by uid.
    """
    copies = {row["uid"]: row["reason"] for row in groups.to_pylist() if row["duplicate_of"]}
    dropped = {row["uid"] for row in splits.to_pylist() if row["split"] is None}
    made = []
    for item in decided:
        if item.uid in copies and item.outcome == "kept":
            item = replace(item, outcome="duplicate", reason=copies[item.uid], detail=details.get(item.uid, ""))
        elif item.uid in dropped and item.outcome == "kept":
            item = replace(item, outcome="excluded", reason="split_conflict")
        made.append(item)
    return made


def check_budget(outcomes: Iterable[Outcome], limit: float, where: str) -> None:
    """Raise CorruptError for every source that lost more than the share `limit` of its rows to quarantine."""
    read: Counter[str] = Counter()
    bad: dict[str, Counter[str]] = {}
    for item in outcomes:
        read[item.source] += 1
        # Text in a readable film is a decision of the recipe, no defect of the files.
        if item.outcome == "quarantined" and item.reason != "burned_in_text":
            bad.setdefault(item.source, Counter())[item.reason] += 1
    problems = []
    for source, reasons in bad.items():
        share = reasons.total() / read[source]
        if share > limit:
            listed = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
            found = f"{source}: {reasons.total()} of {read[source]} rows quarantined"
            problems.append(f"{found} ({share:.1%}, the limit is {limit:.1%}): {listed}")
    if problems:
        advice = (
            f"The files are listed in {where}. Mend them, try them again with --retry-quarantine, raise "
            "limits.quarantine, or set partial: true for a source of which only a part was downloaded."
        )
        raise CorruptError("\n".join([*problems, advice]))


def table(outcomes: Iterable[Outcome], *, private: bool) -> pa.Table:
    """The rows that were not kept. private: with file and label line, for the work folder only."""
    import pyarrow as pa

    from mgll_data.schema import arrow_schema

    schema = arrow_schema("quarantine")
    if private:
        schema = schema.append(pa.field("image", pa.string())).append(pa.field("origin", pa.string()))
    rows = [
        {name: getattr(item, name) for name in schema.names}
        for item in outcomes
        if item.outcome in ("quarantined", "excluded", "duplicate")
    ]
    for row in rows:
        if not private and row["reason"] == "unmapped_label":
            row["detail"] = ""  # the word is a cell of the source's table and could be anything, a name too
    return pa.Table.from_pylist(rows, schema=schema)
