"""Running out of memory, told with what helps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mgll_train.config import Config
from mgll_train.errors import UserError

# What torch's CPU allocator says, by platform.
_CPU = ("not enough memory", "can't allocate memory")


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory, of the machine or of its GPU, was not enough."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in str(error) for words in _CPU)


@contextmanager
def explained(config: Config, rank: int) -> Iterator[None]:
    """Turn torch's out-of-memory errors (CUDA or CPU) into a UserError that names the settings to change."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        micro = config.batch // config.accumulate
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        ways = [
            f"a larger accumulate (now {config.accumulate}: {micro} samples of all ranks at once, the same gradients)",
            *(["gradient_checkpointing: true"] if not config.gradient_checkpointing else []),
            *(["precision: bf16"] if config.precision == "fp32" else []),
            f"a smaller batch (now {config.batch})",
        ]
        told = UserError([f"out of memory on rank {rank}: {first}", "what helps, in this order: " + "; ".join(ways)])
        told.own = True
        raise told from error
