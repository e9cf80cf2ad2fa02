"""Votes of several readers become states: the one place where a recipe's `labels.votes` is applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from mgll_data.schema import State

Policy = Literal["majority", "any", "all"]


def resolve(votes: Mapping[str, tuple[int, int]], policy: Policy) -> dict[str, State]:
    """State of each raw word from (readers who saw it, readers who were asked).

    Present where enough of those asked saw it: more than half (`majority`), one (`any`) or every one (`all`).
    Seen by fewer it is uncertain, seen by none absent; a word that nobody was asked about gets no state.
    """
    states = {}
    for word, (seen, asked) in votes.items():
        enough = {"majority": asked // 2 + 1, "any": 1, "all": asked}[policy]
        if asked:
            states[word] = State.PRESENT if seen >= enough else State.UNCERTAIN if seen else State.ABSENT
    return states


def problem(votes: Mapping[str, tuple[int, int]]) -> str:
    """What is wrong with these votes; empty if nothing is."""
    wrong = [
        f"{word!r} was seen by {n} of {asked} readers" for word, (n, asked) in votes.items() if not 0 <= n <= asked
    ]
    return "; ".join(wrong)
