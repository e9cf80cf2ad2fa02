"""The errors of this package, named by the reaction they ask for."""

from __future__ import annotations

from collections.abc import Sequence


class MgllError(Exception):
    """Base of every error we raise on purpose. `exit_code` is what the command line returns."""

    exit_code = 3


class UsageError(MgllError):
    """The user's input is wrong (recipe, path, label file). Holds every problem found, not only the first."""

    exit_code = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class SampleError(MgllError):
    """One sample cannot be used: it goes to quarantine with `reason`, the run goes on.

    `reason` is one word of `schema.QUARANTINE_REASONS`; `detail` must hold no path, name, id or date.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class ExcludedError(SampleError):
    """One sample is sound but outside the recipe's scope (not a chest, several frames): counted as excluded.

    `reason` is one word of `schema.EXCLUSION_REASONS`.
    """


class RetryableError(MgllError):
    """A passing fault (full file table, busy network share): trying again may help."""


class CorruptError(MgllError):
    """Data we wrote is not what we wrote (checksum, truncated tar), or the failure budget is spent."""
