"""What a source's words come to in the fundus vocabulary, for the tests of fundus sources."""

from __future__ import annotations

from functools import cache

from mgll_data import hierarchy
from mgll_data.harmonise import LabelMap, load_labels
from mgll_data.hierarchy import Closed, Hierarchy
from mgll_data.recipe import VOCAB
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, find
from mgll_data.votes import resolve


@cache
def vocabulary() -> Hierarchy:
    return hierarchy.load(VOCAB / "fundus")


@cache
def table(name: str) -> LabelMap:
    return load_labels(VOCAB / "fundus", [find(name).card], vocabulary())[name]


def says(name: str, *words: str) -> Closed:
    """The closed labels of these words, all of them present; every word must be listed."""
    statements, closed, unmapped = table(name).apply(dict.fromkeys(words, State.PRESENT), vocabulary())
    assert statements and not unmapped
    return closed


def said(name: str, record: RawRecord) -> Closed:
    """The closed labels of a record, votes counted by majority."""
    _, closed, unmapped = table(name).apply({**record.labels, **resolve(record.votes, "majority")}, vocabulary())
    assert not unmapped
    return closed
