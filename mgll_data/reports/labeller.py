"""Reads a radiology report: what it says of each concept, in which sentences, and its text without identities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

from mgll_data import hierarchy as hierarchies
from mgll_data.hierarchy import Hierarchy
from mgll_data.reports import aggregate, sections, sentences
from mgll_data.reports.aggregate import Spoken
from mgll_data.reports.mentions import Mentions
from mgll_data.reports.negation import Certainty, Cues
from mgll_data.reports.sections import Sections
from mgll_data.reports.tokens import tokenise
from mgll_data.schema import State

VERSION = 2
VOCAB = Path(__file__).parents[1] / "vocab" / "cxr"


@dataclass(frozen=True)
class ReportFindings:
    """What a report says.

    sections: its parts, as they were (not scrubbed). certainty: concept -> what the study's report says of it, direct
    statements only, without the ancestors. sentences: those that speak of a concept, in order, not scrubbed.
    """

    sections: Sections
    certainty: Mapping[str, Certainty]
    sentences: tuple[Spoken, ...]

    @cached_property
    def states(self) -> dict[str, State]:
        """Concept -> label state; what is probable or possible is uncertain, what is not mentioned has no state."""
        return {concept: aggregate.state(said) for concept, said in self.certainty.items()}

    @property
    def positive(self) -> frozenset[str]:
        """Concepts present or probable: what label sets without an uncertain state count as positive."""
        return frozenset(c for c, said in self.certainty.items() if said in (Certainty.PRESENT, Certainty.PROBABLE))

    def about(self, concept: str) -> tuple[tuple[Spoken, State], ...]:
        """The sentences that speak of the concept, each with the state that it gives it."""
        spoken = ((s, s.certainty.get(concept)) for s in self.sentences)
        return tuple((sentence, aggregate.state(said)) for sentence, said in spoken if said is not None)

    @cached_property
    def scrubbed(self) -> dict[str, str]:
        """Section name -> its text without names, numbers and dates, for the sections that state findings."""
        from mgll_data.phi.scrub import scrub

        return {name: scrub(text).text for name, text in self.sections.stating()}


class Labeller:
    """Reads reports with one vocabulary: a folder with hierarchy.csv, mentions.csv and cues.csv."""

    def __init__(self, folder: Path = VOCAB, hierarchy: Hierarchy | None = None) -> None:
        """Raises UsageError with every row of the tables that does not resolve."""
        self.hierarchy = hierarchy or hierarchies.load(folder)
        self._mentions = Mentions(folder, self.hierarchy)
        self.cues = Cues(folder)
        # Reports repeat themselves: two thirds of the sentences of the Indiana reports occur more than once.
        self._remembered = lru_cache(maxsize=1 << 16)(lambda text: self._said(tokenise(text)))

    def read(self, parts: Mapping[str, str], spelt: Mapping[str, Sequence[str]] | None = None) -> ReportFindings:
        """Findings of one report. `parts`: section name -> text, or the whole under `report` (see sections.py).

        spelt: see `sentence`.
        """
        known = sections.from_mapping(parts)
        spoken = [
            Spoken(name, sentence.start, sentence.end, sentence.text, said)
            for name, text in known.stating()
            for sentence in sentences.split(text)
            if (said := self.sentence(sentence.text, spelt))
        ]
        return ReportFindings(known, aggregate.study(spoken, self.hierarchy), tuple(spoken))

    def sentence(self, text: str, spelt: Mapping[str, Sequence[str]] | None = None) -> Mapping[str, Certainty]:
        """What one sentence says of the concepts that it mentions; nothing of those in a history or a question.

        spelt: words to read as others, such as an abbreviation that the report explains.
        """
        if not spelt:
            return self._remembered(text)
        return self._said([word for token in tokenise(text) for word in spelt.get(token, (token,))])

    def _said(self, tokens: Sequence[str]) -> dict[str, Certainty]:
        mentions = self._mentions.find(tokens)
        if not mentions:
            return {}
        judged = zip(mentions, self.cues.judge(tokens, mentions), strict=True)
        found = aggregate.strongest((mention.concept, said) for mention, said in judged if said is not None)
        return aggregate.narrowest(found, self.hierarchy) if len(found) > 1 else found


@cache
def default() -> Labeller:
    """The labeller of the chest X-ray vocabulary, loaded once a process."""
    return Labeller()


def read_report(parts: Mapping[str, str]) -> ReportFindings:
    """Findings of one chest X-ray report by the package's own vocabulary. See `Labeller.read`."""
    return default().read(parts)
