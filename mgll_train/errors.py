"""The errors of this package, named by the reaction they ask for."""

from __future__ import annotations

from collections.abc import Sequence


class TrainError(Exception):
    """Base of every error we raise on purpose. `exit_code` is what the command line returns."""

    exit_code = 3
    own = False  # whether it may be of one rank alone; others are the same on all ranks of a node


class UserError(TrainError):
    """The user's input is wrong (option, configuration, path). Holds every problem found, not only the first."""

    exit_code = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class DataError(TrainError):
    """Shards are not what their manifest says, or more samples are broken than the budget allows."""


class NonFiniteError(TrainError):
    """The loss is not a finite number; the message names the term and the samples of the rank's batch."""

    own = True


class InterruptedRun(TrainError):
    """The run was asked to stop (SIGTERM, Ctrl-C) and has left a checkpoint to resume from."""

    exit_code = 130
