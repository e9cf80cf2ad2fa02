"""SIGTERM (a scheduler takes the machine back) and Ctrl-C as a request to stop after the step that is running."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from mgll_train import gather

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)  # that ask a run to stop
PATIENCE = 1.0  # seconds between two Ctrl-C of a person


class Stop:
    """Whether the run was asked to stop."""

    asked = False

    def requested(self, device: torch.device) -> bool:
        """Whether any rank was asked to stop. Every rank must call it once a step."""
        if gather.world_size() == 1:
            return self.asked
        return bool(gather.all_reduce_sum(torch.tensor(float(self.asked), device=device)).item())


def when_orphaned(act: Callable[[], None]) -> None:
    """Call `act`, in a thread, once the process that started this one is gone, as after a kill -9."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(2)
        act()

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Turn SIGTERM, SIGHUP and SIGINT into a request to stop after the step; a second Ctrl-C, a second later, acts as
    usual. Signals that are ignored, as under nohup, stay so.

    A signal may come twice at once: from the scheduler or the terminal, which reach every process, and from torchrun,
    which passes it on.
    """
    stop = Stop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    asked_at = float("inf")

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked_at
        usual = before.get(signal.SIGINT)
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
