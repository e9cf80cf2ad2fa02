"""Words of a sentence in the form in which phrase tables hold them, and the trie that finds phrases among them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[a-z]+(?:'[a-z]+)?|_{2,}|[.,;:()/?]|(?<=\s)-+(?=\s)")
GAP = "..."
LONGEST_GAP = 7  # words that a gap may stand for
CLAUSE_ENDS = frozenset({".", ";", ":", "but", "however", "although"})
_IRREGULAR = {
    "pneumothoraces": "pneumothorax",
    "hemothoraces": "hemothorax",
    "hydropneumothoraces": "hydropneumothorax",
    "atelectases": "atelectasis",
    "metastases": "metastasis",
    "bullae": "bulla",
    "granulomata": "granuloma",
    "hila": "hilum",
    "hili": "hilum",
    "apices": "apex",
    "bases": "base",
    "vertebrae": "vertebra",
    "bronchi": "bronchus",
    "sulci": "sulcus",
    "septae": "septum",
    "septa": "septum",
    "calculi": "calculus",
    "diagnoses": "diagnosis",
    "cannot": "not",
    "can't": "not",
    "isn't": "not",
    "aren't": "not",
    "doesn't": "not",
    "don't": "not",
    "?": "query",
}
_BRITISH = (
    ("oedema", "edema"),
    ("haemo", "hemo"),
    ("tumour", "tumor"),
    ("oesoph", "esoph"),
    ("fibre", "fiber"),
    ("mould", "mold"),
    ("grey", "gray"),
)


class Found(NamedTuple):
    """A phrase among the tokens `start:end`; `gap` is the half-open run of tokens that its gap stands for."""

    start: int
    end: int
    gap: tuple[int, int]
    values: tuple[Any, ...]


@lru_cache(maxsize=1 << 16)
def form(word: str) -> str:
    """A lower-case word in American spelling and in the singular: `oedema` is edema, `opacities` opacity."""
    for british, american in _BRITISH:
        if british in word:
            word = word.replace(british, american)
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.startswith("__"):
        return "xxxx"
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "shes", "ches")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is", "'s")):
        return word[:-1]
    return word


def tokenise(text: str) -> list[str]:
    """Forms of the words, numbers and punctuation marks of a sentence; hyphens inside words are no tokens."""
    return [form(token) for token in _TOKEN.findall(text.lower())]


class Trie:
    """Phrases by their words.

    A phrase is words with single spaces: `a|b` for one of several words, `word?` for one that may be missing, and at
    most one `...` for up to LONGEST_GAP words of the same clause.
    """

    def __init__(self, phrases: Iterable[tuple[str, Any]]) -> None:
        self._root: dict[str, Any] = {}
        for phrase, value in phrases:
            for words in variants(phrase):
                node = self._root
                for word in words:
                    node = node.setdefault(word, {})
                values = node.setdefault("", [])
                if value not in values:
                    values.append(value)

    def find(self, tokens: Sequence[str]) -> list[Found]:
        """Every phrase found, by start: the longest without a gap at each start, and all those with a gap."""
        found: list[Found] = []
        root = self._root
        for start, token in enumerate(tokens):
            node = root.get(token)
            if node is not None:
                self._walk(node, tokens, start, start + 1, found)
        return found

    def _walk(self, node: dict[str, Any], tokens: Sequence[str], start: int, position: int, found: list[Found]) -> None:
        longest: Found | None = None
        while True:
            if "" in node:
                longest = Found(start, position, (position, position), tuple(node[""]))
            if GAP in node:
                _after_gap(node[GAP], tokens, start, position, found)
            node = node.get(tokens[position], {}) if position < len(tokens) else {}
            if not node:
                break
            position += 1
        if longest is not None:
            found.append(longest)


def _after_gap(rest: dict[str, Any], tokens: Sequence[str], start: int, begin: int, found: list[Found]) -> None:
    for skip_to in range(begin, min(begin + LONGEST_GAP, len(tokens)) + 1):
        node, position, end = rest, skip_to, -1
        while position < len(tokens) and tokens[position] in node:
            node = node[tokens[position]]
            position += 1
            if "" in node:
                end, values = position, tuple(node[""])
        if end >= 0:
            found.append(Found(start, end, (begin, skip_to), values))
            return
        if skip_to < len(tokens) and tokens[skip_to] in CLAUSE_ENDS:
            return


def variants(phrase: str) -> Iterable[tuple[str, ...]]:
    """Every sequence of word forms that a phrase stands for."""
    options: list[list[tuple[str, ...]]] = []
    for part in phrase.split():
        if part == GAP:
            options.append([(GAP,)])
            continue
        optional = part.endswith("?")
        words = [(form(word.lower()),) for word in part.removesuffix("?").split("|")]
        options.append([(), *words] if optional else [*words])
    for choice in itertools.product(*options):
        yield tuple(word for words in choice for word in words)
