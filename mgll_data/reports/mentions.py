"""Where a sentence speaks of a concept: phrases of `mentions.csv` and the synonyms of the hierarchy."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mgll_data.errors import UsageError
from mgll_data.hierarchy import Hierarchy
from mgll_data.reports.tokens import Found, Trie, form, tokenise, variants

# finding: the phrase names the concept. leans: it makes the concept probable ("borderline heart size"). raises: it
# makes it possible ("nodular opacity" may be a nodule). normal: it says that the concept is absent ("heart size is
# normal"). none: it looks like the concept and is not ("mass effect").
KINDS = ("finding", "leans", "raises", "normal", "none")
TABLE = "mentions.csv"
_WORDED_LEVELS = frozenset({"finding", "disease", "device", "stage"})
# Between "heart" and "normal" these words mean that the heart is not called normal.
_OPPOSING = """enlarged large borderline upper top high not no non without abnormal prominent increased widened tortuous
    ectatic near except opacity effusion consolidation atelectasis calcified mild moderate severe"""
_NOT_NORMAL = frozenset(map(form, _OPPOSING.split()))
_GOES_ON = frozenset({"of", "from", "to", "for", "in", "at", "that", "suggesting", "suspicious", "concerning"})
_NOT_IN_FINDING = frozenset({",", "(", ")", "no", "without", "normal"})


class Mention(NamedTuple):
    """A phrase of a concept among the tokens `start:end`; `gap` is the run of tokens that the phrase leaves open."""

    concept: str
    kind: str
    start: int
    end: int
    gap: tuple[int, int]


class Mentions:
    """Finds the mentions of a vocabulary's concepts in tokenised sentences."""

    def __init__(self, folder: Path, hierarchy: Hierarchy) -> None:
        """Reads `folder/mentions.csv`. Raises UsageError with every row that names an unknown concept or kind."""
        rows = list(phrases(folder, hierarchy))
        self._trie = Trie((phrase, (concept, kind)) for concept, phrase, kind in rows)

    def find(self, tokens: Sequence[str]) -> list[Mention]:
        """Mentions by start. A phrase inside a longer one is not counted; `none` phrases have done their work then."""
        found = self._trie.find(tokens)
        if not found:
            return []
        mentions: list[Mention] = []
        solid = [f for f in found if f.gap[0] == f.gap[1]]
        for phrase in found:
            if phrase.gap[0] == phrase.gap[1] and any(_inside(phrase, other) for other in solid):
                continue
            for concept, kind in phrase.values:
                if kind != "none" and _gap_allows(tokens, phrase, kind) and _whole(tokens, phrase, kind):
                    mentions.append(Mention(concept, kind, phrase.start, phrase.end, phrase.gap))
        return mentions


def phrases(folder: Path, hierarchy: Hierarchy) -> Iterator[tuple[str, str, str]]:
    """(concept, phrase, kind) of the table, then of the concepts' names and synonyms that it does not list.

    Raises UsageError with every row of the table that names an unknown concept or kind.
    """
    rows = list(_rows(folder / TABLE, hierarchy))
    yield from rows
    listed = {words for _, phrase, _ in rows for words in variants(phrase)}
    for concept in hierarchy.concepts.values():
        if concept.level in _WORDED_LEVELS:
            names = (tuple(tokenise(name)) for name in (concept.name, *concept.synonyms))
            yield from ((concept.id, " ".join(n), "finding") for n in names if n not in listed and "(" not in n)


def _inside(phrase: Found, other: Found) -> bool:
    return (
        other.start <= phrase.start and phrase.end <= other.end and other.end - other.start > phrase.end - phrase.start
    )


def _gap_allows(tokens: Sequence[str], phrase: Found, kind: str) -> bool:
    stopping = _NOT_NORMAL if kind == "normal" else _NOT_IN_FINDING
    return stopping.isdisjoint(tokens[phrase.gap[0] : phrase.gap[1]])


def _whole(tokens: Sequence[str], phrase: Found, kind: str) -> bool:
    """Whether a phrase that denies by itself means the whole of what it names.

    "Clear of effusion", "no finding to suggest pneumonia" and "the left lung is clear" mean less.
    """
    if kind != "normal" and tokens[phrase.start] not in ("no", "without"):
        return True
    following = tokens[phrase.end] if phrase.end < len(tokens) else ""
    before = tokens[max(phrase.start - 2, 0) : phrase.start]
    return following not in _GOES_ON and ("left" in before) == ("right" in before)


def _rows(path: Path, hierarchy: Hierarchy) -> Iterator[tuple[str, str, str]]:
    problems: list[str] = []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        for row in reader:
            if row["concept"] not in hierarchy.concepts:
                problems.append(f"{path}:{reader.line_num}: unknown concept {row['concept']!r}")
            elif row["kind"] not in KINDS:
                problems.append(f"{path}:{reader.line_num}: kind {row['kind']!r} is not one of {', '.join(KINDS)}")
            else:
                yield row["concept"], row["phrase"].strip(), row["kind"]
    if problems:
        raise UsageError(problems)
