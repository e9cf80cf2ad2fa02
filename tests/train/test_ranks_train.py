"""The loop on two gloo processes: losses, gradients and weights of one process, with every way to share the work."""

from __future__ import annotations

import os
import shutil
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mgll_train import checkpoint, loop
from mgll_train.config import Config
from mgll_train.errors import UserError
from mgll_train.training import Training
from tests.train.conftest import write_dataset, write_model
from tests.train.test_loop import same

COMMON: dict[str, Any] = {
    "steps": 4,
    "batch": 8,
    "workers": 0,
    "threads": 1,
    "log_every": 1,
    "lr": 1e-4,
    "clip": 1e6,  # of no effect, so that gradients show as they are
    "keep": 9,
    "checkpoint_every": 2,
}
# `tiny` has BatchNorm in its image tower; the model of the other cases has none. It has ReLU too: with one seed in
# three some input of one lies within rounding of 0 in the first batch and its gradient comes and goes, in fp32 against
# fp64 of one process as well. Seed 5 has none.
CASES: dict[str, dict[str, Any]] = {
    "tiny": {"model": "tiny", "objective": "mgll", "batch": 16, "seed": 5},
    "accumulated": {"objective": "plan", "accumulate": 2, "evaluate_every": 2, "gradient_checkpointing": True},
    "fsdp": {"objective": "mgca", "fsdp": True, "accumulate": 2, "ema": 0.9, "evaluate_every": 2},
    "fsdp, locked": {"objective": "mgll", "fsdp": True, "lock": "text", "unlocked": 2},
}


def config(case: str, model: str) -> Config:
    return Config(**{**COMMON, "model": model, **CASES[case]})


def whole(gradient: Any) -> torch.Tensor:
    tensor: torch.Tensor = gradient.full_tensor() if hasattr(gradient, "full_tensor") else gradient
    return tensor.clone()


def watched(settings: Config, data: Path, out: Path) -> dict[str, Any]:
    """Run and return what is logged and the gradients of every step."""
    seen: dict[str, Any] = {"scalars": [], "gradients": [], "val": []}
    clip, scalars, evaluated = Training.clip_gradients, loop.Log.scalars, loop.Log.evaluated

    def clip_gradients(self: Training, largest: float) -> torch.Tensor:
        norm = clip(self, largest)
        named = [(n, p) for n, p in self.model.named_parameters() if p.grad is not None]
        named += [(n, p) for n, p in self.objective.named_parameters() if p.grad is not None]
        seen["gradients"].append({n: whole(p.grad) for n, p in named})
        return norm

    def log_scalars(self: loop.Log, step: int, values: Any) -> None:
        seen["scalars"].append(dict(values))
        scalars(self, step, values)

    def log_evaluated(self: loop.Log, step: int, values: Any) -> None:
        seen["val"].append(dict(values))
        evaluated(self, step, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "clip_gradients", clip_gradients)
        patch.setattr(loop.Log, "scalars", log_scalars)
        patch.setattr(loop.Log, "evaluated", log_evaluated)
        loop.pretrain(settings, [str(data)], out)
    return seen


def work(number: int, ports: dict[str, int], model: str, data: Path, out: Path) -> None:
    os.environ.update(RANK=str(number), LOCAL_RANK=str(number), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1")
    os.environ["LOCAL_WORLD_SIZE"] = "2"
    for case in CASES:
        os.environ["MASTER_PORT"] = str(ports[case])
        torch.save(watched(config(case, model), data, out / case), out / f"{case}-{number}.pt")
    # Half of the FSDP run again, from its middle: the other rank waits for this one before it looks.
    if number == 0:
        shutil.copytree(out / "fsdp", out / "resumed")
        (out / "resumed" / "checkpoints" / "step-00000004.pt").unlink()
    os.environ["MASTER_PORT"] = str(ports["resumed"])
    loop.pretrain(config("fsdp", model), [str(data)], out / "resumed", resume=True)
    # A folder of its own for every rank, of which the second one's lags behind.
    shutil.copytree(out / "resumed", out / f"own-{number}")
    if number == 1:
        (out / "own-1" / "checkpoints" / "step-00000004.pt").unlink()
    os.environ["MASTER_PORT"] = str(ports["apart"])
    with pytest.raises(UserError, match=r"different newest checkpoints \(step-00000004.pt, step-00000002.pt\)"):
        loop.pretrain(config("fsdp", model), [str(data)], out / f"own-{number}", resume=True)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of the two ranks' runs, and what one process does."""
    folder = tmp_path_factory.mktemp("ranks")
    data = write_dataset(folder / "data", counts={"train": 40, "val": 13})
    model = write_model(folder)
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(len(CASES) + 2)]
    ports = dict(zip([*CASES, "resumed", "apart"], [s.getsockname()[1] for s in sockets], strict=True))
    for opened in sockets:
        opened.close()
    (folder / "two").mkdir()
    torch.multiprocessing.spawn(work, args=(ports, model, data, folder / "two"), nprocs=2)
    alone = {case: watched(config(case, model), data, folder / "one" / case) for case in CASES}
    return folder, alone


def length(tensors: list[torch.Tensor]) -> float:
    return sum(float(tensor.double().square().sum()) for tensor in tensors) ** 0.5


def compare(found: dict[str, Any], wanted: dict[str, Any], **close: float) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, **close, msg=lambda m, n=name: f"{n}: {m}")  # type: ignore[misc]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_ranks_log_the_losses_and_have_the_gradients_of_one_process(runs: Any, case: str) -> None:
    folder, alone = runs
    timed = ("images_per_second",)
    for number in (0, 1):
        found = torch.load(folder / "two" / f"{case}-{number}.pt", weights_only=True)
        assert len(found["scalars"]) == 4
        # Later steps start from weights that Adam moves by the sign of gradients which are 0 but for rounding.
        first = {name: value for name, value in alone[case]["scalars"][0].items() if name not in timed}
        compare({name: found["scalars"][0][name] for name in first}, first, rtol=1e-5, atol=1e-5)
        one, two = alone[case]["gradients"][0], found["gradients"][0]
        assert one.keys() == two.keys()
        assert length([two[name] - one[name] for name in one]) < 1e-5 * length(list(one.values()))
        for two, one in zip(found["scalars"], alone[case]["scalars"], strict=True):
            assert abs(two["loss"] - one["loss"]) < 1e-5 * max(1, abs(one["loss"]))
        assert len(found["val"]) == len(alone[case]["val"]) == (2 if "evaluate_every" in CASES[case] else 0)
        for two, one in zip(found["val"], alone[case]["val"], strict=True):
            compare(two, one, rtol=1e-6, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_checkpoints_of_two_ranks_are_those_of_one_process(runs: Any, case: str) -> None:
    folder, _ = runs
    one, two = (checkpoint.load(folder / where / case / "checkpoints" / "step-00000004.pt") for where in ("one", "two"))
    assert two["rng"]["cpu"].shape[0] == 2 and one.keys() == two.keys()
    parts = ["model", "objective", *(["average"] if "ema" in CASES[case] else [])]
    for part in parts:
        compare(
            two[part], one[part], rtol=0, atol=8e-4
        )  # 4 steps of Adam by the sign of a gradient that is 0 but for rounding
        off = torch.cat([(value - one[part][name]).abs().float().flatten() for name, value in two[part].items()])
        assert (off > 1e-6).float().mean() < 0.01
    moments = [state["optimizer"]["state"] for state in (one, two)]
    assert moments[0].keys() == moments[1].keys() != {}
    for number, state in moments[0].items():
        assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in moments[1][number].items()}


@pytest.mark.slow
def test_a_run_with_shared_parameters_resumes_to_the_bit(runs: Any) -> None:
    folder, _ = runs
    whole, resumed = (
        checkpoint.load(folder / "two" / name / "checkpoints" / "step-00000004.pt") for name in ("fsdp", "resumed")
    )
    assert [key for key in whole if not same(whole[key], resumed[key])] == []


@pytest.mark.slow
def test_a_run_with_shared_parameters_goes_on_without(runs: Any, tmp_path: Path) -> None:
    """The moments of a convolution lie in another order in memory there."""
    folder, _ = runs
    shutil.copytree(folder / "two" / "fsdp", tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "step-00000004.pt").unlink()
    settings = replace(config("fsdp", str(next(folder.glob("*.json")))), fsdp=False)
    loop.pretrain(settings, [str(folder / "data")], tmp_path / "run", resume=True)
    one, other = (
        checkpoint.load(run / "checkpoints" / "step-00000004.pt")["model"]
        for run in (tmp_path / "run", folder / "two" / "fsdp")
    )
    name = next(key for key in one if key.endswith("conv1.weight"))
    torch.testing.assert_close(one[name], other[name], rtol=0, atol=1e-7)
