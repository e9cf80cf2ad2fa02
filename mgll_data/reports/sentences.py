"""Sentences of a report with their offsets: decimals, measurements, abbreviations and list numbers stay whole."""

from __future__ import annotations

import re
from typing import NamedTuple

# A full stop ends a sentence before white space, before a capital letter that follows it directly, and at the end.
# An empty line and a line that starts a list end one too; a single line break does not, since reports are wrapped.
_END = re.compile(r"[.!?]+(?=[\s)\"']|$|(?<=[a-z)][.])[A-Z])|\n[ \t]*\n|\n(?=[ \t]*(?:\d{1,2}[.)]|[-*\u2022])[ \t])")
_LAST_WORD = re.compile(r"([A-Za-z][A-Za-z.]*|\d+)$")
_LIST_MARK = re.compile(r"[\s\u2022*-]*(?:\d{1,2}[.)](?=\s|[A-Z])\s*)?[\s\u2022*-]*")
_INNER_MARK = re.compile(r"(?<=\s)(\d{1,2})[.)]\s?(?=[A-Z])")
_SPACES = re.compile(r"\s+")
# After these a capital letter starts a name or a number, never a sentence.
_BEFORE_NAMES = "dr drs mr mrs ms prof st fig vs v cf e.g i.e eg ie approx"
_SHORT = "resp jr sr dept est ca a.m p.m am pm inc lat ant post inf sup rt lt vol max min incl excl"
_TITLES = frozenset(_BEFORE_NAMES.split())
_ABBREVIATIONS = _TITLES.union(_SHORT.split())


class Sentence(NamedTuple):
    """A sentence: `text` is `section[start:end]` with white space, line breaks included, made single spaces."""

    text: str
    start: int
    end: int


def split(section: str) -> list[Sentence]:
    """The sentences of a section in order. List numbers belong to no sentence; nothing else is left out."""
    sentences: list[Sentence] = []
    start, number = 0, 0
    for match in _END.finditer(section):
        end = match.end()
        if section[match.start()] != "\n" and _inside(section, start, match):
            continue
        number = _add(sentences, section, start, end, number)
        start = end
    _add(sentences, section, start, len(section), number)
    return sentences


def _inside(section: str, start: int, match: re.Match[str]) -> bool:
    """Whether this full stop belongs to an abbreviation, an initial or a list number."""
    word = _LAST_WORD.search(section, start, match.start())
    if word is None or match.group() != ".":
        return False
    text, after = word.group(), section[match.end() :][:2].lstrip()
    if text.isdigit():
        # "2." is a list number where the sentence starts with it, or where it is the next number of the list.
        return not section[start : word.start()].strip() or bool(_INNER_MARK.match(section, word.start()))
    if text.lower() in _ABBREVIATIONS:
        return text.lower() in _TITLES or not after[:1].isupper()
    return len(text) == 1 and text.isupper() and after[:1].isupper() and section[: word.start()].endswith((". ", "r. "))


def _add(sentences: list[Sentence], section: str, start: int, end: int, number: int) -> int:
    """Append the sentences of `section[start:end]`, cut before list numbers that go on counting; the last number."""
    mark = _LIST_MARK.match(section, start, end)
    digits = re.sub(r"\D", "", mark.group()) if mark else ""
    number = int(digits) if digits else number
    begin = mark.end() if mark else start
    for inner in _INNER_MARK.finditer(section, begin, end):
        if int(inner[1]) == number + 1 and inner[1] != "0":
            _append(sentences, section, begin, inner.start())
            begin, number = inner.end(), number + 1
    _append(sentences, section, begin, end)
    return number


def _append(sentences: list[Sentence], section: str, start: int, end: int) -> None:
    piece = section[start:end]
    text = piece.strip()
    if any(char.isalnum() for char in text):
        first = start + len(piece) - len(piece.lstrip())
        flat = _SPACES.sub(" ", text) if "\n" in text or "  " in text or "\t" in text else text
        sentences.append(Sentence(flat, first, first + len(text)))
