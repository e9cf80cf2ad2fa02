"""The loop as it is used: trained, killed and resumed on tiny datasets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mgll_train import checkpoint, loop
from mgll_train.config import Config
from mgll_train.errors import DataError, InterruptedRun, NonFiniteError, UserError
from mgll_train.model import TwoTowers

Make = Callable[..., Path]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def settings(model: str, **changes: Any) -> Config:
    return Config(**{"model": model, "steps": 8, "batch": 8, "workers": 0, "threads": 1, "log_every": 1, **changes})


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def stop_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send SIGTERM to this process while step `step` is logged."""
    real = loop.Log.step

    def step_and_stop(self: loop.Log, done: int) -> None:
        real(self, done)
        if done == step:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop.Log, "step", step_and_stop)


@pytest.mark.parametrize("workers", [0, 1])
def test_stopped_and_resumed_run_equals_the_whole_run_bit_for_bit(
    make_dataset: Make, small_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """8 steps of 8 over 20 + 20 images of two datasets: the stop at step 4 falls inside the first epoch."""
    data = [str(make_dataset(name, counts={"train": 20})) for name in ("one", "two")]
    config = settings(small_model, workers=workers)
    whole = checkpoint.load(loop.pretrain(config, data, tmp_path / "whole"))
    with monkeypatch.context() as patch:
        stop_after(4, patch)
        with pytest.raises(InterruptedRun, match="step 4 of 8"):
            loop.pretrain(config, data, tmp_path / "parts")
    assert [p.name for p in checkpoint.found(tmp_path / "parts" / "checkpoints")] == ["step-00000004.pt"]
    resumed = checkpoint.load(loop.pretrain(config, data, tmp_path / "parts", resume=True))
    assert resumed["step"] == 8 and resumed["cursor"] == {"epoch": 1, "consumed": 24}
    assert [key for key in whole if not same(whole[key], resumed[key])] == []
    fresh = checkpoint.load(tmp_path / "parts" / "checkpoints" / "step-00000004.pt")
    assert not same(fresh["model"], resumed["model"])


def test_number_of_workers_does_not_change_the_run(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    data = [str(make_dataset())]
    runs = [
        checkpoint.load(loop.pretrain(settings(small_model, steps=4, workers=n), data, tmp_path / str(n)))
        for n in (0, 2)
    ]
    assert same(runs[0]["model"], runs[1]["model"])


def test_loss_falls_and_scalars_are_logged(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    config = settings(small_model, steps=30, batch=20, lr=3e-3, crop=1.0)
    loop.pretrain(config, [str(make_dataset())], tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert {
        "loss",
        "floor/loss",
        "soft_clip/diagnostic",
        "floor/soft_clip/diagnostic",
        "positives_per_row/diagnostic",
        "unique_texts",
        "images_per_second",
        "lr",
        "logit_scale",
        "gradient_norm",
    } <= tags
    losses = [event.value for event in events.Scalars("loss")]
    assert len(losses) == 30 and sum(losses[-5:]) < 0.8 * sum(losses[:5])


@pytest.mark.parametrize("precision", ["bf16"])
@pytest.mark.parametrize("objective", ["mgll", "clip"])
def test_objectives_train_in_half_precision(
    make_dataset: Make, small_model: str, tmp_path: Path, objective: str, precision: str
) -> None:
    config = settings(small_model, steps=2, objective=objective, precision=precision)
    state = checkpoint.load(loop.pretrain(config, [str(make_dataset())], tmp_path / "run"))
    assert all(value.isfinite().all() for value in state["model"].values() if value.is_floating_point())


def test_run_in_a_used_folder_is_refused_and_so_is_another_config(
    make_dataset: Make, small_model: str, tmp_path: Path
) -> None:
    data, out = [str(make_dataset())], tmp_path / "run"
    config = settings(small_model, steps=2)
    last = loop.pretrain(config, data, out)
    with pytest.raises(UserError, match="--resume auto goes on"):
        loop.pretrain(config, data, out)
    assert loop.pretrain(config, data, out, resume=True) == last  # nothing left to do
    with pytest.raises(UserError) as error:
        loop.pretrain(
            settings(small_model, steps=4, batch=4), [*data, str(make_dataset("more", seed=5))], out, resume=True
        )
    assert "steps: the checkpoint has 2, this run 4" in str(error.value)
    assert "batch: the checkpoint has 8, this run 4" in str(error.value)
    assert "datasets: the checkpoint was trained on shapes/" in str(error.value)


def test_non_finite_loss_stops_with_the_uids(
    make_dataset: Make, small_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = TwoTowers.encode_image
    calls = []

    def poisoned(self: Any, images: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return real(self, images) * (float("nan") if len(calls) == 3 else 1.0)

    monkeypatch.setattr(TwoTowers, "encode_image", poisoned)
    with pytest.raises(NonFiniteError, match=r"step 3: .*loss.*not finite.*shapes-[0-9a-f]{16}"):
        loop.pretrain(settings(small_model), [str(make_dataset())], tmp_path / "run")
    assert checkpoint.found(tmp_path / "run" / "checkpoints") == []


def test_batch_larger_than_the_data_is_refused(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a batch of 64 is larger than the 40 samples"):
        loop.pretrain(settings(small_model, batch=64), [str(make_dataset())], tmp_path / "run")


def _break_pictures(folder: Path, count: int) -> None:
    """Overwrite the first bytes of `count` pictures in the first tar."""
    tar = folder / "train" / "000000.tar"
    data = bytearray(tar.read_bytes())
    at = -1
    for _ in range(count):
        at = data.index(b"\xff\xd8\xff", at + 1)
        data[at : at + 3] = b"XXX"
    tar.write_bytes(bytes(data))


def test_broken_samples_are_counted_and_stop_the_run_over_budget(
    make_dataset: Make, small_model: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = make_dataset()
    _break_pictures(folder, 3)
    config = settings(small_model, steps=10, broken=3 / 40)
    assert checkpoint.load(loop.pretrain(config, [str(folder)], tmp_path / "run"))["step"] == 10  # two epochs
    assert capfd.readouterr().err.count("left out: shapes/0.1.0") == 3
    less = settings(small_model, steps=10, broken=2.9 / 40, checkpoint_every=1)
    with pytest.raises(DataError, match="3 broken samples, the budget is 2 of 40"):
        loop.pretrain(less, [str(folder)], tmp_path / "other")


def test_what_was_left_out_before_a_resume_still_counts_and_the_budget_may_be_raised(
    make_dataset: Make, small_model: str, tmp_path: Path
) -> None:
    folder, out = make_dataset(), tmp_path / "run"
    _break_pictures(folder, 3)
    less, more = (settings(small_model, steps=10, broken=n / 40, checkpoint_every=1) for n in (2, 3))
    for _ in range(3):
        with pytest.raises(DataError, match="3 broken samples, the budget is 2 of 40"):
            loop.pretrain(less, [str(folder)], out, resume=True)
    last = checkpoint.load(loop.pretrain(more, [str(folder)], out, resume=True))
    assert last["step"] == 10 and len(last["broken"]) == 3


@pytest.mark.parametrize(("scaled", "borne"), [(True, 20), (False, 0)])
def test_infinite_gradients_are_borne_for_a_while_where_a_scaler_lowers_its_scale(
    make_dataset: Make, small_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scaled: bool, borne: int
) -> None:
    """As fp16 does on a GPU, here with torch's scaler for the CPU."""
    data = [str(make_dataset())]
    build, clip = loop.Training.__init__, loop.Training.clip_gradients
    infinite = borne

    def with_scaler(self: loop.Training, *arguments: Any) -> None:
        build(self, *arguments)
        self.scaler = torch.amp.GradScaler("cpu", enabled=scaled)

    def clip_gradients(self: loop.Training, largest: float) -> torch.Tensor:
        nonlocal infinite
        infinite -= 1
        return torch.tensor(torch.inf) if infinite >= 0 else clip(self, largest)

    monkeypatch.setattr(loop.Training, "__init__", with_scaler)
    monkeypatch.setattr(loop.Training, "clip_gradients", clip_gradients)
    loop.pretrain(settings(small_model, steps=25), data, tmp_path / "borne")
    infinite = borne + 1
    with pytest.raises(NonFiniteError, match=f"step {borne + 1}: gradient_norm not finite"):
        loop.pretrain(settings(small_model, steps=25), data, tmp_path / "too many")


@pytest.mark.slow
def test_torchrun_with_two_processes_trains_like_one(make_dataset: Make, tmp_path: Path) -> None:
    """The model of the demo, which has BatchNorm. Gradients are compared in tests/train/test_ranks_train.py."""
    data = make_dataset()
    common = ["-m", "mgll_train.cli", "pretrain", "--shards", str(data), "--model", "tiny", "--steps", "2"]
    common += ["--batch", "16", "--workers", "0", "--lr", "1e-4", "--set", "log_every=1"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node"]
    losses = []
    for count in ("1", "2"):
        done = subprocess.run(
            [*launch, count, *common, "--out", str(tmp_path / count)], capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr
        events = EventAccumulator(str(tmp_path / count / "tensorboard"))
        events.Reload()
        losses.append([event.value for event in events.Scalars("loss")])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5) and len(losses[0]) == 2
    one, two = (checkpoint.load(checkpoint.found(tmp_path / count / "checkpoints")[0]) for count in ("1", "2"))
    assert two["rng"]["cpu"].shape[0] == 2
    for name, value in one["model"].items():
        torch.testing.assert_close(two["model"][name], value, atol=4e-4, rtol=0)
