"""SIGTERM (a scheduler takes the machine back) and Ctrl-C as a request to stop after the step that is running."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from mgll_train import gather

PATIENCE = 1.0  # seconds between two Ctrl-C of a person


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
    """Turn SIGTERM and SIGINT into a request to stop after the step; a second Ctrl-C, a second later, acts as usual.

    A signal may come twice at once: from the scheduler or the terminal, which reach every process, and from torchrun,
    which passes it on.
    """
    stop = Stop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    asked_at = float("inf")

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked_at
        usual = before[signal.SIGINT]
        if number == signal.SIGINT and time.monotonic() > asked_at + PATIENCE and callable(usual):
            usual(number, frame)
        stop.asked = True
        asked_at = min(asked_at, time.monotonic())

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
