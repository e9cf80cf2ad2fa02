"""The death of a loader process, told in words wherever torch's error for it shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mgll_train.errors import DataError


def is_death(error: BaseException) -> bool:
    """Whether torch says with this error that a loader process was killed."""
    return isinstance(error, RuntimeError) and "DataLoader worker" in str(error)


@contextmanager
def deaths_told() -> Iterator[None]:
    """Say in words that a loader process was killed. torch's error comes wherever the main thread is just then."""
    try:
        yield
    except RuntimeError as error:
        if not is_death(error):
            raise
        told = DataError(
            f"a loader process died ({error}). If memory ran out, lower --workers; --resume auto goes on from the last "
            "checkpoint"
        )
        told.own = True
        raise told from error
