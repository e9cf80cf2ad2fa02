"""Weights & Biases: only when asked for, offline unless told otherwise, and a plain message where it is missing."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from mgll_train.errors import UserError
from mgll_train.log import Log


class Recorded(types.ModuleType):
    """Stands in for the package: keeps what it is told."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.told: list[Any] = []

    def init(self, **options: Any) -> Recorded:
        self.told.append(options)
        return self

    def log(self, values: dict[str, float], step: int) -> None:
        self.told.append((step, values))

    def finish(self, exit_code: int) -> None:
        self.told.append(exit_code)


def log(folder: Path, **options: Any) -> Log:
    return Log(folder / "tensorboard", first=0, total=2, batch=4, speaks=True, **options)


@pytest.mark.parametrize("mode", [None, "online"])
def test_wandb_hears_what_tensorboard_hears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str | None) -> None:
    package = Recorded()
    monkeypatch.setitem(sys.modules, "wandb", package)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    if mode:
        monkeypatch.setenv("WANDB_MODE", mode)
    with log(tmp_path, wandb="eyes", settings={"batch": 4}) as running:
        running.scalars(1, {"loss": 2.0})
        running.evaluated(1, {"val/auc": 0.5})
    start, first, second, end = package.told
    assert start == {"project": "eyes", "config": {"batch": 4}, "dir": str(tmp_path), "mode": mode or "offline"}
    assert first[0] == 1 and first[1]["loss"] == 2.0 and first[1]["images_per_second"] > 0
    assert second == (1, {"val/auc": 0.5}) and end == 0


def test_wandb_is_not_imported_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Recorded()
    monkeypatch.setitem(sys.modules, "wandb", package)
    with log(tmp_path) as running:
        running.scalars(1, {"loss": 2.0})
    assert package.told == []
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it were not installed
    with pytest.raises(UserError, match="pip install wandb"):
        log(tmp_path, wandb="eyes")


def test_time_of_an_evaluation_does_not_count_as_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("mgll_train.log.time.monotonic", lambda: clock[0])
    package = Recorded()
    monkeypatch.setitem(sys.modules, "wandb", package)
    with log(tmp_path, wandb="eyes") as running:
        clock[0] = 2.0
        with running.paused():
            clock[0] = 50.0
        running.scalars(1, {"loss": 1.0})
    assert package.told[1][1]["images_per_second"] == 4 / 2.0
