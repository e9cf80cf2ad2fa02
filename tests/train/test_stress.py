"""Half precision and degenerate batches: losses close to those of fp32, and no NaN in 2,000 steps."""

from __future__ import annotations

import random

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")

from mgll_train import objectives  # noqa: E402
from mgll_train.batch import Sample  # noqa: E402
from tests.train.test_accumulate import NAMES, Step  # noqa: E402
from tests.train.test_local_objectives import FIRST, SECOND, batch_of, make  # noqa: E402


@pytest.mark.parametrize("name", NAMES)
def test_bf16_towers_at_logit_scale_100_are_within_a_hundredth_of_fp32(name):
    """The loss, of towers that run in bf16; and every term, where only the objective does: it is an island of fp32."""
    samples = [Sample(s.image.float(), s.meta, s.caption) for s in FIRST + SECOND]
    step = Step(name).float()
    with torch.no_grad():
        step.objective.logit_scale.fill_(objectives.LARGEST_LOG_SCALE)
        batch = batch_of(samples, step.objective)
        found = step.model(batch, local=step.objective.local)
        full = step.objective(found, batch)
        with torch.autocast("cpu", torch.bfloat16):
            half = step.objective(found, batch)
    assert half["loss"].dtype == torch.float32
    for key, value in full.items():
        torch.testing.assert_close(half[key], value, rtol=1e-2, atol=1e-4, msg=lambda m, k=key: f"{k}: {m}")
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        whole = step(batch)
    assert not torch.equal(whole["loss"], full["loss"]), "the towers must have run in bf16"
    assert abs(whole["loss"] - full["loss"]) < 1e-2 * full["loss"].abs()


def silent(number):
    sample = make(number, told=False)
    return Sample(sample.image, {**sample.meta, "texts": {}}, "")


def degenerate(number):
    """The samples of a step: one class, no label, a level that is absent, duplicates, one image, or an ordinary mix."""
    rng = random.Random(number)
    kind, size = number % 6, rng.randint(2, 6)
    if kind == 0:
        return [make(7)] * size
    if kind == 1:
        return [silent(rng.randrange(99)) for _ in range(size)]
    if kind == 2:
        chosen = [make(rng.randrange(99)) for _ in range(size)]
        return [Sample(s.image, {**s.meta, "texts": {"category": []}}, s.caption) for s in chosen]
    if kind == 3:
        return [make(rng.choice((3, 4))) for _ in range(size)]
    if kind == 4:
        return [make(rng.randrange(99))]
    return [make(rng.randrange(99)) for _ in range(size - 1)] + [silent(1)]


@pytest.mark.slow
def test_two_thousand_steps_of_degenerate_batches_in_bf16_stay_finite():
    """MGLL for 2,000 steps, its rivals for 200 each, at a learning rate that is too high."""
    batches: dict[tuple[str, ...], list] = {}
    for name in NAMES:
        step = Step(name).float()
        if step.objective.levels not in batches:
            chosen = [degenerate(number) for number in range(48)]
            batches[step.objective.levels] = [
                batch_of([Sample(s.image.float(), s.meta, s.caption) for s in samples], step.objective)
                for samples in chosen
            ]
        optimizer = torch.optim.AdamW(step.parameters(), lr=3e-3)
        steps = 2000 if name == "mgll" else 200
        for number in range(steps):
            step.objective.progress = number / steps
            batch = batches[step.objective.levels][(number * 7) % 48]
            with torch.autocast("cpu", torch.bfloat16):
                scalars = step(batch)
            assert not objectives.non_finite(scalars), (name, number)
            optimizer.zero_grad(set_to_none=True)
            scalars["loss"].backward()
            norm = torch.nn.utils.clip_grad_norm_(step.parameters(), 1.0)
            assert norm < 1e5, (name, number)
            optimizer.step()
            step.objective.clamp_()
        assert all(p.isfinite().all() for p in step.parameters()), name
