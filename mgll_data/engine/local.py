"""A process pool whose workers may die: one bad item costs one item.

A task is a batch of items. The worker announces each item before it starts it, so when a worker is killed (decoder
segfault, out of memory) or spends too long, the parent knows which item to suspect. The task is set aside and run
again at the end with no other task beside it; if the same item fails again it is blamed, and the task runs a last
time with that item named so that it can be recorded instead of tried.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from mgll_data.errors import CorruptError, RetryableError, UsageError

Task = TypeVar("Task")
Result = TypeVar("Result")
Announce = Callable[[int], None]
Work = Callable[[Task, dict[int, str], Announce], Result]

OUTSIDE = -1  # announced for work that belongs to no item, such as writing the batch
_MAX_UNEXPLAINED = 2  # deaths of one task outside its items


def run(function: Work[Task, Result], tasks: Sequence[Task], *, workers: int, item_seconds: float) -> Iterator[Result]:
    """Run `function(task, blamed, announce)` for every task in child processes; yield results as tasks finish.

    function: a module-level function. It calls `announce(i)` before item i of its task and must not try the items in
    `blamed` (item -> `decoder_crash` or `timeout`). item_seconds: longest time from one announcement to the next.
    Results come in no fixed order. An exception in `function` stops the run and is raised here. CorruptError is
    raised if a worker dies again and again outside any item. On KeyboardInterrupt, or when the generator is closed,
    the workers are killed at once; results already yielded stay.
    """
    first = deque(_Job(task) for task in tasks)
    suspects: deque[_Job] = deque()
    for jobs, count in ((first, min(max(1, workers), len(first))), (suspects, 1)):
        if jobs:
            yield from _Pool(function, item_seconds).run(jobs, count, suspects)


@dataclass
class _Job:
    task: Any
    blamed: dict[int, str] = field(default_factory=dict)
    strikes: dict[int, int] = field(default_factory=dict)

    def struck(self, item: int, reason: str) -> None:
        """Note that a worker was lost on this item; blame the item the second time."""
        self.strikes[item] = self.strikes.get(item, 0) + 1
        if item == OUTSIDE:
            if self.strikes[item] >= _MAX_UNEXPLAINED:
                raise CorruptError(
                    f"a worker was lost {self.strikes[item]} times outside any image ({reason}); is memory short?"
                )
        elif self.strikes[item] >= 2:
            self.blamed[item] = reason


class _Worker:
    """A child process, the job it holds and the item it announced last."""

    def __init__(self, function: Any, item_seconds: float) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe: Connection
        self.pipe, far = context.Pipe()
        self.process: BaseProcess = context.Process(target=_serve, args=(far, function, item_seconds), daemon=True)
        self.process.start()
        far.close()
        self.job: _Job | None = None
        self.item = OUTSIDE
        self.since = 0.0

    def give(self, job: _Job) -> None:
        self.job, self.item, self.since = job, OUTSIDE, time.monotonic()
        with suppress(BrokenPipeError):  # it died while idle: the caller will see the closed pipe
            self.pipe.send((job.task, job.blamed))

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


class _Pool:
    def __init__(self, function: Any, item_seconds: float) -> None:
        self.function = function
        self.item_seconds = item_seconds
        self.workers: list[_Worker] = []

    def run(self, jobs: deque[_Job], count: int, suspects: deque[_Job]) -> Iterator[Any]:
        """Run all jobs with `count` workers; a job whose worker is lost goes to `suspects` (which may be `jobs`)."""
        try:
            while jobs or any(worker.job for worker in self.workers):
                while jobs and len(self.workers) < count:
                    self.workers.append(_Worker(self.function, self.item_seconds))
                for worker in self.workers:
                    if jobs and worker.job is None:
                        worker.give(jobs.popleft())
                yield from self._listen(suspects)
        finally:
            for worker in self.workers:
                worker.kill()

    def _listen(self, suspects: deque[_Job]) -> Iterator[Any]:
        """Wait for the next message, death or deadline, and deal with all that has happened."""
        busy = [worker for worker in self.workers if worker.job is not None]
        # Starting a process takes a while on a loaded machine: only items are timed, not what lies outside them.
        deadlines = [worker.since + self.item_seconds for worker in busy if worker.item != OUTSIDE]
        patience = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        ready = set(wait([worker.pipe for worker in busy], patience))
        results: list[Any] = []
        for worker in busy:
            if worker.pipe in ready and not self._drain(worker, results):
                worker.kill()
                code = worker.process.exitcode
                # Its own alarm (see _serve) may ring before our clock does.
                self._lost(worker, suspects, "timeout" if code == -signal.SIGALRM else "decoder_crash")
        now = time.monotonic()
        for worker in busy:
            overdue = worker.item != OUTSIDE and now - worker.since > self.item_seconds
            if worker.job is not None and overdue and not worker.pipe.poll():
                worker.kill()
                self._lost(worker, suspects, "timeout")
        yield from results

    def _lost(self, worker: _Worker, suspects: deque[_Job], reason: str) -> None:
        self.workers.remove(worker)
        job, worker.job = worker.job, None
        assert job is not None
        job.struck(worker.item, reason)
        suspects.append(job)

    def _drain(self, worker: _Worker, results: list[Any]) -> bool:
        """Read all messages of a worker; False where its pipe is closed because it died."""
        try:
            while worker.job is not None and worker.pipe.poll():
                kind, value = worker.pipe.recv()
                if kind == "start":
                    worker.item, worker.since = value, time.monotonic()
                elif kind == "done":
                    worker.job, worker.item = None, OUTSIDE
                    results.append(value)
                else:
                    raise value
        except (EOFError, ConnectionResetError):
            return False
        return True


def _serve(pipe: Connection, function: Any, item_seconds: float) -> None:
    """A worker's life: take a task, do it, answer, until the parent goes away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    import cv2

    cv2.setNumThreads(1)

    def announce(item: int) -> None:
        pipe.send(("start", item))
        # If the parent is gone and C code hangs, nobody else would end this process: the kernel's alarm does.
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0 if item == OUTSIDE else item_seconds + 5)

    try:
        while True:
            task, blamed = pipe.recv()
            try:
                answer: tuple[str, Any] = ("done", function(task, blamed, announce))
                announce(OUTSIDE)
            except (BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:
                answer = ("error", _portable(error))
            pipe.send(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        os._exit(0)


def _portable(error: Exception) -> Exception:
    """The exception made anew from its text if it is one of ours, else a RuntimeError; with its traceback as a note.

    Exceptions of libraries do not all survive the way to the parent process.
    """
    trace = "".join(traceback.format_exception(error))
    known = isinstance(error, UsageError | RetryableError | CorruptError)
    portable = type(error)(str(error)) if known else RuntimeError(f"{type(error).__name__}: {error}")
    portable.add_note(f"raised in a worker:\n{trace}")
    return portable
