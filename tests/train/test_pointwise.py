"""The point-wise term against torch's binary cross entropy: masks, counts, digits, gradients."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from mgll_train.losses.pointwise import pointwise  # noqa: E402
from tests.train.test_losses import CLOSE, draw, single  # noqa: E402


def test_pointwise_is_bce_on_the_masked_multi_hot_matrix():
    logits, targets, valid = draw(7)
    expected = F.binary_cross_entropy_with_logits(logits[valid], targets[valid])
    torch.testing.assert_close(pointwise(logits, targets, valid), expected, **CLOSE)
    shifted = F.binary_cross_entropy_with_logits(logits[valid] - 2.5, targets[valid])
    torch.testing.assert_close(pointwise(logits, targets, valid, bias=-2.5), shifted, **CLOSE)


def test_pointwise_eq4_is_k_times_the_mean_and_counts_images_that_are_known():
    logits, targets, valid = draw(8)
    mean = pointwise(logits, targets)
    torch.testing.assert_close(pointwise(logits, targets, reduction="eq4"), 6 * mean, **CLOSE)
    valid[:3] = False
    expected = F.binary_cross_entropy_with_logits(logits[valid], targets[valid], reduction="sum") / 6
    torch.testing.assert_close(pointwise(logits, targets, valid, reduction="eq4"), expected, **CLOSE)


def test_pointwise_weighted_by_count_is_bce_over_all_pairs_of_samples():
    logits, targets, label = single(9)
    same = (label[:, None] == label[None]).double()
    expected = F.binary_cross_entropy_with_logits(logits[:, label], same)
    torch.testing.assert_close(pointwise(logits, targets, count_weighted=True), expected, **CLOSE)


def test_pointwise_weighted_by_count_leaves_unknown_pairs_out():
    logits, targets, valid = draw(13)
    valid[4, targets[4].argmax()] = False
    counts = (targets * valid).sum(0).expand(9, 6)
    each = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    expected = (each * counts)[valid].sum() / counts[valid].sum()
    torch.testing.assert_close(pointwise(logits, targets, valid, count_weighted=True), expected, **CLOSE)


def test_pointwise_targets_are_yes_or_no():
    logits, targets, valid = draw(14)
    shares = targets / targets.sum(1, keepdim=True)
    torch.testing.assert_close(pointwise(logits, shares, valid), pointwise(logits, targets, valid), **CLOSE)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "eq4"])
def test_gradcheck_pointwise(reduction, weighted):
    logits, targets, valid = draw(51, images=5, texts=4)
    bias = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)

    def run(x, b):
        return pointwise(x, targets, valid, reduction=reduction, count_weighted=weighted, bias=b)

    assert torch.autograd.gradcheck(run, (logits.requires_grad_(), bias))


def test_pointwise_in_fp32_keeps_the_digits_of_small_and_large_logits():
    """One pair at a time against fp64: softplus over forty powers of e, and its slope."""
    for z in torch.linspace(-60, 60, 241).tolist():
        for y in (0.0, 1.0):
            narrow = torch.tensor([[z]], requires_grad=True)
            wide = torch.tensor([[z]], dtype=torch.float64, requires_grad=True)
            loss = pointwise(narrow, torch.tensor([[y]]))
            exact = F.softplus(-wide if y else wide).sum()
            (slope,), (exact_slope,) = torch.autograd.grad(loss, narrow), torch.autograd.grad(exact, wide)
            # y z is taken off last, so what is left of it is as exact as z.
            assert abs(loss.item() - exact.item()) <= 1e-6 * exact.item() + (1e-6 * abs(z) if y else 0)
            assert abs(slope.item() - exact_slope.item()) <= 1e-6 * abs(exact_slope.item()) + (1e-7 if y else 0)
