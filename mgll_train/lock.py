"""Locks between processes: files that the system unlocks when their process ends, whatever ends it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import torch

from mgll_train import gather
from mgll_train.errors import UserError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock of the file `path`, which is made, and hold it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def free(path: Path) -> bool:
    """Whether nobody holds the lock of the file `path`."""
    try:
        with path.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


@contextmanager
def alone(folder: Path, device: torch.device) -> Iterator[list[str]]:
    """Hold the folder, which is made, for one run of one or many ranks. Yields what the user should know.

    Every rank must enter. Raises UserError on all of them where another run holds the folder or it cannot be written.
    """
    problem, file = "", None
    notes: list[str] = []
    if gather.rank() == 0:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / ".lock").open("w")
        except OSError as error:
            problem = f"{folder}: cannot be written ({error.strerror}): give another --out"
    try:
        if file is not None:
            problem, notes = _hold(file, folder)
        if gather.all_reduce_sum(torch.tensor(float(bool(problem)), device=device)).item():
            raise UserError(problem or f"{folder}: rank 0 cannot hold it for this run")
        yield notes
    finally:
        if file is not None:
            file.close()


def _hold(file: IO[str], folder: Path) -> tuple[str, list[str]]:
    try:
        # A lock of this process alone: loader processes that outlive it for a moment do not inherit it.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return f"{folder}: another run writes there: wait for its end, or give another --out", []
    except OSError:  # some network filesystems have no locks
        return "", [f"{folder}: its filesystem has no locks: a second run in it would not be noticed"]
    return "", []
