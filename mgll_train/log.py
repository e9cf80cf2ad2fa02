"""What a run tells: lines and a progress bar for people, TensorBoard scalars for curves. One rank speaks."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mgll_train.errors import UserError

# Where there is no terminal to draw a bar in, a line at most this often.
SECONDS_BETWEEN_LINES = 20.0


class Log:
    """Context manager around the steps of a run: `folder` gets TensorBoard files, `first` is the step it starts at.

    wandb: a project of Weights & Biases to log to as well, with the run's `settings`. Raises UserError, before the
    first step, where that package is not installed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        first: int,
        total: int,
        batch: int,
        speaks: bool,
        wandb: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.console = Console(stderr=True, quiet=not speaks)
        self._folder, self._first, self._total, self._batch, self._speaks = folder, first, total, batch, speaks
        self._wandb, self._settings = _wandb() if wandb else None, {"project": wandb, "config": dict(settings or {})}
        self._since = self._line_at = time.monotonic()
        self._steps_since = first
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[news]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=self.console,
            disable=not (speaks and self.console.is_terminal),
        )
        self._task = self._bar.add_task("train", total=total, completed=first, news="")

    def __enter__(self) -> Log:
        self._online = None
        if self._speaks:
            from torch.utils.tensorboard import SummaryWriter

            # A resumed run repeats the steps after its checkpoint: TensorBoard forgets what it held of them.
            self._writer = SummaryWriter(str(self._folder), purge_step=self._first + 1)
            if self._wandb is not None:
                mode = os.environ.get("WANDB_MODE", "offline")
                self._online = self._wandb.init(dir=str(self._folder.parent), mode=mode, **self._settings)
        self._since = self._line_at = time.monotonic()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._speaks:
            self._writer.close()
            if self._online is not None:
                self._online.finish(exit_code=int(kind is not None))

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def step(self, step: int) -> None:
        """Move the bar: `step` steps are done."""
        self._bar.update(self._task, completed=step)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Write scalars of the state after `step` steps, with the images a second since the last call."""
        now = time.monotonic()
        rate = (step - self._steps_since) * self._batch / max(now - self._since, 1e-9)
        self._since, self._steps_since = now, step
        if not self._speaks:
            return
        self._write(step, {**values, "images_per_second": rate})
        news = f"loss {values['loss']:.3f}  {rate:,.0f} images/s"
        self._bar.update(self._task, news=news)
        done = step >= self._total
        if not self.console.is_terminal and (done or now - self._line_at >= SECONDS_BETWEEN_LINES):
            self._line_at = now
            self.say(f"step {step} of {self._total}  {news}")

    def evaluated(self, step: int, values: Mapping[str, float]) -> None:
        """Write figures of an evaluation after `step` steps, and print them; none of one that was stopped."""
        if self._speaks and values:
            self._write(step, values)
            shown = "  ".join(f"{name.removeprefix('val/')} {value:.3g}" for name, value in values.items())
            self.say(f"val at step {step}  {shown}")

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave what happens inside out of the images a second."""
        start = time.monotonic()
        yield
        self._since += time.monotonic() - start

    def _write(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        if self._online is not None:
            self._online.log(dict(values), step=step)


def _wandb() -> Any:
    try:
        return importlib.import_module("wandb")
    except ImportError as error:
        raise UserError(
            "wandb is set, and Weights & Biases is not installed: pip install wandb, or leave wandb out (TensorBoard "
            "curves are always written)"
        ) from error
