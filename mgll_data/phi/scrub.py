"""Report text without what names a person: names, numbers, dates, times, ids, places of care, ages from 90 on.

What is found is replaced by `___`, the gap that MIMIC-CXR uses. Findings, measurements, levels of the spine and years
of age below 90 stay. A name without any cue (title, role, verb of communication) cannot be told from an eponym; whoever
writes texts from reports should leave out a sentence in which anything was replaced (`Scrubbed.removed`).
The kinds are those of HIPAA's safe harbour list (45 CFR 164.514(b)(2)) and of DICOM PS3.15 annex E.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from mgll_data.phi.patterns import RULES, Rule
from mgll_data.phi.words import AFTER_NAME

_DIGITS = re.compile(r"\d(?:[\d/:.-]*\d)?")
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_WITHOUT_DIGITS = tuple(rule for rule in RULES if not rule.digits)


class Scrubbed(NamedTuple):
    """text: the scrubbed text. counts: kind -> how many were replaced; `gap` counts gaps that were there before."""

    text: str
    counts: Mapping[str, int]

    @property
    def removed(self) -> int:
        """Number of things replaced now, gaps of an earlier de-identification not counted."""
        return sum(count for kind, count in self.counts.items() if kind != "gap")


def scrub(text: str) -> Scrubbed:
    """Replace everything that identifies by `___`. Pure; applying it twice changes nothing more."""
    counts: Counter[str] = Counter()
    lower = text.lower()
    longest = max(map(len, _DIGITS.findall(text)), default=0)
    for rule in RULES if longest else _WITHOUT_DIGITS:
        if longest < rule.digits:
            continue
        for trigger in rule.triggers:
            if trigger in lower:
                text = _apply(rule, text, counts)
                break
    return Scrubbed(text, dict(counts))


def _apply(rule: Rule, text: str, counts: Counter[str]) -> str:
    named = "name" in rule.pattern.groupindex
    if not named and rule.accept is None:
        text, count = rule.pattern.subn(rule.by, text)
        if count:
            counts[rule.kind] += count
        return text

    def replace(match: re.Match[str]) -> str:
        inside = named and match["name"] is not None
        found = match["name"] if inside else match.group()
        if rule.accept and not rule.accept(found):
            return match.group()
        if inside:
            kept = _own_words(found) if rule.kind == "name" else ""
            if kept is None:
                return match.group()
            start, end = (edge - match.start() for edge in match.span("name"))
            whole = match.group()
            changed = whole[:start] + rule.by + kept + whole[end:]
        else:
            changed = rule.by
        if changed != match.group():
            counts[rule.kind] += 1
        return changed

    return rule.pattern.sub(replace, text)


def _own_words(found: str) -> str | None:
    """What follows the name in a run of words that may be one: from the first word on that no name has.

    None where that is the first word, so that nothing is a name: "with Dr. at the bedside".
    """
    for number, word in enumerate(_WORD.finditer(found)):
        if word.group().lower() in AFTER_NAME:
            if number == 0:
                return None
            start = len(found[: word.start()].rstrip(" ,"))
            return found[start:]
    return ""
