"""Connected components: who belongs together when only pairs are known."""

from __future__ import annotations

from collections.abc import Iterable


class Components:
    """Connected components of the numbers 0 to size - 1 (disjoint sets with path halving)."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, item: int) -> int:
        """Representative of the item's component."""
        parent = self._parent
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def join(self, items: Iterable[int]) -> None:
        """Put the items into one component."""
        first: int | None = None
        for item in items:
            root = self.find(item)
            if first is None:
                first = root
            elif root != first:
                self._parent[root] = first
