"""Diagnostic sentences as a clinician writes them: a stage with its findings, lists, doubts, the eye last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mgll_data.hierarchy import Hierarchy
from mgll_data.texts import grammar
from mgll_data.texts.templates import Templates, pick

LONGEST_LIST = 4  # findings in one composed sentence
LONGEST = 190  # characters of a composed sentence: medical words take one of CLIP's 77 tokens for 2.7 letters at worst
HEADS = ("stage", "disease")
DOUBTFUL = (*HEADS, "finding", "device")  # levels of which "possible" can be said


class Sentence(NamedTuple):
    """A sentence, the present concepts that it asserts, and those of which it says more or less than their presence."""

    text: str
    concepts: tuple[str, ...]
    about: tuple[str, ...] = ()


class _Part(NamedTuple):
    concept: str
    phrase: str
    certain: bool
    order: int  # what a side or place behind it could be misread to belong to comes after it


class Composer:
    """Writes the diagnostic sentences of one vocabulary."""

    def __init__(self, hierarchy: Hierarchy, templates: Templates, modality: str) -> None:
        self._hierarchy = hierarchy
        self._templates = templates
        self._abnormal = hierarchy.abnormal
        self._eyes = modality == "fundus"
        self._lung = hierarchy.ontology.down(["cxr.lung"]) if "cxr.lung" in hierarchy.ontology else frozenset()

    def composed(
        self,
        uid: str,
        findings: Sequence[str],
        doubts: Sequence[str],
        qualifiers: Mapping[str, Sequence[str]],
        laterality: str | None,
    ) -> Sentence | None:
        """One sentence of everything: at most LONGEST_LIST findings, then doubts. None where a plain one says as much.

        findings: present concepts; doubts: uncertain ones; qualifiers: words the source states of them; laterality:
        the eye, said only where the vocabulary has words for it.
        """
        side = self._templates.laterality.get(laterality or "")
        parts = [self._part(c, uid, qualifiers.get(c, ()), certain=True) for c in findings[:LONGEST_LIST]]
        parts += [self._part(c, uid, qualifiers.get(c, ()), certain=False) for c in doubts[: LONGEST_LIST - len(parts)]]
        if not parts or (len(parts) == 1 and not side and parts[0].order == 1):
            return None
        text = self._framed(parts, uid, side)
        while len(text) > LONGEST and len(parts) > 1:
            parts.pop()
            text = self._framed(parts, uid, side)
        concepts = tuple(part.concept for part in parts if part.certain)
        about = tuple(p.concept for p in parts if side or not p.certain or p.order != 1)
        return Sentence(text, concepts, about)

    def _framed(self, parts: Sequence[_Part], uid: str, side: str | None) -> str:
        frame = pick(self._templates.diagnostic, uid, "composed/" + "/".join(part.concept for part in parts))
        words = self._joined(parts)
        return grammar.capitalise(frame.format(finding=f"{words}, {side}" if side else words))

    def plain(self, uid: str, concept: str) -> Sentence:
        """The sentence that says of the concept that it is there and nothing else."""
        frame = pick(self._templates.diagnostic, uid, f"diagnostic/{concept}")
        return Sentence(grammar.capitalise(frame.format(finding=self._phrase(concept, uid))), (concept,))

    def doubt(self, uid: str, concept: str) -> Sentence:
        """The sentence that raises the concept and asserts nothing."""
        frame = pick(self._templates.diagnostic, uid, f"doubt/{concept}")
        phrase = grammar.doubt(self._phrase(concept, uid))
        return Sentence(grammar.capitalise(frame.format(finding=phrase)), (), (concept,))

    def doubts(self, uncertain: Sequence[str]) -> list[str]:
        """The uncertain concepts worth a doubt: the most specific, and of one scale's stages only a single one.

        Two uncertain stages of a scale mean that the disease is there and its stage is not known.
        """
        lowest = self._hierarchy.ontology.lowest(uncertain)
        crowded = {
            member
            for members in self._hierarchy.groups.values()
            if len(members.intersection(lowest)) > 1
            for member in members
        }
        levels = self._hierarchy.concepts
        return [c for c in uncertain if c in lowest - crowded and levels[c].level in DOUBTFUL]

    def _phrase(self, concept: str, uid: str) -> str:
        return pick(self._templates.phrases[concept], uid, f"phrase/{concept}")

    def _part(self, concept: str, uid: str, words: Sequence[str], *, certain: bool) -> _Part:
        """The concept's noun phrase; with qualifiers always its first, which is its name and takes adjectives."""
        if self._eyes:  # the eye is said at the end, and the places are those of a chest
            words = [word for word in words if word in (*grammar.SEVERITIES, *grammar.EXTENTS)]
        name = self._templates.phrases[concept][0]
        disease = self._level(concept) == "disease"
        said = grammar.qualify(name, words, in_lung=concept in self._lung, disease=disease)
        order = 1 if said == name else 2 if said.endswith(name.split()[-1]) else 0
        phrase = said if order != 1 else self._phrase(concept, uid)
        return _Part(concept, phrase if certain else grammar.doubt(phrase), certain, order)

    def _joined(self, parts: Sequence[_Part]) -> str:
        certain = sorted((part for part in parts if part.certain), key=lambda part: part.order)
        doubts = [part.phrase for part in parts if not part.certain]
        head = next(
            (part for part in certain if self._level(part.concept) in HEADS and " with " not in part.phrase), None
        )
        with_it = [
            p for p in certain if head and not doubts and p is not head and self._accompanies(p.concept, head.concept)
        ]
        if head is None or not with_it:
            return grammar.listing([*(part.phrase for part in certain), *doubts])
        rest = [part.phrase for part in certain if part is not head and part not in with_it]
        return grammar.listing([*rest, f"{head.phrase} with {grammar.listing([part.phrase for part in with_it])}"])

    def _accompanies(self, concept: str, head: str) -> bool:
        """Whether "head with concept" can be said: it is a sign of the head, or the head is a stage of its family."""
        signs = self._hierarchy.ontology.up(self._hierarchy.concepts[concept].evidence_of)
        if any(
            self._level(c) != "family" and c in self._hierarchy.ontology.up([head]) for c in signs - {self._abnormal}
        ):
            return True
        return self._level(head) == "stage" and bool(self._families(concept) & self._families(head))

    def _families(self, concept: str) -> set[str]:
        related = self._hierarchy.ontology.up([concept, *self._hierarchy.concepts[concept].evidence_of])
        return {c for c in related if self._level(c) == "family"}

    def _level(self, concept: str) -> str:
        return self._hierarchy.concepts[concept].level
