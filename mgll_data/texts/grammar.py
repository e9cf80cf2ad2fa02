"""Noun phrases and lists: where an article, a severity, a side, a place and a doubt go in a diagnostic sentence."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

SEVERITIES = ("mild", "moderate", "severe")
EXTENTS = ("focal", "diffuse")
SIDES = ("left", "right", "bilateral")
ZONES = ("upper", "middle", "lower")
SITES = {"apical": ("apex", "apices"), "basal": ("base", "bases"), "hilar": ("hilum", "hila")}
PLACES = (*ZONES, *SITES)
# In front of these words an adjective reads as its adverb: "a mildly enlarged heart", not "a mild enlarged heart".
ADVERBS = {"mild": "mildly", "moderate": "moderately", "severe": "severely", "possible": "possibly"}
GRADED = re.compile(
    r"(blunted|congested|deviated|dilated|displaced|elevated|engorged|enlarged|flattened|hyperinflated|increased|low|"
    r"narrowed|overexpanded|prominent|raised|reduced|swollen|thick|thickened|tortuous|widened) ",
    re.I,
)
ARTICLE = re.compile(r"(an?|the) (?=\S)", re.I)
# What a stated place makes superfluous: "calcification in the chest" becomes "right hilar calcification".
VAGUE_PLACE = re.compile(r" (?:in|of|within) the (?:chest|lungs?)$")


def capitalise(sentence: str) -> str:
    """The sentence with a capital first letter, the rest untouched (unlike str.capitalize)."""
    return sentence[:1].upper() + sentence[1:]


def listing(phrases: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def modify(phrase: str, adjective: str) -> str:
    """The noun phrase with an adjective behind its article; an adverb where a graded word follows."""
    article, noun = _split(phrase)
    word = ADVERBS.get(adjective, adjective) if GRADED.match(noun) else adjective
    return f"{_article(article, word)}{word} {noun}"


def doubt(phrase: str) -> str:
    """The noun phrase as something raised and not settled: `a possible pulmonary nodule`."""
    return modify(phrase, "possible")


def qualify(phrase: str, words: Collection[str], *, in_lung: bool, disease: bool = False) -> str:
    """The noun phrase with the side, severity and place that its source states.

    words: of `schema.QUALIFIERS`; of several severities none is said, since they contradict each other. in_lung: the
    finding lies in the lung, so that its place can be named as a part of it. disease: its name takes no side as an
    adjective (`tuberculosis on the left`).
    `moderate left pleural effusion`, `consolidation in the right lower lung`, `a mildly enlarged heart`.
    """
    grades = [word for word in SEVERITIES if word in words]
    extents = [word for word in EXTENTS if word in words]
    places = [word for word in PLACES if word in words]
    side = next((word for word in reversed(SIDES) if word in words), "")
    if re.search(r"\b(left|right)\b", phrase):
        side = ""  # a right-sided aortic arch has its side in its name
    if side or places:
        phrase = VAGUE_PLACE.sub("", phrase)
    behind = ""
    front = [*(grades if len(grades) == 1 else []), *(extents if len(extents) == 1 else [])]
    article, noun = _split(phrase)
    if in_lung:
        behind = _in_lung(side, places)
    elif (
        disease
        or GRADED.match(noun)
        or re.search(" (of|in) ", noun)
        or len(places) > 1
        or (article and side == SIDES[2])
    ):
        behind = _in_chest(side, places)
    else:
        front += [word for word in (side, *places) if word]
    for word in reversed(front):
        if not re.search(rf"\b{word}\b", phrase):
            phrase = modify(phrase, word)
    return f"{phrase} {behind}".strip()


def _in_lung(side: str, places: Sequence[str]) -> str:
    """`in the right lower lung`, `at both lung bases`, or the side alone."""
    both = side == "bilateral"
    whose = "both" if both else f"the {side}".strip()
    parts = []
    zones = [place for place in places if place in ZONES]
    if zones:
        parts.append(f"in {whose} {listing(zones)} {'lungs' if both else 'lung'}")
    for place in places:
        if place in SITES:
            noun = SITES[place][both]
            parts.append(f"at {whose} {noun if place == 'hilar' else f'lung {noun}'}")
    if side and not parts:
        parts.append("in both lungs" if both else f"in {whose} lung")
    return listing(parts) if parts else ""


def _in_chest(side: str, places: Sequence[str]) -> str:
    """`on the left`, `on both sides`, `in the left lower chest`."""
    where = listing(places) if places else ""
    if not where:
        return {"": "", "bilateral": "on both sides"}.get(side, f"on the {side}")
    return (
        f"in the {where} chest on both sides"
        if side == "bilateral"
        else f"in the {side} {where} chest".replace("  ", " ")
    )


def _split(phrase: str) -> tuple[str, str]:
    found = ARTICLE.match(phrase)
    return (found.group(1), phrase[found.end() :]) if found else ("", phrase)


def _article(article: str, following: str) -> str:
    """The article that fits the word it now stands before, with its blank; empty where there is none."""
    if article.lower() in ("a", "an"):
        article = "an" if following[0] in "aeiou" else "a"
    return f"{article} " if article else ""
