"""Where a process runs: its device, and under torchrun its group."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist

from mgll_train.interrupt import when_orphaned


@contextmanager
def joined() -> Iterator[torch.device]:
    """The device of this process; under torchrun also the process group (NCCL on CUDA, gloo on CPU)."""
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    # Without torchrun nobody ends the ranks: the run stops as it does when it is asked to.
    when_orphaned(lambda: os.kill(os.getpid(), signal.SIGTERM))
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()
