"""Texts in groups of like length, so that a tower works on few columns of padding."""

from __future__ import annotations

from collections.abc import Sequence

# Tokens that a further pass through the tower must save. On a CPU a pass costs little; on a GPU it is some hundreds of
# small kernels, in whose time many tokens go through a larger pass.
WORTH = {"cpu": 64}
WORTH_ELSEWHERE = 16384


def groups(lengths: Sequence[int], worth: int) -> list[list[int]]:
    """Places of texts of the given lengths in tokens, in groups: the padding to each group's longest is small.

    A group is cut in two, at the best place, where that leaves out at least `worth` tokens of padding. The groups go
    from short to long; together they hold every place once.
    """
    order = sorted(range(len(lengths)), key=lambda place: lengths[place])
    found: list[list[int]] = []
    rest = [order] if order else []
    while rest:
        group = rest.pop()
        longest = lengths[group[-1]]
        saved = [size * (longest - lengths[group[size - 1]]) for size in range(1, len(group))]
        if saved and max(saved) >= worth:
            cut = saved.index(max(saved)) + 1
            rest += [group[cut:], group[:cut]]
        else:
            found.append(group)
    return found
