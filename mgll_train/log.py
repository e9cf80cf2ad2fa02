"""What a run tells: lines and a progress bar for people, TensorBoard scalars for curves. One rank speaks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

# Where there is no terminal to draw a bar in, a line at most this often.
SECONDS_BETWEEN_LINES = 20.0


class Log:
    """Context manager around the steps of a run: `folder` gets TensorBoard files, `first` is the step it starts at."""

    def __init__(self, folder: Path, *, first: int, total: int, batch: int, speaks: bool) -> None:
        self.console = Console(stderr=True, quiet=not speaks)
        self._folder, self._first, self._total, self._batch, self._speaks = folder, first, total, batch, speaks
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
        if self._speaks:
            from torch.utils.tensorboard import SummaryWriter

            # A resumed run repeats the steps after its checkpoint: TensorBoard forgets what it held of them.
            self._writer = SummaryWriter(str(self._folder), purge_step=self._first + 1 if self._first else None)
        self._since = self._line_at = time.monotonic()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if self._speaks:
            self._writer.close()

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
        for name, value in {**values, "images_per_second": rate}.items():
            self._writer.add_scalar(name, value, step)
        news = f"loss {values['loss']:.3f}  {rate:,.0f} images/s"
        self._bar.update(self._task, news=news)
        done = step >= self._total
        if not self.console.is_terminal and (done or now - self._line_at >= SECONDS_BETWEEN_LINES):
            self._line_at = now
            self.say(f"step {step} of {self._total}  {news}")
