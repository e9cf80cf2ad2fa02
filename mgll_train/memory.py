"""Running out of memory, told with what helps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mgll_train.config import Config
from mgll_train.errors import UserError

# What torch's CPU allocator says, by platform.
_CPU = ("not enough memory", "can't allocate memory")


@contextmanager
def explained(config: Config, rank: int) -> Iterator[None]:
    """Turn torch's out-of-memory errors (CUDA or CPU) into a UserError that names the settings to change."""
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        if not isinstance(error, torch.OutOfMemoryError) and not any(words in str(error) for words in _CPU):
            raise
        micro = config.batch // config.accumulate
        first = str(error).strip().splitlines()[0]
        ways = [
            f"a larger accumulate (now {config.accumulate}: {micro} samples of all ranks at once, the same gradients)",
            *(["gradient_checkpointing: true"] if not config.gradient_checkpointing else []),
            *(["precision: bf16"] if config.precision == "fp32" else []),
            f"a smaller batch (now {config.batch})",
        ]
        told = UserError([f"out of memory on rank {rank}: {first}", "what helps, in this order: " + "; ".join(ways)])
        told.own = True
        raise told from error
