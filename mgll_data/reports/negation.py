"""What a sentence says of each concept that it mentions: present, probable, possible, absent, or nothing.

Cues of `cues.csv` govern the mentions in their scope, after the idea of NegEx (Chapman et al., J Biomed Inform 2001)
and ConText (Harkema et al., J Biomed Inform 2009): a scope runs to the end of the clause, over the items of a list,
and stops where a new statement begins.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from mgll_data.errors import UsageError
from mgll_data.reports.mentions import Mention
from mgll_data.reports.tokens import Trie, form, variants

TABLE = "cues.csv"
# Before a mention: deny, may, may_near (up to a comma or "with"), probable, ignore (a history, a question asked);
# may_all hedges all that follows in the sentence. After a mention: denied, maybe, probably, current (still there).
# neutral: no cue though it looks like one. clause: a new statement begins. either: of two mentions one may hold.
_AHEAD = ("deny", "may", "may_near", "probable", "ignore")
_BACK = ("denied", "maybe", "probably", "current")
KINDS = frozenset((*_AHEAD, *_BACK, "may_all", "neutral", "clause", "either"))


class Certainty(Enum):
    """What is said of a concept. PROBABLE: favoured but hedged (probable, borderline, A versus B)."""

    PRESENT = "present"
    PROBABLE = "probable"
    POSSIBLE = "possible"
    ABSENT = "absent"


class Cue(NamedTuple):
    """A cue among the tokens `start:end`."""

    kind: str
    start: int
    end: int


_FINITE = frozenset({"is", "are", "was", "were", "has", "have", "appear", "remain", "show", "demonstrate", "seem"})
_CLOSING = frozenset({",", ")", "and", "but", "given", "in", "on", "at", "with", "as"})
# "Neither lung shows" and "no area demonstrates" deny what is shown.
_ENDS_DENIAL = _FINITE - {"show", "demonstrate"}
_PLURAL = frozenset({"are", "were", "have"})
_HARD = frozenset({";", ":", ".", "?", "-", "--"})
# A finite "may represent" starts a statement of its own: a negation before it does not reach behind it.
_STRENGTH = ("probable", "may", "ignore")
_MODAL = frozenset({"may", "might", "could"})
# After a comma, "and" or "with" these words begin a statement and not the next item of a negated list.
_BEGINNINGS = """
    a an the there this these stable unchanged persistent again mild mildly moderate minimal small tiny trace
    increased decreased improved improving worsening residual borderline chronic calcified old healed heart
    cardiac cardiomediastinal mediastinum mediastinal lung lungs tortuous atherosclerotic degenerative
    probable probably possible possibly likely low hyperinflated hyperexpanded hypoinflated status interval
    prominent scattered also now right left bilateral bibasilar opacity opacities cardiomegaly scoliosis
    enlarged enlargement elevation elevated blunting blunted known some
    hazy patchy streaky subtle vague faint retrocardiac perihilar
"""
_STARTS = frozenset(map(form, _BEGINNINGS.split()))
# In front of "are not seen" these are one more thing that is not seen.
_ITEMS = {"cardiomegaly", "scoliosis", "opacity", "enlargement", "elevation", "blunting"}
_STARTS_BACK = _STARTS - _ITEMS
# What a hedge reaches goes on over "and mild edema", but not into these.
_OTHER = frozenset(
    {"a", "an", "the", "there", "this", "these", "stable", "unchanged", "heart", "cardiac", "lung", "no"}
)
_JOINS = frozenset({",", "and", "with", "("})
_PHRASES_WITH = frozenset({"consistent", "compatible", "keeping", "associated", "along"})
_FAR = 12  # tokens a post-cue may stand behind a mention


class Cues:
    """Judges mentions by the cues around them."""

    def __init__(self, folder: Path) -> None:
        """Reads `folder/cues.csv`. Raises UsageError with every row of an unknown kind."""
        path = folder / TABLE
        with path.open(newline="", encoding="utf-8") as file:
            rows = [(row["phrase"].strip(), row["kind"].strip()) for row in csv.DictReader(file)]
        problems = [f"{path}: {phrase!r}: unknown kind {kind!r}" for phrase, kind in rows if kind not in KINDS]
        if problems:
            raise UsageError(problems)
        self._phrases = tuple(phrase for phrase, _ in rows)
        self._trie = Trie(rows)

    def words(self) -> set[str]:
        """Every word that a cue is made of."""
        return {word for phrase in self._phrases for words in variants(phrase) for word in words}

    def find(self, tokens: Sequence[str]) -> list[Cue]:
        """Cues by start; of two that overlap the longer one stands, and one phrase may be a cue before and after."""
        found = self._trie.find(tokens)
        kept = [f for f in found if not any(_covers(other, f) for other in found)] if len(found) > 1 else found
        cues = [Cue(kind, f.start, f.end) for f in kept for kind in sorted(f.values, key=_AHEAD.__contains__)]
        return [_turned(cue, tokens) if cue.kind == "probably" else cue for cue in cues]

    def judge(self, tokens: Sequence[str], mentions: Sequence[Mention]) -> list[Certainty | None]:
        """One certainty a mention; None where the sentence says nothing of the image (history, a question asked)."""
        cues = self.find(tokens)
        if not cues:
            return [_plain(mention) for mention in mentions]
        verdicts = [_verdict(tokens, mention, cues) for mention in mentions]
        for cue in cues:
            if cue.kind == "either":
                _either(tokens, mentions, verdicts, cue, cues)
            elif cue.kind == "may_all":
                _hedge(mentions, verdicts, cue)
        return verdicts


def _covers(other: tuple[int, int, object, object], this: tuple[int, int, object, object]) -> bool:
    """Whether the longer phrase `other` overlaps `this`."""
    longer = other[1] - other[0] > this[1] - this[0] or (
        other[1] - other[0] == this[1] - this[0] and other[0] < this[0]
    )
    return longer and other[0] < this[1] and this[0] < other[1]


def _turned(cue: Cue, tokens: Sequence[str]) -> Cue:
    """A hedge that looks back at the end of a clause ("effusion is likely") looks ahead before "due to"."""
    following = tokens[cue.end] if cue.end < len(tokens) else "."
    return cue if following in _HARD or following in _CLOSING else Cue("probable", cue.start, cue.end)


def _plain(mention: Mention) -> Certainty:
    if mention.kind == "normal":
        return Certainty.ABSENT
    return {"leans": Certainty.PROBABLE, "raises": Certainty.POSSIBLE}.get(mention.kind, Certainty.PRESENT)


def _verdict(tokens: Sequence[str], mention: Mention, cues: Sequence[Cue]) -> Certainty | None:
    before = _before(tokens, mention, cues)
    if mention.kind == "normal":
        return Certainty.ABSENT if before is None and not _after(tokens, mention, cues) else None
    after = _after(tokens, mention, cues)
    if before == "deny" or after == "denied":
        return Certainty.ABSENT
    if before == "ignore":
        return _plain(mention) if after == "current" else None
    if before == "may" or after == "maybe" or mention.kind == "raises":
        return Certainty.POSSIBLE
    if before == "probable" or after == "probably":
        return Certainty.PROBABLE
    return _plain(mention)


def _before(tokens: Sequence[str], mention: Mention, cues: Sequence[Cue]) -> str | None:
    """Kind of the cue that governs the mention from the left: deny, ignore, may, probable or None."""
    softer: str | None = None
    inside = range(*mention.gap)
    edge = mention.start
    for cue in reversed(cues):
        if cue.start in inside:
            edge_now = cue.end
        elif cue.end <= mention.start:
            edge_now = mention.start
        else:
            continue
        if _hard_between(tokens, cue.end, edge) or cue.kind == "clause":
            return softer
        if cue.kind in ("deny", "may", "may_near", "ignore", "probable"):
            kind = "may" if cue.kind == "may_near" else cue.kind
            if not _reaches(tokens, cue, edge_now):
                continue
            if kind == "deny":
                return kind
            if tokens[cue.start] in _MODAL:
                return "may" if softer != "ignore" else softer
            softer = max(softer or kind, kind, key=_STRENGTH.index)
    return softer


def _hard_between(tokens: Sequence[str], begin: int, end: int) -> bool:
    return any(token in _HARD for token in tokens[begin:end])


def _reaches(tokens: Sequence[str], cue: Cue, end: int) -> bool:
    """Whether the scope that opens behind the cue goes on until token `end`."""
    narrow = cue.kind in ("may_near", "probable", "ignore")
    starts = _OTHER if cue.kind == "may" else _STARTS
    finite = _ENDS_DENIAL if cue.kind == "deny" else _FINITE
    for position in range(cue.end, end):
        token = tokens[position]
        if token in finite and tokens[cue.start] != "neither":
            return False
        if token in _JOINS:
            if token == "with" and tokens[position - 1] in _PHRASES_WITH:
                continue
            if narrow and token != "and":
                return False
            following = tokens[position + 1] if position + 1 < len(tokens) else ""
            if following in _JOINS or following == "or":
                following = tokens[position + 2] if position + 2 < len(tokens) else ""
            if following in starts and not _list_goes_on(tokens, position + 1):
                return False
    return True


def _list_goes_on(tokens: Sequence[str], begin: int) -> bool:
    """Whether an "or" still comes in this clause, so that the comma before `begin` stands inside a list."""
    for token in tokens[begin:]:
        if token in _HARD or token in _FINITE:
            return False
        if token in ("or", "nor"):
            return True
    return False


def _after(tokens: Sequence[str], mention: Mention, cues: Sequence[Cue]) -> str | None:
    """Kind of the cue that governs the mention from the right: denied, current, maybe, probably or None."""
    for cue in cues:
        if cue.start < mention.end or cue.kind in ("either", "ignore", "probable", "may_near", "may_all"):
            continue
        if cue.start - mention.end > _FAR or cue.kind in ("clause", "deny", "may"):
            return None
        between = _outside(tokens[mention.end : cue.start])
        if between and between[-1] in _FINITE:
            between = between[:-1]
        if any(token in _HARD or token in _FINITE for token in between):
            return None
        if cue.kind == "neutral":
            continue
        many = "," not in between and tokens[cue.start] in _PLURAL
        if not many and any(a in _JOINS and b in _STARTS_BACK for a, b in pairwise(between)):
            return None
        return cue.kind
    return None


def _hedge(mentions: Sequence[Mention], verdicts: list[Certainty | None], cue: Cue) -> None:
    """`In the appropriate clinical setting`: what follows is possible at most, or the last mention before it."""
    behind = [i for i, mention in enumerate(mentions) if mention.start >= cue.end]
    for i in behind or [len(mentions) - 1]:
        if verdicts[i] in (Certainty.PRESENT, Certainty.PROBABLE):
            verdicts[i] = Certainty.POSSIBLE


def _outside(tokens: Sequence[str]) -> Sequence[str]:
    """The tokens without one pair of brackets and what stands in it."""
    if "(" not in tokens or ")" not in tokens:
        return tokens
    return [*tokens[: tokens.index("(")], *tokens[tokens.index(")") + 1 :]]


def _either(
    tokens: Sequence[str], mentions: Sequence[Mention], verdicts: list[Certainty | None], cue: Cue, cues: Sequence[Cue]
) -> None:
    """`A versus B`, `A, B or C`: what would be present is probable at most."""
    left = [i for i, m in enumerate(mentions) if m.end <= cue.start and m.kind != "normal"]
    right = [i for i, m in enumerate(mentions) if m.start >= cue.end and m.kind != "normal"]
    if not left or not right:
        return
    last, first = max(mentions[i].end for i in left), min(mentions[i].start for i in right)
    if cue.start - last > 4 or first - cue.end > 6 or _hard_between(tokens, last, first):
        return
    if any(token in _FINITE for token in tokens[last:first]):
        return
    chosen = [i for i in right if mentions[i].start == first]
    for i in left:
        end = mentions[i].end
        gap = tokens[end:last]
        listed = last - end <= 6 and "," in gap and _FINITE.isdisjoint(gap)
        if end == last or (listed and not any(c.kind in _AHEAD and end <= c.start < last for c in cues)):
            chosen.append(i)
    for i in chosen:
        if verdicts[i] is Certainty.PRESENT:
            verdicts[i] = Certainty.PROBABLE
