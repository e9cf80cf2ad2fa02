"""Loader processes: how many, how they start and end, and the steps that come from them in order."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from typing import TypeVar

import torch
from torch.utils.data import DataLoader

from mgll_train.deaths import deaths_told
from mgll_train.interrupt import SIGNALS, when_orphaned
from mgll_train.loaded import Loaded, Parcel, Parcels, Slots
from mgll_train.stream import Steps

T = TypeVar("T")
_AHEAD = 2  # steps that each loader process builds ahead


def worker_count(wanted: int, *, cuda: bool) -> int:
    """Number of loader processes: as wanted, or for -1 as many as pay.

    A GPU is fed by one process a core, at most 8. On a CPU the model needs the cores more than the loader does, which
    reads some hundred images a second in one process.
    """
    if wanted >= 0:
        return wanted
    return min(8, cores()) if cuda else max(1, cores() // 4)


def cores() -> int:
    """Processors for this rank: those of the machine, shared by the ranks that torchrun started on it."""
    return max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def load_steps(steps: Steps, first: int, last: int, *, workers: int, cuda: bool) -> Generator[Loaded]:
    """The data of steps first..last-1 in order. With workers, each builds whole batches ahead of the loop.

    Close the iterator where it is not read to its end: the loader processes end with it.
    """
    share = steps.plan.batch // steps.plan.world
    # Those that the workers build ahead, the one that is handed over, and one more.
    slots = Slots(workers * _AHEAD + 2, share * 3 * steps.view.size**2) if workers else None
    loader: DataLoader[Loaded | Parcel] = DataLoader(
        Parcels(steps, slots) if slots else steps,
        batch_size=None,
        sampler=range(first, last),
        # Without a generator of its own the loader takes a number from torch's: a resumed run would see another stream.
        generator=torch.Generator(),
        num_workers=workers,
        pin_memory=cuda,
        prefetch_factor=_AHEAD if workers else None,
        worker_init_fn=prepare_worker if workers else None,
    )
    with slots.awaited() if slots else nullcontext(), closing(guarded(started(loader))) as batches:
        for loaded in batches:
            yield loaded.unpack() if isinstance(loaded, Parcel) else loaded


def started(loader: DataLoader[T]) -> Iterator[T]:
    """The loader's iterator. Its processes begin with signals held back, until `prepare_worker` has them ignored.

    torch lets a loader process end at SIGTERM, which torchrun and schedulers send to all: the run would lose it before
    it could write its checkpoint.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        return iter(loader)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def guarded(batches: Iterator[T]) -> Generator[T]:
    """The batches; ends the loader processes with the loop, and says in words when one was killed meanwhile."""
    try:
        with deaths_told():
            yield from batches
    finally:
        # The processes ignore SIGTERM, which a scheduler sends to all: end them through their queues.
        shutdown = getattr(batches, "_shutdown_workers", None)
        if shutdown is not None:
            shutdown()


def prepare_worker(_: int) -> None:
    """Set a loader process up; `worker_init_fn` of every DataLoader here."""
    # A signal that reaches the whole group is answered by the loop with a checkpoint; it ends the workers itself.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    # An orphan would wait for ever for its batch to be fetched.
    when_orphaned(lambda: os._exit(1))
    import cv2

    gc.freeze()  # what was loaded before the fork stays: collections need not look at it
    cv2.setNumThreads(0)  # one thread a worker: the processes are the parallelism
