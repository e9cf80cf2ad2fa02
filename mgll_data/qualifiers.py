"""Side, severity and place of findings, as their source states them: from words of a label path, and put together."""

from __future__ import annotations

from collections.abc import Iterable

# Segments of label paths (MeSH and RadLex terms as OpenI's coders join them) that say where or how severe.
SIDES_AND_GRADES = {
    "left": "left",
    "right": "right",
    "bilateral": "bilateral",
    "mild": "mild",
    "moderate": "moderate",
    "severe": "severe",
}
PLACES = {
    "upper lobe": "upper",
    "middle lobe": "middle",
    "lower lobe": "lower",
    "apex": "apical",
    "base": "basal",
    "hilum": "hilar",
    "focal": "focal",
    "diffuse": "diffuse",
}


def of_path(word: str, matched: str) -> tuple[str, ...]:
    """Qualifiers in a label path such as `Opacity/lung/base/left/mild`, of which the table lists `matched`.

    Side and severity count wherever they stand behind the head; a place only behind what is listed, because a listed
    place (`Lymph nodes/hilum`) is part of the concept's own name.
    """
    segments, listed = word.split("/"), matched.split("/")
    found = {SIDES_AND_GRADES[s] for s in segments[1:] if s in SIDES_AND_GRADES}
    found |= {PLACES[s] for s in segments[len(listed) :] if s in PLACES}
    return tuple(sorted(found))


def combine(statements: Iterable[frozenset[str]]) -> frozenset[str]:
    """Qualifiers of a concept that is stated several times: only what holds for one and the same finding.

    Of two statements the fuller one is taken where it holds all of the other's words; else what both say stands, and
    `left` beside `right` makes `bilateral`.
    """
    held: frozenset[str] | None = None
    for words in statements:
        if held is None or held <= words:
            held = words
        elif not words <= held:
            sides = (held | words) & {"left", "right", "bilateral"}
            held = (held & words) | ({"bilateral"} if len(sides) > 1 else frozenset())
    if held is not None and len(held & {"left", "right", "bilateral"}) > 1:
        held = held - {"left", "right"} | {"bilateral"}
    return held or frozenset()
