"""What a person sees while a build runs: one line a stage, with rate and time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console


class Advance(Protocol):
    """Reports that `done` of the stage's units are finished."""

    def __call__(self, done: int) -> None: ...


class Progress:
    """Progress on standard error: a live bar on a terminal, else a plain line every ten seconds."""

    def __init__(self, *, quiet: bool = False) -> None:
        from rich.console import Console

        self.console: Console = Console(stderr=True, quiet=quiet, highlight=False)
        self._live = self.console.is_terminal and not quiet

    def note(self, message: str) -> None:
        """One line for the reader."""
        self.console.print(message, markup=False, soft_wrap=True)

    def finished(self, stage: str, summary: str, seconds: float) -> None:
        """The line that stays when a stage is over."""
        self.console.print(f"  {stage:<24} {summary}  [{seconds:.1f} s]", markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str, total: int, unit: str) -> Iterator[Advance]:
        """A stage of `total` units; call what it yields with the number done so far."""
        if not self._live:
            yield self._lines(name, total, unit)
            return
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = [
            TextColumn(f"  {name:<10}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn(f"{unit}  {{task.fields[rate]}}"),
            TimeRemainingColumn(),
        ]
        with Bar(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task(name, total=total, rate="")
            started = time.monotonic()

            def advance(done: int) -> None:
                rate = done / max(time.monotonic() - started, 1e-9)
                bar.update(task, completed=done, rate=f"{rate:.0f}/s")

            yield advance

    def _lines(self, name: str, total: int, unit: str) -> Advance:
        started = last = time.monotonic()

        def advance(done: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last < 10 or done >= total:
                return
            last = now
            rate = done / (now - started)
            left = (total - done) / rate if rate else float("inf")
            print(f"  {name}: {done}/{total} {unit}, {rate:.0f}/s, {left:.0f} s left", file=sys.stderr, flush=True)

        return advance
