"""The texts stage: what there is to say of each kept image, and TEXTS, the sentences written of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mgll_data.images.study_names import study_name
from mgll_data.reports.stage import key
from mgll_data.reports.texts import ReportText
from mgll_data.schema import Ontology, arrow_schema
from mgll_data.texts.targets import Subject, Writer

if TYPE_CHECKING:
    import pyarrow as pa


def subjects(
    kept: Collection[str],
    records: pa.Table,
    concepts: pa.Table,
    index: pa.Table,
    reports: Mapping[str, tuple[ReportText, ...]],
    ontology: Ontology,
) -> list[Subject]:
    """The kept images in the order of RECORDS; view, side and modality from the image where its source names none.

    reports: key of a report -> its texts (`reports.stage`).
    """
    said = {row["uid"]: row for row in concepts.to_pylist() if row["uid"] in kept}
    images = {
        row["uid"]: row
        for row in index.select(["uid", "view", "laterality", "modality_code", "study_name"]).to_pylist()
    }
    found = []
    for row in records.select(["uid", "view", "laterality", "captions", "report"]).to_pylist():
        if (uid := row["uid"]) not in kept:
            continue
        image, labels = images[uid], said[uid]
        captions, view = json.loads(row["captions"]), row["view"] or image["view"]
        found.append(
            Subject(
                uid=uid,
                present=frozenset(labels["present"]),
                view=view,
                laterality=row["laterality"] or image["laterality"],
                modality_code=captions.get("modality") or image["modality_code"],
                study_name=study_name(captions.get("modality"), captions.get("study", ""), view) or image["study_name"],
                uncertain=frozenset(labels["uncertain"]),
                qualifiers={concept: tuple(words) for concept, words in json.loads(labels["qualifiers"]).items()},
                report=agreeing(reports.get(key(row["report"]), ()) if reports else (), labels, ontology),
            )
        )
    return found


def agreeing(
    texts: Iterable[ReportText], labels: Mapping[str, Sequence[str]], ontology: Ontology
) -> tuple[ReportText, ...]:
    """The report's texts that fit the image's labels: none that asserts what the labels deny or doubt.

    An explanatory sentence also names one present concept at least.
    """
    present, doubtful = set(labels["present"]), set(labels["uncertain"])
    against = ontology.expand_absent(labels["absent"], present, doubtful) | doubtful
    return tuple(
        text
        for text in texts
        if against.isdisjoint(text.concepts) and (text.level == "report" or not present.isdisjoint(text.concepts))
    )


def texts(subjects: Iterable[Subject], writer: Writer) -> pa.Table:
    """TEXTS of the subjects, coarse to fine."""
    import pyarrow as pa

    rows = [
        {"uid": s.uid, "level": t.level, "ordinal": n, "id": t.id} | t.said()
        for s in subjects
        for n, t in enumerate(writer.texts(s))
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema("texts"))


def spans(keys: list[str]) -> dict[str, tuple[int, int]]:
    """Start and length of each key's run of rows (texts as dicts would take 10 KiB a sample)."""
    found: dict[str, tuple[int, int]] = {}
    for position, name in enumerate(keys):
        start, length = found.get(name, (position, 0))
        found[name] = (start, length + 1)
    return found
