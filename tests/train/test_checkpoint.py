from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from mgll_train import checkpoint
from mgll_train.deaths import deaths_told
from mgll_train.errors import DataError, UserError
from tests.train.conftest import largest_file


def state(step: int, **changes: Any) -> dict[str, Any]:
    return {
        "v": checkpoint.VERSION,
        "model": {"weight": torch.full((3,), float(step))},
        "objective": {"logit_scale": torch.tensor(2.0)},
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.98)}]},
        "scaler": {},
        "step": step,
        "cursor": {"epoch": 0, "consumed": step * 8},
        "rng": checkpoint.rng_state(torch.device("cpu")),
        "config": {"batch": 8, "lr": 0.1},
        "manifests": ["shapes/0.1.0-abc"],
        **changes,
    }


def test_loads_what_was_saved_without_running_code(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path / "c", state(5), keep=2)
    assert path.name == "step-00000005.pt"
    loaded = torch.load(path, weights_only=True)
    assert loaded["optimizer"]["param_groups"] == [{"lr": 0.1, "betas": (0.9, 0.98)}]
    assert torch.equal(checkpoint.load(path)["model"]["weight"], torch.full((3,), 5.0))


def test_keeps_the_newest(tmp_path: Path) -> None:
    for step in (1, 2, 3, 10, 4):
        checkpoint.save(tmp_path, state(step), keep=3)
    assert [path.name for path in checkpoint.found(tmp_path)] == [
        "step-00000010.pt",
        "step-00000004.pt",
        "step-00000003.pt",
    ]


def test_failed_write_leaves_the_old_one_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save(tmp_path, state(1), keep=1)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"step-00000002.pt: cannot be written .No space.*MB free.*--resume auto"):
        checkpoint.save(tmp_path, state(2), keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001.pt"]


def test_torch_out_of_room_is_told_in_words(tmp_path: Path) -> None:
    """torch hides the system's reason: `unexpected pos`."""
    with largest_file(20_000), pytest.raises(UserError, match=r"step-00000002\.pt: cannot be written"):
        checkpoint.save(tmp_path, {**state(2), "model": {"w": torch.zeros(100_000)}}, keep=1)
    assert list(tmp_path.iterdir()) == []


def test_newest_whole_checkpoint_is_found(tmp_path: Path) -> None:
    assert checkpoint.newest(tmp_path / "none") is None
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, state(step), keep=9)
    (tmp_path / "step-00000009.pt.part").write_bytes(b"torn")
    torn = tmp_path / "step-00000003.pt"
    torn.write_bytes(torn.read_bytes()[:-100])
    found = checkpoint.newest(tmp_path)
    assert found is not None
    path, loaded, problems = found
    assert path.name == "step-00000002.pt" and loaded["step"] == 2
    assert len(problems) == 1 and "step-00000003.pt: not a whole checkpoint" in problems[0]
    assert checkpoint.resolve(tmp_path) == path
    for left in checkpoint.found(tmp_path):
        left.write_bytes(b"")
    with pytest.raises(DataError, match="no checkpoint can be read"):
        checkpoint.newest(tmp_path)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(5, "Input/output error"), UserError),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), RuntimeError),
        (MemoryError(), MemoryError),
    ],
)
def test_a_checkpoint_that_cannot_be_read_now_is_not_called_torn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, told: type[Exception]
) -> None:
    """No older one is taken in its place, and nobody is told to remove it."""
    for step in (1, 2):
        checkpoint.save(tmp_path, state(step), keep=9)

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(told) as caught:
        checkpoint.newest(tmp_path)
    assert caught.type is told and "remove it" not in str(caught.value)


def test_a_loader_process_that_dies_during_a_save_is_no_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    monkeypatch.setattr(torch, "save", killed)
    with pytest.raises(DataError, match="lower --workers"), deaths_told():
        checkpoint.save(tmp_path, state(1), keep=9)
    assert list(tmp_path.iterdir()) == []


def test_foreign_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such checkpoint"):
        checkpoint.load(tmp_path / "absent.pt")
    torch.save({"model": {}}, tmp_path / "other.pt")
    with pytest.raises(DataError, match=r"other.pt: not a checkpoint of mgll-train \(it lacks v, objective"):
        checkpoint.load(tmp_path / "other.pt")
    torch.save(state(1, v=99), tmp_path / "later.pt")
    with pytest.raises(DataError, match="version 99"):
        checkpoint.load(tmp_path / "later.pt")


def test_file_or_folder_of_a_run(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path / "run" / "checkpoints", state(4), keep=1)
    assert checkpoint.resolve(tmp_path / "run") == path
    assert checkpoint.resolve(tmp_path / "run" / "checkpoints") == path
    assert checkpoint.resolve(path) == path
    with pytest.raises(UserError, match="no checkpoint"):
        checkpoint.resolve(tmp_path)
    with pytest.raises(UserError, match="give CHECKPOINT first"):
        checkpoint.resolve(tmp_path / "nothing")


def test_every_difference_is_named(tmp_path: Path) -> None:
    path = tmp_path / "step-00000001.pt"
    checkpoint.refuse_other_run(path, state(1), {"lr": 0.1, "batch": 8}, ["shapes/0.1.0-abc"])
    with pytest.raises(UserError) as error:
        checkpoint.refuse_other_run(path, state(1), {"lr": 0.2, "new": 1}, ["shapes/0.2.0-def"])
    text = str(error.value)
    for part in (
        "lr: the checkpoint has 0.1, this run 0.2",
        "batch: the checkpoint has 8, this run 'nothing'",
        "new: the checkpoint has 'nothing', this run 1",
        "shapes/0.1.0-abc, this run reads shapes/0.2.0-def",
    ):
        assert part in text


def test_generator_goes_on_where_it_was() -> None:
    saved = checkpoint.rng_state(torch.device("cpu"))
    one = torch.rand(3)
    checkpoint.restore_rng(saved, 0, torch.device("cpu"))
    assert torch.equal(torch.rand(3), one)
