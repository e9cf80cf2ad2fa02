"""Time and memory of the MGLL loss with its targets against the released code's, forward and backward, on one machine.

    python benchmarks/losses.py [--rounds 45]

Two levels of texts. "20 texts": each image carries one of 20 texts of each level; "unique": every image its own. Both
sides start from features and from which image carries which text, and end with the gradients of the features. Ours
exchanges texts by id; theirs compares strings. The two run in turn; the median of each is printed, and of the ratios
of neighbours. The C library keeps its memory meanwhile, as in `steps.py`: theirs would give back what ours then faults
in again. Last the peak memory that our loss adds, each size in a process of its own.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from mgll_official import step_loss
from steps import KEEP_MEMORY

from mgll_train import objectives
from mgll_train.batch import Batch, LevelBatch
from mgll_train.model import Features
from mgll_train.targets import match

LEVELS = ("category", "diagnostic")
WIDTH = 512


def ours(count: int, texts: int, seed: int) -> Callable[[], None]:
    """One loss with its targets and gradients on `count` images and `texts` unique texts a level."""
    generator = torch.Generator().manual_seed(seed)
    objective = objectives.build("mgll", LEVELS, preset="code")
    image = torch.randn(count, WIDTH, generator=generator).requires_grad_()
    text = {level: torch.randn(texts, WIDTH, generator=generator).requires_grad_() for level in LEVELS}
    carried = {level: torch.arange(count) % texts for level in LEVELS}
    objective.detailed = False  # as on the steps that are not logged
    # Few texts: one concept each, which an image has or lacks. A text of its own for every image: free text.
    concepts = torch.eye(texts, dtype=torch.bool) if texts < count else torch.zeros(texts, 150, dtype=torch.bool)

    def run() -> None:
        levels = {}
        present = concepts[carried["category"]]
        for level in LEVELS:
            own = torch.zeros(count, texts, dtype=torch.bool)
            own[torch.arange(count), carried[level]] = True
            targets, valid = match(present, ~present, concepts, torch.zeros_like(concepts), own, "mask")
            ids, tokens = torch.arange(texts), torch.zeros(texts, 1, dtype=torch.int64)
            levels[level] = LevelBatch(ids, tokens, concepts, torch.zeros_like(concepts), own, targets, valid)
        batch = Batch(torch.empty(count, 0), ("",) * count, present, ~present, levels, "mask")
        objective(Features(image, text), batch)["loss"].backward()
        image.grad = None
        for features in text.values():
            features.grad = None

    return run


def theirs(count: int, texts: int, seed: int) -> Callable[[], None]:
    """The released code's loss on the same labels: a row of text features for every image."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(count, WIDTH, generator=generator).requires_grad_()
    text = [torch.randn(count, WIDTH, generator=generator).requires_grad_() for _ in LEVELS]
    labels = [[f"This is a fundus image of {level} {i % texts}" for i in range(count)] for level in LEVELS]
    scale = torch.tensor(14.3, requires_grad=True)

    def run() -> None:
        step_loss(image, text, labels, scale).backward()
        for tensor in (image, *text):
            tensor.grad = None

    return run


def seconds(work: Callable[[], None]) -> float:
    """Duration of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def peak(count: int, texts: int) -> float:
    """Peak memory in MiB of a fresh process that computes our loss thrice."""
    command = [sys.executable, __file__, "--peak", str(count), str(texts)]
    environment = {name: value for name, value in os.environ.items() if name not in KEEP_MEMORY}
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=45)
    parser.add_argument("--peak", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        run = ours(*arguments.peak, seed=0)
        for _ in range(3):
            run()
        status = Path("/proc/self/status").read_text()  # ru_maxrss would still hold the parent's peak
        print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
        return
    if os.environ.get("MALLOC_TRIM_THRESHOLD_") != KEEP_MEMORY["MALLOC_TRIM_THRESHOLD_"]:  # read at a process's start
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEP_MEMORY})
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, fp32, width {WIDTH}, two levels")
    gc.disable()  # as `timeit` does: the lists of one side would be looked through in the time of the other
    for count, texts, name in ((1024, 20, "20 texts"), (4096, 20, "20 texts"), (1024, 1024, "unique")):
        ways = {"official": theirs(count, texts, 0), "mgll": ours(count, texts, 0)}
        for work in ways.values():
            work()
        found: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(arguments.rounds if count < 4096 else arguments.rounds // 3):
            for way in sorted(ways, reverse=turn % 2 == 1):
                found[way].append(seconds(ways[way]))
        one, two = (1e3 * statistics.median(found[way]) for way in ("official", "mgll"))
        ratios = [theirs / ours for theirs, ours in zip(found["official"], found["mgll"], strict=True)]
        print(
            f"N {count:5}  {name:<9} official {one:8.1f} ms   mgll {two:7.2f} ms   x {statistics.median(ratios):.1f} "
            f"({min(ratios):.1f} to {max(ratios):.1f})"
        )
    base = peak(16, 20)
    for count in (1024, 4096, 16384):
        print(f"N {count:5}  20 texts  peak memory {peak(count, 20) - base:8.1f} MiB above N 16")


if __name__ == "__main__":
    main()
