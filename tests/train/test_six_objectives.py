"""Every objective by its name on the command line, on datasets of both modalities, with its own terms logged."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mgll_train import checkpoint, cli, objectives

Make = Callable[..., Path]
# Scalars that only this objective logs, or that say what it is made of.
TERMS = {
    "clip": {"clip", "floor/clip"},
    "siglip": {"siglip", "siglip_bias"},
    "mgll": {
        *(f"{term}/{level}" for term in ("soft_clip", "pointwise") for level in ("category", "diagnostic")),
        "smooth_kl",
        "floor/soft_clip/category",
        "unknown_share/diagnostic",
    },
    "mgca": {"ita", "cta", "cpa", "floor/ita"},
    "mlip": {"clip", "augmented", "divergence", "local", "category", "matching", "swapping"},
    "plan": {"clip", "local", "stages"},
}


def test_no_objective_is_missing_here() -> None:
    assert sorted(TERMS) == objectives.names()


@pytest.mark.parametrize("name", TERMS)
def test_trains_by_name_on_fundus_and_chest_and_logs_its_terms(
    name: str, make_dataset: Make, small_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folders = [str(make_dataset("one")), str(make_dataset("two", modality="cxr", seed=1))]
    arguments = ["mgll-train", "pretrain", "--shards", *folders, "--objective", name, "--model", small_model]
    arguments += ["--steps", "3", "--batch", "8", "--workers", "0", "--lr", "1e-3", "--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", [*arguments, "--set", "log_every=1", "--set", "accumulate=2"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 0
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert TERMS[name] | {"loss", "logit_scale", "gradient_norm"} <= tags
    assert len(events.Scalars("loss")) == 3
    state = checkpoint.load(checkpoint.resolve(tmp_path / "run"))
    assert state["config"]["objective"] == name and state["step"] == 3
    assert all(value.isfinite().all() for value in state["model"].values() if value.is_floating_point())
