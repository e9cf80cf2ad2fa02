"""A run that is asked to stop: by a scheduler, by a person, once or twice, on one rank or all, whatever it is doing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import torch

from mgll_train import checkpoint, interrupt, loop
from mgll_train.config import Config
from mgll_train.errors import InterruptedRun
from mgll_train.evaluate import during

Make = Callable[..., Path]
CPU = torch.device("cpu")


def test_a_signal_is_a_request_and_the_second_of_a_person_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with interrupt.stop_on_signal() as stop:
        assert not stop.requested(CPU)
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGTERM):  # sent to all, and passed on
            os.kill(os.getpid(), number)
        assert stop.requested(CPU)
        monkeypatch.setattr(interrupt, "PATIENCE", -1.0)  # as if more time had gone by
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_stop_ends_the_evaluation_that_runs(
    make_dataset: Make, small_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = [str(make_dataset(counts={"train": 20, "val": 14}))]
    real = during.normalise
    seen: list[int] = []

    def normalise(images: torch.Tensor, wanted: object) -> torch.Tensor:
        seen.append(len(images))
        os.kill(os.getpid(), signal.SIGTERM)
        return real(images, wanted)  # type: ignore[arg-type]

    monkeypatch.setattr(during, "normalise", normalise)
    monkeypatch.setattr(during, "BATCH", 4)
    config = Config(model=small_model, steps=6, batch=8, workers=0, threads=1, evaluate_every=2)
    with pytest.raises(InterruptedRun, match="stopped at step 2 of 6"):
        loop.pretrain(config, data, tmp_path / "run")
    assert seen == [4]
    assert [path.name for path in checkpoint.found(tmp_path / "run" / "checkpoints")] == ["step-00000002.pt"]


@pytest.mark.slow
def test_sigterm_from_outside_exits_with_130_and_resumes(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    data, out = make_dataset(), tmp_path / "run"
    command = [sys.executable, "-m", "mgll_train.cli", "pretrain", "--shards", str(data), "--model", small_model]
    command += ["--batch", "8", "--workers", "1", "--out", str(out)]
    with subprocess.Popen([*command, "--steps", "1000000"], stderr=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        while not list((out / "tensorboard").glob("*")):  # the loop has begun
            assert process.poll() is None, process.stderr and process.stderr.read()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
        watchdog.cancel()
    assert process.returncode == 130, errors
    assert "--resume auto goes on" in errors
    (path,) = checkpoint.found(out / "checkpoints")
    assert json.dumps(checkpoint.load(path)["config"]["steps"]) == "1000000"
    other = subprocess.run([*command, "--steps", "2", "--resume", "auto"], capture_output=True, text=True, timeout=120)
    assert other.returncode == 2 and "steps: the checkpoint has 1000000, this run 2" in other.stderr


def test_a_signal_before_the_first_step_is_told_of(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mgll_train.cli", "pretrain", "--shards", str(make_dataset()), "--steps", "9"]
    with subprocess.Popen([*command, "--out", str(tmp_path / "run")], stderr=subprocess.PIPE, text=True) as process:
        caught = 0
        while not caught & 1 << (signal.SIGTERM - 1):  # until main() has begun
            status = Path(f"/proc/{process.pid}/status").read_text()
            caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and errors.startswith("mgll-train: stopped")


SLOW_SAVE = """
import sys, time
import torch
from mgll_train import cli

def slow(*arguments, save=torch.save):
    time.sleep(3)
    save(*arguments)

torch.save = slow
sys.argv[0] = "mgll-train"
cli.main()
"""


@contextmanager
def launched(data: Path, model: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Two ranks under torchrun, whose loop has begun and who write slowly to `folder`/run."""
    program, out = folder / "program.py", folder / "run"
    program.write_text(SLOW_SAVE)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(program)]
    command += ["pretrain", "--shards", str(data), "--model", model, "--steps", "1000000"]
    command += ["--batch", "8", "--workers", "1", "--out", str(out), "--set", "threads=1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as job:
        watchdog = threading.Timer(120, job.kill)
        watchdog.start()
        while not list((out / "tensorboard").glob("*")):
            assert job.poll() is None, job.stderr and job.stderr.read()
            time.sleep(0.1)
        yield job
        watchdog.cancel()


@pytest.mark.slow
@pytest.mark.parametrize("all_processes", [True, False])
def test_all_ranks_wait_for_the_checkpoint_of_a_stop(
    make_dataset: Make, small_model: str, tmp_path: Path, all_processes: bool
) -> None:
    """torchrun ends all ranks when one has ended, and passes on a signal that the ranks may have had already."""
    with launched(make_dataset(), small_model, tmp_path) as job:
        for number in processes(tmp_path / "program.py") if all_processes else [job.pid]:
            os.kill(number, signal.SIGTERM)
        _, errors = job.communicate()
    assert errors.count("--resume auto goes on") == 1
    assert [path.suffix for path in (tmp_path / "run" / "checkpoints").iterdir()] == [".pt"], errors


@pytest.mark.slow
def test_ranks_whose_launcher_is_killed_save_and_end(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    with launched(make_dataset(), small_model, tmp_path) as job:
        job.kill()
        limit = time.monotonic() + 60
        while left := processes(tmp_path / "program.py"):
            assert time.monotonic() < limit, left
            time.sleep(0.2)
    assert [path.suffix for path in (tmp_path / "run" / "checkpoints").iterdir()] == [".pt"]


def processes(program: Path) -> list[int]:
    """Those that run a program: launcher, ranks and their loaders, the launcher first."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if str(program).encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return sorted(found)
