"""A source's own words become concepts with a state. Nothing is guessed: a word that no row lists is reported."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, cast

from mgll_data import qualifiers
from mgll_data.errors import UsageError
from mgll_data.hierarchy import Closed, Hierarchy
from mgll_data.schema import State
from mgll_data.sources.base import SourceCard

Relation = Literal["exact", "broader", "narrower", "uncertain", "none"]
RELATIONS = ("exact", "broader", "narrower", "uncertain", "none")


@dataclass(frozen=True)
class Rule:
    """One row of a label table: what a raw word says of a concept.

    relation: how the concept stands to the word. exact: the same. broader: it covers more (presence passes, absence
    does not). narrower: it covers less (absence passes, presence makes it uncertain). uncertain: the word raises it
    only. none: deliberately unmapped, `note` says why. asserts: the state the concept gets where the word is present.
    """

    concept: str
    relation: Relation
    asserts: State
    note: str

    def state(self, word: State) -> State | None:
        """State of the concept when the raw word has the state `word`; None: the word says nothing of it."""
        if self.relation == "none":
            return None
        if self.asserts is State.ABSENT:
            if word is State.PRESENT:
                return State.ABSENT if self.relation == "exact" else State.UNCERTAIN
            return State.UNCERTAIN if word is State.UNCERTAIN else None
        if word is State.PRESENT:
            return State.PRESENT if self.relation in ("exact", "broader") else State.UNCERTAIN
        if word is State.ABSENT:
            return State.ABSENT if self.relation in ("exact", "narrower") else None
        return State.UNCERTAIN


@dataclass(frozen=True)
class Statement:
    """The trace of a label: raw word and its state in the source, the concept it became, how, and its state here."""

    raw: str
    raw_state: State
    concept: str
    relation: str
    state: State | None


class LabelMap:
    """The label table of one source."""

    def __init__(self, card: SourceCard, rules: Mapping[str, tuple[Rule, ...]]) -> None:
        self._card = card
        self.rules = dict(rules)

    def lookup(self, word: str) -> tuple[Rule, ...] | None:
        """Rules of a raw word, by exact match or, for path labels, by the longest listed prefix of whole segments."""
        matched = self._matched(word)
        return None if matched is None else self.rules[matched]

    def _matched(self, word: str) -> str | None:
        """The label of the table that a raw word is looked up under."""
        if word in self.rules:
            return word
        if self._card.path_labels:
            segments = word.split("/")
            for end in range(len(segments) - 1, 0, -1):
                if (prefix := "/".join(segments[:end])) in self.rules:
                    return prefix
        return None

    def qualifiers(
        self, statements: Iterable[Statement], closed: Closed, stated: Mapping[str, Sequence[str]]
    ) -> dict[str, list[str]]:
        """Qualifiers of the concepts that are stated directly and are present or uncertain, sorted.

        stated: raw word -> its qualifiers; those in a label path count too.
        """
        found: dict[str, list[frozenset[str]]] = {}
        for statement in statements:
            said = statement.state in (State.PRESENT, State.UNCERTAIN)
            if said and statement.concept in closed.present | closed.uncertain:
                words = set(stated.get(statement.raw, ()))
                if self._card.path_labels:
                    words |= set(qualifiers.of_path(statement.raw, self._matched(statement.raw) or statement.raw))
                found.setdefault(statement.concept, []).append(frozenset(words))
        combined = {concept: sorted(qualifiers.combine(words)) for concept, words in found.items()}
        return {concept: words for concept, words in combined.items() if words}

    def nearest(self, word: str) -> list[str]:
        """Listed words that look like this one."""
        return get_close_matches(word, self.rules, n=3)

    def apply(self, labels: Mapping[str, State], hierarchy: Hierarchy) -> tuple[list[Statement], Closed, list[str]]:
        """Statements, closed labels and unmapped words of one record."""
        statements: list[Statement] = []
        unmapped: list[str] = []
        for word, word_state in labels.items():
            rules = self.lookup(word)
            if rules is None:
                unmapped.append(word)
            for rule in rules or ():
                statements.append(Statement(word, word_state, rule.concept, rule.relation, rule.state(word_state)))
        stated = {s: {t.concept for t in statements if t.state is s} for s in State}
        if self._card.silence == "absent" and labels and not unmapped:
            known = hierarchy.ontology.up(stated[State.PRESENT]) | hierarchy.ontology.up(stated[State.UNCERTAIN])
            stated[State.ABSENT] |= {c for c in self._card.scope if c not in known}
        closed = hierarchy.close(
            stated[State.PRESENT],
            stated[State.ABSENT],
            stated[State.UNCERTAIN],
            normal_excludes_all=self._card.normal_excludes_all,
        )
        return statements, closed, unmapped


def load_labels(folder: Path, cards: Iterable[SourceCard], hierarchy: Hierarchy) -> dict[str, LabelMap]:
    """Label maps of these sources from `folder/labels/<source>.csv`, by source name.

    Raises UsageError with every problem: a source without a table, an unknown concept, relation or state.
    """
    maps: dict[str, LabelMap] = {}
    problems: list[str] = []
    for card in cards:
        path = label_table(folder, card.name)
        rules: dict[str, tuple[Rule, ...]] = {}
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                for row in reader:
                    rule = _rule(row, f"{path}:{reader.line_num}", hierarchy)
                    if isinstance(rule, Rule):
                        rules[row["label"]] = (*rules.get(row["label"], ()), rule)
                    else:
                        problems.append(rule)
        if not rules:
            problems.append(f"{path}: no row for source {card.name!r}")
        problems += [
            f"{card.name}: scope names unknown concept {c!r}" for c in card.scope if c not in hierarchy.ontology
        ]
        maps[card.name] = LabelMap(card, rules)
    if problems:
        raise UsageError(problems)
    return maps


def label_table(folder: Path, source: str) -> Path:
    """Where the vocabulary in `folder` keeps the label table of a source."""
    return folder / "labels" / f"{source}.csv"


def summary(path: Path) -> dict[str, Any]:
    """What a label table covers: its raw words, how many of them say something of a concept, the concepts, and its rows
    by relation. All zero where there is no table."""
    words: dict[str, bool] = {}
    concepts: set[str] = set()
    relations: Counter[str] = Counter()
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                words[row["label"]] = words.get(row["label"], False) or bool(row["concept"])
                concepts |= {row["concept"]} - {""}
                relations[row["relation"].strip()] += 1
    return {
        "words": len(words),
        "mapped": sum(words.values()),
        "concepts": len(concepts),
        "relations": {name: relations[name] for name in RELATIONS},
    }


def _rule(row: Mapping[str, str], where: str, hierarchy: Hierarchy) -> Rule | str:
    """The rule of a row, or what is wrong with it."""
    relation, asserts = row["relation"].strip(), row["asserts"].strip() or "present"
    concept, note = row["concept"].strip(), row["note"].strip()
    if relation not in RELATIONS:
        return f"{where}: relation {relation!r} is not one of {', '.join(RELATIONS)}"
    if asserts not in ("present", "absent"):
        return f"{where}: asserts {asserts!r} is neither present nor absent"
    if relation == "none" and (concept or not note):
        return f"{where}: an unmapped label has no concept and a note that says why"
    if relation != "none" and concept not in hierarchy.ontology:
        near = get_close_matches(concept, hierarchy.concepts, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{where}: unknown concept {concept!r}{hint}"
    return Rule(concept, cast(Relation, relation), State(asserts), note)
