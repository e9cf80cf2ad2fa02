"""The smooth KL term against loops over samples: Jensen-Shannon over the samples of a kind."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from mgll_train.losses.smooth_kl import smooth_kl  # noqa: E402
from tests.train.test_losses import CLOSE, draw  # noqa: E402


def by_samples(logits, targets):
    """Smooth KL in its plain form: N x N, one column a sample. Also G times the Jensen-Shannon divergence."""
    probabilities = []
    for matrix, labels in zip(logits, targets, strict=True):
        mean = labels / labels.sum(1, keepdim=True)
        probabilities.append((matrix @ mean.T).softmax(1))
    mixture = torch.stack(probabilities).mean(0)
    kl = sum((p * (p / mixture).log()).sum(1) for p in probabilities).mean()

    def entropy(p):
        return -torch.xlogy(p, p).sum(1).mean()

    jensen_shannon = entropy(mixture) - sum(entropy(p) for p in probabilities) / len(probabilities)
    return kl, len(probabilities) * jensen_shannon


@pytest.mark.parametrize("levels", [2, 3])
def test_smooth_kl_is_g_times_jensen_shannon_over_samples(levels):
    drawn = [draw(20 + g, images=12, texts=3 + g) for g in range(levels)]
    for _, targets, _ in drawn:
        targets[5] = targets[2]  # equal tuples, so that lumping has work to do
        targets[7] = targets[2]
    logits, targets = [d[0] for d in drawn], [d[1] for d in drawn]
    kl, divergence = by_samples(logits, targets)
    term = smooth_kl(logits, targets)
    torch.testing.assert_close(term.loss, kl, **CLOSE)
    torch.testing.assert_close(term.loss, divergence, **CLOSE)
    torch.testing.assert_close(smooth_kl(logits, targets, reduction="mean").loss, kl / levels, **CLOSE)
    assert 0 < term.loss <= levels * math.log(levels)


@pytest.mark.parametrize("most", [1, 2])
def test_smooth_kl_over_many_texts_of_which_an_image_carries_few(most):
    """Columns are picked instead of multiplied: one label an image, and one or two."""
    generator = torch.Generator().manual_seed(most)
    logits = [torch.randn(12, texts, generator=generator, dtype=torch.float64) for texts in (40, 48)]
    targets = [torch.zeros_like(matrix) for matrix in logits]
    for matrix in targets:
        for i in range(12):
            matrix[i, torch.randperm(matrix.shape[1], generator=generator)[: 1 + i % most]] = 1
        matrix[7] = matrix[3]
    torch.testing.assert_close(smooth_kl(logits, targets).loss, by_samples(logits, targets)[0], **CLOSE)


def test_smooth_kl_is_zero_for_equal_levels_and_g_log_g_for_disjoint_ones():
    logits, targets, _ = draw(30)
    assert smooth_kl([logits, logits, logits], [targets] * 3).loss.item() == pytest.approx(0, abs=1e-12)
    eye = torch.eye(6, dtype=torch.float64)
    apart = [1000 * eye.roll(shift, 1) for shift in range(3)]
    term = smooth_kl(apart, [eye] * 3)
    assert term.loss.item() == pytest.approx(3 * math.log(3), abs=1e-9)
    assert term.of_targets.item() == pytest.approx(0, abs=1e-12)


def test_smooth_kl_of_targets_is_the_term_at_the_soft_clip_optimum():
    """Coarse and fine single labels: features that separate the classes of each level perfectly."""
    coarse = F.one_hot(torch.tensor([0, 0, 0, 1, 1, 1]), 2).double()
    fine = F.one_hot(torch.tensor([0, 0, 1, 2, 2, 3]), 4).double()
    term = smooth_kl([1000 * coarse, 1000 * fine], [coarse, fine])
    assert term.of_targets > 0.1
    torch.testing.assert_close(term.loss, term.of_targets, **CLOSE)


def test_smooth_kl_leaves_out_samples_without_every_level():
    first, second = draw(31), draw(32)
    second[1][[1, 4]] = 0
    kept = [i for i in range(9) if i not in (1, 4)]
    whole = smooth_kl([first[0], second[0]], [first[1], second[1]])
    part = smooth_kl([first[0][kept], second[0][kept]], [first[1][kept], second[1][kept]])
    torch.testing.assert_close(whole.loss, part.loss, **CLOSE)


@pytest.mark.parametrize("levels", [2, 3])
def test_gradcheck_smooth_kl(levels):
    drawn = [draw(52 + g, images=5, texts=4 - g) for g in range(levels)]
    leaves = tuple(logits.requires_grad_() for logits, _, _ in drawn)
    targets = [matrix for _, matrix, _ in drawn]
    assert torch.autograd.gradcheck(lambda *logits: smooth_kl(logits, targets).loss, leaves)


def test_smooth_kl_counts_every_kind_of_image_with_the_levels_it_has():
    """Photographs have no view: they must not fall out because chest films beside them have one."""
    first, second, third = draw(61), draw(62), draw(63)
    images = len(first[0])
    nothing = torch.zeros_like(second[1])
    film = [(x, y) for x, y, _ in (first, second, third)]
    photograph = [first[:2], (second[0], nothing), third[:2]]
    both_logits = [torch.cat([a[0], b[0]]) for a, b in zip(film, photograph, strict=True)]
    both_targets = [torch.cat([a[1], b[1]]) for a, b in zip(film, photograph, strict=True)]
    kinds = torch.tensor([0] * images + [1] * images)
    apart = smooth_kl(both_logits, both_targets, kinds=kinds).loss
    films = smooth_kl([x for x, _ in film], [y for _, y in film]).loss
    photographs = smooth_kl([first[0], third[0]], [first[1], third[1]]).loss
    complete = [
        int(torch.stack([y.bool().any(1) for _, y in part]).all(0).sum()) for part in (film, [first[:2], third[:2]])
    ]
    expected = (films * complete[0] + photographs * complete[1]) / sum(complete)
    torch.testing.assert_close(apart, expected, **CLOSE)
    together = smooth_kl(both_logits, both_targets).loss
    torch.testing.assert_close(together, films, **CLOSE)
