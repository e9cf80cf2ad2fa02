"""One run a folder, whatever becomes of the one before."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mgll_train import checkpoint, lock, loop
from mgll_train.config import Config
from mgll_train.errors import UserError

Make = Callable[..., Path]
CPU = torch.device("cpu")
HOLD = """
import sys, torch
from pathlib import Path
from mgll_train import lock
with lock.alone(Path(sys.argv[1]), torch.device("cpu")):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_held_by_one_run_and_free_after_a_kill(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(UserError, match="another run writes there"), lock.alone(tmp_path / "run", CPU):
            pass
        other.kill()
    with lock.alone(tmp_path / "run", CPU) as notes:
        assert notes == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/run: cannot be written"), lock.alone(tmp_path / "file" / "run", CPU):
        pass


def test_a_filesystem_without_locks_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.lockf", none)
    with lock.alone(tmp_path, CPU) as notes:
        assert len(notes) == 1 and "no locks" in notes[0]


def test_a_resumed_run_clears_what_a_killed_one_left(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    config = Config(model=small_model, steps=2, batch=8, workers=0, threads=1)
    data, folder = [str(make_dataset())], tmp_path / "run" / "checkpoints"
    loop.pretrain(config, data, tmp_path / "run")
    (folder / "step-00000009.pt.part").write_bytes(b"half")
    (folder / "notes.part").write_bytes(b"somebody else's")
    loop.pretrain(config, data, tmp_path / "run", resume=True)
    assert sorted(path.name for path in folder.iterdir()) == ["notes.part", "step-00000002.pt"]
    assert len(checkpoint.found(folder)) == 1
