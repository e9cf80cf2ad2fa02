"""From sentences to the study: present beats uncertain beats absent, and every concept keeps its sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mgll_data.hierarchy import Hierarchy
from mgll_data.reports.negation import Certainty
from mgll_data.schema import State

_RANK = {Certainty.PRESENT: 3, Certainty.PROBABLE: 2, Certainty.POSSIBLE: 1, Certainty.ABSENT: 0}
_STATE = {
    Certainty.PRESENT: State.PRESENT,
    Certainty.PROBABLE: State.UNCERTAIN,
    Certainty.POSSIBLE: State.UNCERTAIN,
    Certainty.ABSENT: State.ABSENT,
}


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence that speaks of concepts: `text` is that of `section` from `start` to `end`; not scrubbed."""

    section: str
    start: int
    end: int
    text: str
    certainty: Mapping[str, Certainty]

    def asserted(self) -> tuple[str, ...]:
        """The concepts that the sentence says are present, without a hedge."""
        return tuple(concept for concept, said in self.certainty.items() if said is Certainty.PRESENT)

    def hedged(self) -> tuple[str, ...]:
        """The concepts that it raises without settling them."""
        return tuple(c for c, said in self.certainty.items() if said in (Certainty.PROBABLE, Certainty.POSSIBLE))


def state(certainty: Certainty) -> State:
    """The label that a certainty becomes: what is probable or possible is uncertain."""
    return _STATE[certainty]


def strongest(said: Iterable[tuple[str, Certainty]]) -> dict[str, Certainty]:
    """Per concept the strongest of several statements."""
    found: dict[str, Certainty] = {}
    for concept, certainty in said:
        known = found.get(concept)
        if known is None or _RANK[certainty] > _RANK[known]:
            found[concept] = certainty
    return found


def narrowest(said: Mapping[str, Certainty], hierarchy: Hierarchy) -> dict[str, Certainty]:
    """Without what follows from a narrower concept of the same certainty: "multiple nodules" is not "nodule" too."""
    above = {
        (a, certainty)
        for concept, certainty in said.items()
        if certainty is not Certainty.ABSENT
        for a in hierarchy.ontology.ancestors(concept)
    }
    return {concept: certainty for concept, certainty in said.items() if (concept, certainty) not in above}


def study(sentences: Iterable[Spoken], hierarchy: Hierarchy) -> dict[str, Certainty]:
    """Per concept what the report says as a whole.

    A broad denial ("lungs are clear") gives way where something below it is stated or raised, and "no abnormality"
    stands only where nothing below `abnormal` is.
    """
    found = strongest(item for sentence in sentences for item in sentence.certainty.items())
    raised = hierarchy.ontology.up(concept for concept, said in found.items() if said is not Certainty.ABSENT)
    if hierarchy.abnormal in raised or found.get(hierarchy.normal) is not Certainty.PRESENT:
        found.pop(hierarchy.normal, None)
    return {c: said for c, said in found.items() if said is not Certainty.ABSENT or c not in raised}
