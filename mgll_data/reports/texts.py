"""Texts that a report gives its image: sentences that explain a finding, and the impression in pieces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from mgll_data.phi.scrub import scrub
from mgll_data.reports import sentences
from mgll_data.reports.aggregate import Spoken
from mgll_data.reports.labeller import ReportFindings
from mgll_data.reports.negation import Certainty

VERSION = 1
# CLIP reads 77 tokens, two of them marks. The estimate below is at most 8 tokens short on 66 estimated ones (measured
# with CLIP's own tokeniser on the sentences of the Indiana reports).
LONGEST = 66
_PIECE = re.compile(r"[a-z]+|\d|[^\sa-z\d]")
_STOPS = re.compile(r"[.\s]+$")
_GAP = re.compile(r"X{3,}|_{2,}")  # what an earlier de-identification left
_PRIOR = re.compile(
    r"\b(?:prior|previous(?:ly)?|unchanged|stable|again|compar\w+|interval|persist\w*|remains?|(?:in|de)creas\w+|"
    r"improv\w+|worsen\w*|new|resol\w+|since)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ReportText:
    """A scrubbed text of a report. concepts: exactly those that it says are present, without a hedge."""

    level: Literal["explanatory", "report"]
    text: str
    concepts: tuple[str, ...]


def texts(findings: ReportFindings, normal: str) -> tuple[ReportText, ...]:
    """The texts of one report: explanatory sentences first, then the pieces of its impression (or findings).

    A sentence explains the concepts that it asserts; one that only denies or doubts explains nothing, and neither does
    one that asserts `normal` alone. Sentences with a
    gap, or in which the scrubber replaced anything, are left out, as are texts that assert nothing. Sentences that
    deny or doubt nothing beside it and do not speak of an earlier film come first.
    """
    found = (_explanation(sentence, findings, normal) for sentence in findings.sentences)
    ordered = sorted((item for item in found if item is not None), key=lambda item: item[0])
    explanations = dict.fromkeys(text for _, text in ordered)
    return (*explanations, *_impression(findings))


def clip_tokens(text: str) -> int:
    """Estimate of the number of tokens that CLIP's tokeniser makes of a text, without the two marks."""
    return sum(1 + (len(piece) - 1) // 5 for piece in _PIECE.findall(text.lower()))


@lru_cache(maxsize=1 << 16)  # reports repeat themselves, and an impression the findings
def clean(text: str) -> str | None:
    """The sentence with a capital first letter, or None if it has gaps or names anything that the scrubber removes."""
    if _GAP.search(text):
        return None
    scrubbed = scrub(text)
    if scrubbed.removed or _GAP.search(scrubbed.text):
        return None
    return scrubbed.text[:1].upper() + _STOPS.sub(".", scrubbed.text[1:])


def _explanation(
    sentence: Spoken, findings: ReportFindings, normal: str
) -> tuple[tuple[bool, bool], ReportText] | None:
    concepts = tuple(concept for concept in _asserted(sentence, findings) if concept != normal)
    if not concepts or clip_tokens(sentence.text) > LONGEST or len(sentence.text.split()) < 2:
        return None
    text = clean(sentence.text)
    if text is None:
        return None
    mixed = any(said is not Certainty.PRESENT for said in sentence.certainty.values())
    return (mixed, bool(_PRIOR.search(text))), ReportText("explanatory", text, concepts)


def _asserted(sentence: Spoken, findings: ReportFindings) -> tuple[str, ...]:
    """What the sentence asserts and the report as a whole does not take back ("normal" beside a finding)."""
    return tuple(c for c in sentence.asserted() if findings.certainty.get(c) is Certainty.PRESENT)


def _impression(findings: ReportFindings) -> Iterator[ReportText]:
    """The sentences of the impression, or of the findings where there is none, in pieces that CLIP can read."""
    stating = dict(findings.sections.stating())
    name = next((n for n in ("impression", "findings", "body") if n in stating), None)
    if name is None:
        return
    spoken = {(s.section, s.start): s for s in findings.sentences}
    piece: list[str] = []
    concepts: dict[str, None] = {}
    for sentence in sentences.split(stating[name]):
        text = clean(sentence.text) if clip_tokens(sentence.text) <= LONGEST else None
        if text is None:
            continue
        if piece and clip_tokens(" ".join((*piece, text))) > LONGEST:
            yield from _piece(piece, concepts)
            piece, concepts = [], {}
        piece.append(text)
        if (name, sentence.start) in spoken:
            concepts |= dict.fromkeys(_asserted(spoken[name, sentence.start], findings))
    yield from _piece(piece, concepts)


def _piece(piece: list[str], concepts: dict[str, None]) -> Iterator[ReportText]:
    if concepts:
        yield ReportText(
            "report", " ".join(text if text[-1] in ".!?" else f"{text}." for text in piece), tuple(concepts)
        )
