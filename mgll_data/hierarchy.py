"""The concepts of a modality: loads `hierarchy.csv`, checks it, and closes a set of labels over it."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from mgll_data.errors import UsageError
from mgll_data.schema import Ontology

CONCEPT_LEVELS = (
    "root",
    "status",
    "quality",
    "negation",
    "context",
    "family",
    "disease",
    "stage",
    "finding",
    "device",
)
CODE_COLUMNS = ("umls", "radlex", "hpo", "snomed", "icd10")


@dataclass(frozen=True)
class Concept:
    """One row of `hierarchy.csv`.

    exclusive: groups of which one member at most is present. negates: see `Hierarchy`.
    """

    id: str
    name: str
    level: str
    parents: tuple[str, ...]
    exclusive: tuple[str, ...]
    negates: str | None
    evidence_of: tuple[str, ...]
    synonyms: tuple[str, ...]
    codes: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Closed:
    """Labels after closure: present with ancestors, absent as topmost concepts, uncertain, and the contradictions."""

    present: frozenset[str]
    absent: frozenset[str]
    uncertain: frozenset[str]
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hierarchy:
    """A checked directed acyclic graph of concepts.

    A concept that `negates` another is its absence by definition (no_dr negates dr): either is present exactly when
    the other is absent. `normal` is not such a concept, since a source's "normal" often denies only what it looked for.
    """

    concepts: dict[str, Concept]
    ontology: Ontology
    normal: str
    abnormal: str
    groups: dict[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def negations(self) -> dict[str, str]:
        """Negation concept -> the concept it is the absence of."""
        return {c.id: c.negates for c in self.concepts.values() if c.negates}

    def close(
        self,
        present: Iterable[str],
        absent: Iterable[str],
        uncertain: Iterable[str],
        *,
        normal_excludes_all: bool = False,
    ) -> Closed:
        """Close direct statements: presence goes up, absence down, uncertainty up at most, blank nowhere.

        Contradictions are resolved towards the weaker claim and listed: a concept both present and absent, and two
        present members of an exclusive group, become uncertain; a finding outweighs "normal"; a present concept keeps
        its ancestors present even where one of them was called absent.
        """
        p, a, u = set(present), set(absent), set(uncertain)
        both = p & a
        conflicts = [f"{c} is stated present and absent" for c in sorted(both)]
        p -= both
        u = (u | both) - p
        a -= u
        p, u, found = self._exclusive(p, u)
        conflicts += found
        closed = self.ontology.up(p)
        if self.normal in p and (self.abnormal in closed or self.abnormal in self.ontology.up(u)):
            conflicts.append(f"{self.normal} is stated beside a finding")
            p.discard(self.normal)
            closed = self.ontology.up(p)
            (a if self.abnormal in closed else u).add(self.normal)
        elif self.normal in p and normal_excludes_all:
            a.add(self.abnormal)
        if self.abnormal in closed:
            a.add(self.normal)
        for negation, negated in self.negations.items():
            if negation in closed:
                a.add(negated)
            elif negated in closed:
                a.add(negation)
        for members in self.groups.values():
            for member in members & closed:
                related = self.ontology.ancestors(member) | self.ontology.descendants(member) | {member}
                a |= members - related - closed
        down = self.ontology.down(a)
        conflicts += [f"{c} is present below or at an absent concept" for c in sorted(down & closed)]
        hazy = self.ontology.up(u) - closed
        down -= closed | hazy
        for negation, negated in self.negations.items():
            if negated in down and negation not in down | hazy:
                closed |= self.ontology.up([negation])
        return Closed(
            frozenset(closed),
            frozenset(self.ontology.topmost(down - closed)),
            frozenset(hazy - closed),
            tuple(conflicts),
        )

    def _exclusive(self, present: set[str], uncertain: set[str]) -> tuple[set[str], set[str], list[str]]:
        conflicts = []
        for name, members in self.groups.items():
            stated = self.ontology.lowest(members & present)
            if len(stated) > 1:
                conflicts.append(f"{', '.join(sorted(stated))} are stages of one scale ({name})")
                # What all of them imply stays present: the disease, but not a stage that only one of them belongs to.
                shared = set.intersection(*(self.ontology.up([c]) for c in stated))
                present = (present - stated) | shared
                uncertain = uncertain | stated
        return present, uncertain, conflicts


def load(folder: Path) -> Hierarchy:
    """Read `folder/hierarchy.csv`. Raises UsageError with every problem (unknown parent, cycle, repeated id, level)."""
    path = folder / "hierarchy.csv"
    problems: list[str] = []
    concepts: dict[str, Concept] = {}
    lines: dict[str, int] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        for row in reader:
            concept = _concept(row)
            where = f"{path}:{reader.line_num}"
            if concept.id in concepts:
                problems.append(f"{where}: concept {concept.id!r} stands twice (first in line {lines[concept.id]})")
            if concept.level not in CONCEPT_LEVELS:
                problems.append(f"{where}: level {concept.level!r} is not one of {', '.join(CONCEPT_LEVELS)}")
            if (concept.level == "root") != (not concept.parents):
                problems.append(f"{where}: {concept.id}: a root has no parents, every other concept has one at least")
            concepts[concept.id] = concept
            lines[concept.id] = reader.line_num
    for concept in concepts.values():
        linked = [*concept.parents, *concept.evidence_of, *([concept.negates] if concept.negates else [])]
        for other in linked:
            if other not in concepts:
                near = get_close_matches(other, concepts, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                problems.append(f"{path}:{lines[concept.id]}: {concept.id} refers to unknown concept {other!r}{hint}")
    if problems:
        raise UsageError(problems)
    try:
        ontology = Ontology({c.id: c.parents for c in concepts.values()})
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    groups: dict[str, set[str]] = defaultdict(set)
    for concept in concepts.values():
        for group in concept.exclusive:
            groups[group].add(concept.id)
    status = {c.id.rpartition(".")[2]: c.id for c in concepts.values() if c.level == "status"}
    if not {"normal", "abnormal"} <= status.keys():
        raise UsageError(f"{path}: needs the two status concepts <modality>.normal and <modality>.abnormal")
    frozen = {name: frozenset(members) for name, members in sorted(groups.items())}
    return Hierarchy(concepts, ontology, status["normal"], status["abnormal"], frozen)


def split_cell(cell: str | None) -> tuple[str, ...]:
    """The `;`-separated values of a cell, stripped, empty ones left out."""
    return tuple(part.strip() for part in (cell or "").split(";") if part.strip())


def _concept(row: dict[str, str]) -> Concept:
    return Concept(
        id=row["id"].strip(),
        name=row["name"].strip(),
        level=row["level"].strip(),
        parents=split_cell(row["parents"]),
        exclusive=split_cell(row.get("exclusive")),
        negates=(row.get("negates") or "").strip() or None,
        evidence_of=split_cell(row.get("evidence_of")),
        synonyms=split_cell(row.get("synonyms")),
        codes={name: split_cell(row.get(name)) for name in CODE_COLUMNS if split_cell(row.get(name))},
    )
