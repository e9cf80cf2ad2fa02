"""Stopped twenty times and resumed, a run is the run that was never stopped: weights, states and the loss curve."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mgll_train import checkpoint, loop
from mgll_train.errors import InterruptedRun
from tests.train.test_loop import same, settings, stop_after

Make = Callable[..., Path]
STEPS = 60


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"objective": "mgll", "accumulate": 2, "ema": 0.99, "evaluate_every": 7, "workers": 1},
        {"objective": "mlip"},  # draws features out at random
    ],
    ids=["mgll", "mlip"],
)
def test_twenty_random_stops_change_no_bit_of_the_loss_curve(
    make_dataset: Make, small_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    curves: dict[str, dict[int, float]] = {"whole": {}, "parts": {}}
    real = loop.Log.scalars

    def scalars(self: loop.Log, step: int, values: Any) -> None:
        curves[self._folder.parent.name][step] = values["loss"]
        real(self, step, values)

    monkeypatch.setattr(loop.Log, "scalars", scalars)
    data = [str(make_dataset(name, counts={"train": 25, "val": 6})) for name in ("one", "two")]
    config = settings(small_model, steps=STEPS, **options)
    whole = checkpoint.load(loop.pretrain(config, data, tmp_path / "whole"))
    stops = sorted(random.Random(0).sample(range(1, STEPS), 20))
    for step in stops:
        with monkeypatch.context() as patch, pytest.raises(InterruptedRun, match=f"step {step} of"):
            stop_after(step, patch)
            loop.pretrain(config, data, tmp_path / "parts", resume=True)
    resumed = checkpoint.load(loop.pretrain(config, data, tmp_path / "parts", resume=True))
    assert curves["parts"] == curves["whole"] and len(curves["whole"]) == STEPS
    assert [key for key in whole if not same(whole[key], resumed[key])] == []
