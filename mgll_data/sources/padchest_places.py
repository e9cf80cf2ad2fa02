"""Where PadChest says that a finding is: its localizations, sentence by sentence, as qualifiers."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from mgll_data.schema import QUALIFIERS

_TOKEN = re.compile(r"'([^']*)'")
_SIDES = frozenset({"left", "right", "bilateral"})
# A side written behind a label, in four spellings: `pleural effusion both sides`, `consolidation bilateral`.
_SUFFIX = re.compile(r" (?:(left|right|both) sides?|(bilateral))$")
_NO_FINDING = frozenset({"", "normal", "exclude", "unchanged", "nan"})
# Localizations whose words are all qualifiers. Those between two zones (perihilar, suprahilar) are left out.
_PLACES = {
    place: tuple(word for word in place.split() if word in QUALIFIERS)
    for place in (
        "right",
        "left",
        "bilateral",
        "basal",
        "basal bilateral",
        "diffuse bilateral",
        "hilar",
        "hilar bilateral",
        "apical",
        "upper lobe",
        "left upper lobe",
        "right upper lobe",
        "middle lobe",
        "lower lobe",
        "left lower lobe",
        "right lower lobe",
        "upper lung field",
        "middle lung field",
        "lower lung field",
        "left costophrenic angle",
        "right costophrenic angle",
        "bilateral costophrenic angle",
    )
} | {"lingula": ("left",)}


def qualifiers(labels: Collection[str], sentences: str) -> dict[str, tuple[str, ...]]:
    """Sides and places of those labels for which `LabelsLocalizationsBySentence` leaves no doubt.

    Physicians' cells hold a list for each sentence of the report, the network's cells one list for all. A place counts
    only where its list names a single finding: of several, nothing says which it belongs to. What two sentences say of
    one finding differently is kept as far as they agree; left in one and right in the other make bilateral.
    """
    if " side" not in sentences and "loc " not in sentences and " bilateral" not in sentences:
        return {}
    found: dict[str, list[frozenset[str]]] = {}
    for sentence in sentences.split("]"):
        if "'" in sentence:
            stated = _stated(sentence[sentence.find("'") :])
            if stated and stated[0] in labels and stated[1]:
                found.setdefault(stated[0], []).append(stated[1])
    return {label: _agreed(said) for label, said in found.items() if _agreed(said)}


@lru_cache(maxsize=65_536)
def _stated(sentence: str) -> tuple[str, frozenset[str]] | None:
    """The only finding that a sentence names, and its qualifiers; None where it names none or several."""
    findings: set[str] = set()
    words: set[str] = set()
    for token in _TOKEN.findall(sentence):
        text = token.strip()
        if text.startswith("loc "):
            words.update(_PLACES.get(text[4:], ()))
        elif text not in _NO_FINDING:
            if side := _SUFFIX.search(text):
                words.add({"left": "left", "right": "right"}.get(side[1], "bilateral"))
                text = text[: side.start()]
            findings.add(text)
    return (findings.pop(), _one_side(words)) if len(findings) == 1 else None


def _one_side(words: Collection[str]) -> frozenset[str]:
    """Both sides, or one beside `bilateral` (which then says where it is worse), are bilateral."""
    sides = _SIDES & set(words)
    return frozenset(words) if len(sides) < 2 else (frozenset(words) - _SIDES) | {"bilateral"}


def _agreed(said: list[frozenset[str]]) -> tuple[str, ...]:
    places = frozenset.intersection(*(words - _SIDES for words in said))
    sides = frozenset[str]().union(*(words & _SIDES for words in said))
    return tuple(word for word in QUALIFIERS if word in _one_side(places | sides))
