"""The reports stage: REPORTS, what each distinct report of the records says, and its scrubbed texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mgll_data.hierarchy import Hierarchy
from mgll_data.progress import Advance, Progress
from mgll_data.recipe import Recipe
from mgll_data.reports import labeller, mentions, negation, texts
from mgll_data.reports.labeller import Labeller
from mgll_data.reports.texts import ReportText
from mgll_data.schema import arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = (labeller.VERSION, texts.VERSION)
TABLES = (mentions.TABLE, negation.TABLE)
EMPTY = "{}"


def key(report: str) -> str:
    """What stands for a report (the JSON of the `report` column of RECORDS) in REPORTS: its sha256."""
    return hashlib.sha256(report.encode()).hexdigest()


def wanted(recipe: Recipe, tables: Mapping[str, str], reports: Iterable[str | None]) -> list[str]:
    """The distinct reports to read: none where the recipe asks nothing of reports or its vocabulary has no tables."""
    asked = {"explanatory", "report"} & set(recipe.texts.levels) or recipe.labels.reports == "add"
    return distinct(reports) if asked and tables else []


def read(reports: Sequence[str], vocab: Path, hierarchy: Hierarchy, progress: Progress) -> pa.Table:
    """REPORTS, in the order of the distinct reports given (the `report` column of RECORDS).

    One process reads some 3,000 reports a second, so the 228,000 studies of MIMIC-CXR take less than two minutes.
    """
    import pyarrow as pa

    reader = Labeller(vocab, hierarchy)
    with progress.stage("reports", len(reports), "reports") as advance:
        rows = list(_rows(reports, reader, advance))
    return pa.Table.from_pylist(rows, schema=arrow_schema("reports"))


def _rows(reports: Sequence[str], reader: Labeller, advance: Advance) -> Iterator[dict[str, str]]:
    for number, report in enumerate(reports, 1):
        found = reader.read(json.loads(report))
        states = {concept: str(state) for concept, state in sorted(found.states.items())}
        said = [[t.level, t.text, list(t.concepts)] for t in texts.texts(found, reader.hierarchy.normal)]
        yield {"report": key(report), "states": json.dumps(states), "texts": json.dumps(said, ensure_ascii=False)}
        if number % 100 == 0 or number == len(reports):
            advance(number)


def distinct(reports: Iterable[str | None]) -> list[str]:
    """The reports that say something, each once."""
    return [report for report in dict.fromkeys(reports) if report and report != EMPTY]


def states_of(reports: Iterable[str | None], table: pa.Table) -> dict[str, str]:
    """Report, as RECORDS has it -> JSON of its concepts' states."""
    states = dict(zip(table["report"].to_pylist(), table["states"].to_pylist(), strict=True))
    return {report: states[key(report)] for report in distinct(reports)}


def texts_of(table: pa.Table) -> Mapping[str, tuple[ReportText, ...]]:
    """Key of a report -> its texts."""
    said = zip(table["report"].to_pylist(), table["texts"].to_pylist(), strict=True)
    return {
        report: tuple(ReportText(level, text, tuple(concepts)) for level, text, concepts in json.loads(listed))
        for report, listed in said
    }
