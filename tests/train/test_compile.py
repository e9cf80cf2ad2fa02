"""torch.compile: towers keep their graphs while the number of texts varies, and losses are one graph."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch._dynamo.utils import counters

from mgll_train import loop
from mgll_train.accumulate import in_pieces
from mgll_train.losses.pointwise import pointwise
from mgll_train.losses.soft_clip import soft_clip
from mgll_train.training import FIXED_TEXTS
from tests.train.test_loop import settings

needs_compiler = pytest.mark.skipif(not shutil.which("g++") and not shutil.which("clang++"), reason="no C++ compiler")


@pytest.fixture(autouse=True)
def _fresh():
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def test_a_text_tower_sees_one_shape_whatever_the_number_of_texts():
    shapes = set()

    def encode(rows):
        shapes.add(rows.shape)
        return rows.float()

    for number in (1, 5, 63, 64, 65, 200):
        rows = torch.arange(number)[:, None].expand(number, 7)
        assert torch.equal(in_pieces(encode, rows, number=1, size=FIXED_TEXTS, again=False), rows.float())
    assert shapes == {(64, 7)}


@pytest.mark.parametrize("loss", ["soft_clip", "pointwise"])
def test_losses_are_one_graph_and_compile_at_most_twice_again_over_varying_numbers_of_texts(loss):
    """fullgraph: a graph break is an error. Dead columns that fill K up change nothing."""
    counter = CompileCounterWithBackend("aot_eager")

    def value(logits, targets, valid):
        if loss == "soft_clip":
            return soft_clip(logits, targets, valid)[0]
        return pointwise(logits, targets, valid)

    compiled = torch.compile(value, backend=counter, fullgraph=True, dynamic=False)
    for texts in (3, 9, 17, 20, 24, 40, 33):
        torch.manual_seed(texts)
        logits, targets = torch.randn(6, texts), (torch.rand(6, texts) < 0.4).float()
        valid = (torch.rand(6, texts) < 0.9) | (targets > 0)
        filled = -texts % 16
        pad = torch.nn.functional.pad
        logits_p = pad(logits, (0, filled)).requires_grad_()
        found = compiled(logits_p, pad(targets, (0, filled)), pad(valid, (0, filled)))
        plain = logits.clone().requires_grad_()
        wanted = value(plain, targets, valid)
        torch.testing.assert_close(found, wanted)
        found.backward()
        wanted.backward()
        torch.testing.assert_close(logits_p.grad[:, :texts], plain.grad)
        assert logits_p.grad[:, texts:].abs().sum() == 0
    assert counter.frame_count <= 3  # once, and at most twice again


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("objective", ["mgll", "plan"])
def test_towers_compile_at_most_twice_again_and_train_as_they_do_without(
    objective, make_dataset, small_model, tmp_path, monkeypatch
):
    """Inductor on the CPU. The number of unique texts differs from step to step."""
    data, seen = [str(make_dataset())], {}
    real = loop.Log.scalars

    def scalars(self, step, values):
        texts = sum(value for name, value in values.items() if name.startswith("texts/"))
        seen.setdefault(self._folder.parent.name, []).append(
            (values["loss"], texts, counters["stats"]["unique_graphs"])
        )
        real(self, step, values)

    monkeypatch.setattr(loop.Log, "scalars", scalars)
    for name in ("compiled", "plain"):
        config = settings(small_model, steps=5, objective=objective, compile=name == "compiled", lr=1e-4)
        loop.pretrain(config, data, tmp_path / name)
    compiled, plain = (list(zip(*seen[name], strict=True)) for name in ("compiled", "plain"))
    torch.testing.assert_close(compiled[0], plain[0], rtol=1e-4, atol=1e-5)
    if objective == "mgll":
        assert len(set(compiled[1])) > 1
    assert compiled[2][0] > 0 and compiled[2][-1] - compiled[2][0] <= 2
