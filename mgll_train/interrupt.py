"""SIGTERM (a scheduler takes the machine back) and Ctrl-C as a request to stop after the step that is running."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from mgll_train import gather


class Stop:
    """Whether the run was asked to stop."""

    asked = False

    def requested(self, device: torch.device) -> bool:
        """Whether any rank was asked to stop. Every rank must call it once a step."""
        if gather.world_size() == 1:
            return self.asked
        return bool(gather.all_reduce_sum(torch.tensor(float(self.asked), device=device)).item())


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Turn the first SIGTERM or SIGINT into a request to stop after the step; a second one acts as usual."""
    stop = Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def ask(number: int, _: FrameType | None) -> None:
        stop.asked = True
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
