"""Samples that were left out: which, why, and how many a run bears."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mgll_train.errors import DataError


@dataclass(frozen=True)
class Broken:
    """A sample that was left out: its number, and where and why in words. fatal: its tar is damaged, the run ends.

    A loader process never raises: an exception there reaches the user as a traceback, and the process stays behind.
    """

    number: int
    message: str
    fatal: bool = False


class Budget:
    """Counts the distinct samples that were left out, and stops the run when they are more than a share of all."""

    def __init__(self, share: float, samples: int, seen: Iterable[int] = ()) -> None:
        """seen: the numbers of samples that were left out before a run went on."""
        self.allowed = int(share * samples)
        self.samples = samples
        self._seen: dict[int, str] = dict.fromkeys(seen, "one that was left out before the run went on")

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def numbers(self) -> list[int]:
        """The samples that were left out, in ascending order."""
        return sorted(self._seen)

    def spend(self, broken: Sequence[Broken]) -> list[str]:
        """Count what a batch left out; the messages that are new. Raises DataError for a damaged tar or past budget."""
        for entry in broken:
            if entry.fatal:
                raise DataError(entry.message)
        new = {entry.number: entry.message for entry in broken if entry.number not in self._seen}
        self._seen.update(new)
        if len(self._seen) > self.allowed:
            shown = "\n".join(f"  {message}" for message in list(self._seen.values())[-5:])
            raise DataError(
                f"{len(self._seen)} broken samples, the budget is {self.allowed} of {self.samples}; last:\n{shown}\n"
                "check the dataset with `mgll-data validate --deep`, or raise `broken` in the settings"
            )
        return list(new.values())
