"""Objectives as the loop uses them: equality with open_clip, presets, precision, degenerate batches, names."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from mgll_train import objectives  # noqa: E402
from mgll_train.batch import Batch, LevelBatch  # noqa: E402
from mgll_train.errors import UserError  # noqa: E402
from mgll_train.losses.pointwise import pointwise  # noqa: E402
from mgll_train.losses.smooth_kl import smooth_kl  # noqa: E402
from mgll_train.losses.soft_clip import soft_clip  # noqa: E402
from mgll_train.model import Features, Widths  # noqa: E402

LEVELS = ("category", "diagnostic")


def level_batch(targets, valid=None):
    valid = torch.ones_like(targets, dtype=torch.bool) if valid is None else valid
    texts = targets.shape[1]
    ids, tokens = torch.arange(texts), torch.zeros(texts, 4, dtype=torch.int64)
    return LevelBatch(ids, tokens, *torch.zeros(2, texts, 1, dtype=torch.bool), targets > 0, targets.float(), valid)


def make(seed=0, images=10, texts=(4, 7), size=16, dtype=torch.float32):
    """Random features and a batch of two levels with at least one label a row."""
    generator = torch.Generator().manual_seed(seed)
    levels, text = {}, {}
    for name, count in zip(LEVELS, texts, strict=True):
        targets = (torch.rand(images, count, generator=generator) < 0.3).float()
        if count:
            targets[torch.arange(images), torch.randint(count, (images,), generator=generator)] = 1
        valid = (torch.rand(images, count, generator=generator) < 0.8) | (targets > 0)
        levels[name] = level_batch(targets, valid)
        text[name] = torch.randn(count, size, generator=generator, dtype=dtype).requires_grad_()
    image = torch.randn(images, size, generator=generator, dtype=dtype).requires_grad_()
    flags = torch.zeros(images, 1, dtype=torch.bool)
    batch = Batch(torch.zeros(images, 3, 2, 2), tuple("u" * images), flags, flags, levels, "mask")
    return Features(image, text), batch


def one_each(seed=1, images=12, size=16, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(images, size, generator=generator, dtype=dtype).requires_grad_()
    text = torch.randn(images, size, generator=generator, dtype=dtype).requires_grad_()
    flags = torch.zeros(images, 1, dtype=torch.bool)
    levels = {name: level_batch(torch.eye(images)) for name in ("diagnostic", "caption")}
    batch = Batch(torch.zeros(images, 3, 2, 2), tuple("u" * images), flags, flags, levels, "mask")
    return Features(image, {"diagnostic": text, "caption": text}), batch


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-9)])
@pytest.mark.parametrize("name", ["mgll", "clip"])
def test_one_unique_text_per_image_equals_open_clip(name, dtype, tolerance):
    open_clip = pytest.importorskip("open_clip")
    features, batch = one_each(dtype=dtype)
    options = {"weights": (1, 0, 0)} if name == "mgll" else {}
    objective = objectives.build(name, ["diagnostic"], **options).to(dtype)
    got = objective(features, batch)["loss"]
    image, text = F.normalize(features.image, dim=-1), F.normalize(features.text["caption"], dim=-1)
    expected = open_clip.ClipLoss()(image, text, objective.logit_scale.exp())
    assert abs(got - expected).item() < tolerance
    inputs = (features.image, features.text["caption"], objective.logit_scale)
    for mine, theirs in zip(torch.autograd.grad(got, inputs), torch.autograd.grad(expected, inputs), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=tolerance)


def test_siglip_equals_open_clip():
    loss = pytest.importorskip("open_clip.loss")
    features, batch = one_each(dtype=torch.float64)
    objective = objectives.build("siglip").double()
    got = objective(features, batch)["loss"]
    image, text = F.normalize(features.image, dim=-1), F.normalize(features.text["caption"], dim=-1)
    expected = loss.SigLipLoss()(image, text, objective.logit_scale.exp(), objective.bias)
    inputs = (features.image, features.text["caption"], objective.logit_scale, objective.bias)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-9)
    for mine, theirs in zip(torch.autograd.grad(got, inputs), torch.autograd.grad(expected, inputs), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-9)


def with_equal_captions(name):
    """Objective, its loss where images share captions, unit image and text features (n, D), captions' numbers (n,)."""
    features, batch = one_each(dtype=torch.float64)
    which = torch.tensor([0, 1, 1, 2, 3, 3, 3, 4, 5, 6, 6, 7])
    text = features.text["caption"][:8]
    batch.levels["caption"] = level_batch(F.one_hot(which, 8).double())
    objective = objectives.build(name).double()
    got = objective(Features(features.image, {"caption": text}), batch)["loss"]
    return objective, got, F.normalize(features.image, dim=-1), F.normalize(text[which], dim=-1), which


def test_clip_with_equal_captions_equals_open_clip():
    """Images that share a caption: CLIP counts them as each other's negatives, unique texts must give the same."""
    open_clip = pytest.importorskip("open_clip")
    objective, got, image, every, _ = with_equal_captions("clip")
    torch.testing.assert_close(got, open_clip.ClipLoss()(image, every, objective.logit_scale.exp()), rtol=0, atol=1e-9)


def test_siglip_with_equal_captions_is_a_decision_for_every_pair_of_samples():
    objective, got, image, every, which = with_equal_captions("siglip")
    logits = objective.logit_scale.exp() * image @ every.T + objective.bias
    signs = 2 * (which[:, None] == which).double() - 1
    torch.testing.assert_close(got, -F.logsigmoid(signs * logits).sum() / 12, rtol=0, atol=1e-9)


@pytest.mark.parametrize("preset", ["paper", "code"])
def test_presets_are_their_weighted_terms(preset):
    features, batch = make(dtype=torch.float64)
    kinds = torch.arange(10) % 2
    batch = replace(batch, modality=kinds)
    objective = objectives.build("mgll", LEVELS, preset=preset).double()
    image = F.normalize(features.image, dim=-1)
    logits = {g: image @ F.normalize(features.text[g], dim=-1).T / 0.07 for g in LEVELS}
    on = {g: (logits[g], batch.levels[g].Y.double(), batch.levels[g].valid) for g in LEVELS}
    contrast = sum(soft_clip(*on[g])[0] for g in LEVELS)
    pointwise_reduction, kl_weight = ("eq4", 1) if preset == "paper" else ("mean", 0.25)
    points = sum(pointwise(*on[g], reduction=pointwise_reduction) for g in LEVELS)
    agree = smooth_kl(list(logits.values()), [on[g][1] for g in LEVELS], kinds=kinds).loss
    expected = 0.5 * contrast + points + kl_weight * agree
    results = objective(features, batch)
    torch.testing.assert_close(results["loss"], expected, rtol=1e-6, atol=1e-6)
    assert results["loss"].requires_grad
    assert not any(value.requires_grad for name, value in results.items() if name != "loss")
    assert results["floor/loss"] <= results["loss"]


def test_reported_scalars():
    features, batch = make()
    results = objectives.build("mgll", LEVELS, bias=-3.0, pointwise_scale=10)(features, batch)
    assert all(value.dim() == 0 for value in results.values())
    expected = {"loss", "smooth_kl", "smooth_kl_of_targets", "unique_texts", "logit_scale", "pointwise_bias"}
    expected |= {"floor/loss", "pointwise_logit_scale"}
    for level in LEVELS:
        expected |= {f"soft_clip/{level}", f"pointwise/{level}", f"floor/soft_clip/{level}"}
        expected |= {f"positives_per_row/{level}", f"unknown_share/{level}", f"texts/{level}"}
        assert results[f"positives_per_row/{level}"].item() == pytest.approx(batch.levels[level].Y.sum(1).mean().item())
        unknown = (~batch.levels[level].valid).float().mean().item()
        assert results[f"unknown_share/{level}"].item() == pytest.approx(unknown)
    assert set(results) == expected
    assert results["unique_texts"] == 11
    assert results["logit_scale"].item() == pytest.approx(1 / 0.07)


def test_level_weights():
    features, batch = make()
    results = objectives.build("mgll", LEVELS, weights=(1, 0, 0), level_weights={"category": 3})(features, batch)
    expected = 3 * results["soft_clip/category"] + results["soft_clip/diagnostic"]
    torch.testing.assert_close(results["loss"].detach(), expected)
    assert not any(name.startswith(("pointwise", "smooth_kl")) for name in results)


def test_bias_and_own_scale_of_the_pointwise_term_learn():
    features, batch = make()
    objective = objectives.build("mgll", LEVELS, bias=-3.0, pointwise_scale=10)
    objective(features, batch)["loss"].backward()
    grads = {name: parameter.grad for name, parameter in objective.named_parameters()}
    assert set(grads) == {"logit_scale", "bias", "pointwise_logit_scale"}
    assert all(grad.abs() > 0 for grad in grads.values())


@pytest.mark.parametrize("terms", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 1, 1)])
def test_gradcheck(terms):
    features, batch = make(images=5, texts=(3, 4), size=3, dtype=torch.float64)
    objective = objectives.build("mgll", LEVELS, weights=terms, bias=-1.0).double()
    inputs = (features.image, *features.text.values(), *objective.parameters())

    def run(image, first, second, *_):
        return objective(Features(image, dict(zip(LEVELS, (first, second), strict=True))), batch)["loss"]

    assert torch.autograd.gradcheck(run, inputs)


def test_every_scale_and_order_of_features_gives_the_same_loss():
    features, batch = make(dtype=torch.float64)
    objective = objectives.build("mgll", LEVELS).double()
    before = objective(features, batch)["loss"]
    louder = Features(features.image * 37, {g: t * 0.01 for g, t in features.text.items()})
    torch.testing.assert_close(objective(louder, batch)["loss"], before, rtol=1e-9, atol=1e-9)
    swapped = objectives.build("mgll", LEVELS[::-1]).double()
    torch.testing.assert_close(swapped(features, batch)["loss"], before, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("case", ["no label", "empty level", "no text at all", "one image", "one text", "zero feature"])
@pytest.mark.parametrize("preset", ["paper", "code"])
def test_degenerate_batches_have_finite_loss_and_gradients(case, preset):
    features, batch = make(
        images=1 if case == "one image" else 10,
        texts={"empty level": (0, 7), "no text at all": (0, 0), "one text": (1, 1)}.get(case, (4, 7)),
    )
    if case == "no label":
        for name, level in batch.levels.items():
            batch.levels[name] = level_batch(torch.zeros_like(level.Y), torch.zeros_like(level.valid))
    if case == "zero feature":
        features.image.data[3] = 0
    objective = objectives.build("mgll", LEVELS, preset=preset, bias=-2.0)
    with torch.autograd.set_detect_anomaly(True):
        results = objective(features, batch)
        results["loss"].backward()
    assert objectives.non_finite(results) == []
    for parameter in [features.image, *features.text.values(), *objective.parameters()]:
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_leaves_the_loss_in_fp32(dtype):
    """Features that a low precision tower gave, scale 100: same loss inside autocast and outside, close to fp32."""
    features, batch = make(images=64, texts=(12, 40), size=128)
    objective = objectives.build("mgll", LEVELS, temperature=0.01)
    exact = objective(features, batch)["loss"]
    low = Features(features.image.to(dtype), {g: t.to(dtype) for g, t in features.text.items()})
    with torch.autocast("cpu", dtype=dtype):
        inside = objective(low, batch)["loss"]
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, objective(low, batch)["loss"], rtol=0, atol=0)
    assert (inside - exact).abs() / exact < 1e-2


@pytest.mark.parametrize(
    ("weights", "term"),
    [((1, 0, 0), "soft_clip/diagnostic"), ((0, 1, 0), "pointwise/diagnostic"), ((0, 0, 1), "smooth_kl")],
)
def test_a_feature_that_is_not_finite_reaches_the_loss_through_every_term(weights, term):
    features, batch = make()
    objective = objectives.build("mgll", LEVELS, weights=weights)
    assert objectives.non_finite(objective(features, batch)) == []
    features.image.data[2, 0] = math.nan
    assert {"loss", term} <= set(objectives.non_finite(objective(features, batch)))


def test_clamp_keeps_the_scale_between_1_and_100():
    objective = objectives.build("mgll", LEVELS, pointwise_scale=10)
    for value, kept in ((9.0, 100.0), (-1.0, 1.0), (2.0, math.exp(2))):
        for parameter in objective.parameters():
            parameter.data.fill_(value)
        objective.clamp_()
        assert [p.exp().item() for p in objective.parameters()] == pytest.approx([kept, kept])


def test_names_and_near_misses():
    assert {"clip", "mgll"} <= set(objectives.names())
    with pytest.raises(UserError, match=r"'mgl'.*did you mean 'mgll'"):
        objectives.build("mgl", LEVELS)
    with pytest.raises(UserError, match=r"'temprature'.*did you mean 'temperature'"):
        objectives.build("clip", temprature=0.1)
    for options in ({"preset": "papr"}, {"weights": (1, 1)}, {"weights": (0, 0, 0)}, {"temperature": 7}):
        with pytest.raises(UserError):
            objectives.build("mgll", LEVELS, **options)
    with pytest.raises(UserError, match="study"):
        objectives.build("mgll", LEVELS, level_weights={"study": 2})
    with pytest.raises(UserError) as error:
        objectives.build("mgll", LEVELS, weights="no", norm="both", count_weighted=1, bias=0.5)
    assert error.value.problems == (
        "options of objective mgll: weights is 'no', which is not a list such as [2, 1]",
        "options of objective mgll: norm is 'both', which is not one of images, labels",
        "options of objective mgll: count_weighted is 1, which is not true or false",
    )
    for name, options in (
        ("mgll", {"weights": [1, math.nan, 0]}),
        ("mgll", {"level_weights": {"category": -1}}),
        ("mgll", {"level_weights": {"category": "much"}}),
        ("mgll", {"bias": math.nan}),
        ("siglip", {"bias": math.inf}),
        ("plan", {"local_temperature": 0}),
        ("plan", {"local_weight": -1}),
        ("plan", {"keep": [0.5, 1.0, 1.0]}),
        ("mgca", {"epsilon": 0}),
        ("mgca", {"prototype_temperature": -1}),
        ("mlip", {"dropout": 1}),
        ("mlip", {"knowledge": "study"}),
    ):
        with pytest.raises(UserError, match=f"options of objective {name}: .*{next(iter(options))}"):
            objectives.build(name, LEVELS, widths=lambda: Widths(8, 8, 8), **options)
    assert objectives.build("clip", LEVELS).levels == ("caption",)
    assert objectives.build("mgll", list(LEVELS)).levels == LEVELS
