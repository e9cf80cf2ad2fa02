"""How a step's data comes from a loader process, and what happens to the processes when the loop ends badly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mgll_train.errors import UserError
from mgll_train.loaded import Slots
from mgll_train.workers import load_steps
from tests.train.test_stream import equal, steps

Make = Callable[..., Path]


def test_images_go_through_a_slot_and_are_refused_when_another_steps_lie_there() -> None:
    slots = Slots(3, 100)
    images = torch.arange(24, dtype=torch.uint8).view(2, 1, 3, 4)
    slots.put(7, images)
    slots.put(8, images + 100)
    taken = slots.take(7, (2, 1, 3, 4))
    assert torch.equal(taken, images)
    slots.put(10, images + 50)  # 10 = 7 + 3
    assert torch.equal(taken, images)  # a copy
    with pytest.raises(RuntimeError, match="step 7 were asked for too late"):
        slots.take(7, (2, 1, 3, 4))


def test_too_little_shared_memory_is_said_in_words() -> None:
    with pytest.raises(UserError, match=r"need 1,000,000,000,000 MB of shared memory.*fewer --workers.*--shm-size"):
        Slots(1000, 10**15)


def test_two_loaders_at_once_over_more_steps_than_slots(make_dataset: Make, small_model: str) -> None:
    """Colour and grey pictures, one loader held back while the other one runs: nothing is mixed up."""
    folders = [make_dataset("eyes"), make_dataset("films", modality="cxr")]
    mixed, grey = steps(folders, small_model), steps(folders[1:], small_model)
    expected = [[data[step] for step in range(12)] for data in (mixed, grey)]
    one = load_steps(mixed, 0, 12, workers=2, cuda=False)
    found = [[next(one)], list(load_steps(grey, 0, 12, workers=2, cuda=False))]
    time.sleep(0.5)  # the first loader has built all it may
    found[0] += list(one)
    for wanted, got in zip(expected, found, strict=True):
        assert all(equal(a, b) for a, b in zip(wanted, got, strict=True))
    assert {loaded.batch.images.shape[1] for loaded in found[1] if loaded.batch} == {1}
    assert {loaded.batch.images.shape[1] for loaded in found[0] if loaded.batch} >= {3}


RUN = """
import sys
from mgll_train import loop
from mgll_train.config import Config
from mgll_train.objectives import mgll
from pathlib import Path

shards, model, out, fails = sys.argv[1:]
if fails == "yes":
    def terms(self, cosines, batch):
        raise ZeroDivisionError("planted")
    mgll.Mgll.terms = terms
loop.pretrain(Config(model=model, batch=16, steps=100000, workers=2, log_every=1), [shards], Path(out))
"""


def children(parent: int) -> list[int]:
    """Processes whose parent is `parent`."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[1]) == parent:
            found.append(int(status.parent.name))
    return found


def wait_until(holds: Callable[[], bool]) -> None:
    """Return once it holds; AssertionError after half a minute."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.slow
def test_an_error_in_the_loop_ends_the_run_with_its_loader_processes(
    make_dataset: Make, small_model: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", RUN, str(make_dataset()), small_model, str(tmp_path / "run"), "yes"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and "ZeroDivisionError: planted" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_loader_processes_end_after_a_kill_minus_9(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", RUN, str(make_dataset()), small_model, str(tmp_path / "run"), "no"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as run:
        try:
            wait_until(lambda: (tmp_path / "run" / "tensorboard").exists() and len(children(run.pid)) >= 2)
            loaders = children(run.pid)
            time.sleep(1)  # they have filled what they may fill
        finally:
            os.kill(run.pid, signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in loaders))
