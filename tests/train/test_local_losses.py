"""Losses on patches, words and prototypes: padding and order change nothing, the log domain equals the linear one."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from mgll_train.losses.mining import draw_negatives, uniform  # noqa: E402
from mgll_train.losses.sequence import attend, mean_over_samples, sequence_nce  # noqa: E402
from mgll_train.losses.sinkhorn import sinkhorn, swapped_prediction  # noqa: E402
from mgll_train.objectives.mgca import token_alignment  # noqa: E402
from mgll_train.objectives.plan import best_words, gate_weight, sparse_shares  # noqa: E402


def random_unit(*shape, seed=0):
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=-1)


def pairs(seed=0, samples=4, patches=6, words=5, width=8):
    mask = torch.arange(words)[None] < torch.tensor([5, 3, 1, 0])[:samples, None]
    return random_unit(samples, patches, width, seed=seed), random_unit(samples, words, width, seed=seed + 1), mask


def test_token_alignment_is_the_plain_form_of_each_sample():
    """Against loops over one sample's real words, with no padding and no masks."""
    patches, words, mask = pairs()
    expected = []
    for x, y, m in zip(patches, words, mask, strict=True):
        y = y[m]
        if not len(y):
            continue
        total = 0
        for queries, keys in ((y, x), (x, y)):
            answers = F.normalize(torch.softmax(queries @ keys.T / 0.1, 1) @ keys, dim=1)
            logits = queries @ answers.T / 0.1
            target = torch.arange(len(queries))
            total = total + (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        expected.append(total)
    got = token_alignment(patches, words, mask, 0.1)
    torch.testing.assert_close(got, torch.stack(expected).mean(), rtol=0, atol=1e-10)


def test_padding_and_order_change_nothing_and_a_batch_is_its_samples():
    patches, words, mask = pairs()
    base = token_alignment(patches, words, mask, 0.1)
    garbage = torch.cat([words, 100 * torch.ones(4, 3, 8, dtype=torch.float64)], 1)
    longer = token_alignment(patches, garbage, F.pad(mask, (0, 3)), 0.1)
    order, places = torch.tensor([2, 0, 3, 1]), torch.tensor([5, 2, 0, 4, 1, 3])
    moved = token_alignment(patches[order][:, places], words[order], mask[order], 0.1)
    single = torch.stack(
        [token_alignment(patches[i : i + 1], words[i : i + 1], mask[i : i + 1], 0.1) for i in range(3)]
    )
    for other in (longer, moved, single.mean()):
        torch.testing.assert_close(other, base, rtol=0, atol=1e-10)


def test_degenerate_sequences_are_finite_and_count_nothing():
    patches, words, mask = pairs()
    patches.requires_grad_(), words.requires_grad_()
    nothing = token_alignment(patches, words, torch.zeros_like(mask), 0.1)
    nothing.backward()
    assert nothing == 0 and patches.grad.isfinite().all() and words.grad.abs().sum() == 0
    one = sequence_nce(words[2:3], words[2:3], mask[2:3], mask[2:3].double(), 0.1)
    torch.testing.assert_close(one.detach(), torch.zeros(1, dtype=torch.float64))
    assert attend(words, words, torch.zeros_like(mask), 0.1).abs().sum() == 0
    assert mean_over_samples(torch.ones(3), torch.zeros(3, dtype=torch.bool)) == 0


def test_sequence_terms_have_right_gradients():
    patches, words, mask = pairs(samples=2, patches=3, words=3, width=4)
    mask = mask[:, :3]
    assert torch.autograd.gradcheck(
        lambda x, y: token_alignment(x, y, mask, 0.3), (patches.requires_grad_(), words.requires_grad_())
    )


def test_sinkhorn_in_logs_equals_the_linear_form():
    scores = random_unit(12, 8) @ random_unit(5, 8, seed=1).T
    codes = torch.exp(scores / 0.05)
    for _ in range(3):
        codes = codes / codes.sum(0, keepdim=True)
        codes = codes / codes.sum(1, keepdim=True)
    torch.testing.assert_close(sinkhorn(scores), codes, rtol=0, atol=1e-12)


def test_codes_are_balanced_carry_no_gradient_and_stay_finite_where_the_linear_form_overflows():
    scores = (random_unit(40, 8) @ random_unit(5, 8, seed=1).T).requires_grad_()
    codes = sinkhorn(scores, iterations=200)
    assert not codes.requires_grad
    torch.testing.assert_close(codes.sum(1), torch.ones(40, dtype=torch.float64))
    torch.testing.assert_close(codes.sum(0), torch.full((5,), 8.0, dtype=torch.float64), rtol=1e-3, atol=1e-3)
    assert sinkhorn(torch.full((4, 3), 200.0)).isfinite().all()
    assert swapped_prediction(random_unit(6, 4), random_unit(6, 4, seed=2), random_unit(3, 4, seed=3)).isfinite()


def test_sparse_shares_sum_to_one_and_do_not_see_affine_maps():
    similarity = torch.randn(2, 3, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    shares = sparse_shares(similarity, 0.5)
    torch.testing.assert_close(shares.sum(2), torch.ones(2, 3, dtype=torch.float64))
    torch.testing.assert_close(sparse_shares(3 * similarity + 2, 0.5), shares)
    assert 0.3 < (shares > 0).double().mean() < 0.7
    assert (sparse_shares(similarity) > 0).double().mean() > 0.9
    flat = torch.ones(1, 2, 4, dtype=torch.float64, requires_grad=True)
    torch.testing.assert_close(sparse_shares(flat), torch.full((1, 2, 4), 0.25, dtype=torch.float64))
    (shares.square().sum() + sparse_shares(flat).square().sum()).backward()
    assert similarity.grad.isfinite().all() and flat.grad.isfinite().all()
    assert (similarity.grad.abs() > 0)[shares > 0].all()


def test_words_are_dropped_from_the_worst_and_gates_follow_the_match():
    match = torch.tensor([[0.1, 0.9, 0.5, 0.7], [0.3, 0.2, 9.0, 9.0]])
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    kept = [best_words(match, mask, mask.sum(1, keepdim=True) * share) for share in (1.0, 0.75, 0.5)]
    assert kept[0].equal(mask)
    assert kept[1].tolist() == [[False, True, True, True], [True, True, False, False]]
    assert kept[2].tolist() == [[False, True, False, True], [True, False, False, False]]
    gates = gate_weight(match, mask)
    assert gates[0].argsort().tolist() == match[0].argsort().tolist() and gates[1, 2:].tolist() == [0, 0]


def test_negatives_are_never_forbidden_follow_the_scores_and_do_not_see_their_place():
    rows, columns = torch.arange(50), torch.arange(100, 130)
    scores = torch.zeros(50, 30)
    scores[:, 7] = 6.0
    forbidden = torch.rand(50, 30, generator=torch.Generator().manual_seed(0)) < 0.5
    forbidden[3], forbidden[:, 7] = True, False
    forbidden[3] = True
    drawn = draw_negatives(scores, forbidden, rows, columns)
    assert drawn[3] == -1
    others = torch.arange(50) != 3
    assert not forbidden[others, drawn[others]].any()
    assert (drawn == 7).sum() > 35
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    again = draw_negatives(scores[:, order], forbidden[:, order], rows, columns[order])
    assert torch.equal(columns[order][again[others]], columns[drawn[others]])
    assert draw_negatives(scores[:, :0], forbidden[:, :0], rows, columns[:0]).eq(-1).all()


def test_hashed_numbers_are_uniform_and_depend_on_both_ids():
    numbers = uniform(torch.arange(300)[:, None], torch.arange(300)[None])
    assert numbers.min() > 0 and numbers.max() < 1 and numbers.unique().numel() == 90_000
    counts = torch.histc(numbers, 20, 0, 1)
    assert (counts - 4500).abs().max() < 450
    assert abs(torch.corrcoef(numbers[:2])[0, 1]) < 0.2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_not_hidden(value):
    """Each term by itself: in a whole loss another term would show it too."""
    patches, words, mask = pairs()
    image, text, directions = random_unit(7, 8), random_unit(7, 8, seed=1), random_unit(4, 8, seed=2)
    losses = torch.tensor([1.0, value, 2.0])
    assert not mean_over_samples(losses, torch.ones(3, dtype=torch.bool)).isfinite()
    for broken in (patches, words, image, text, directions):
        kept = broken.clone()
        broken.view(-1)[3] = value
        if broken is patches or broken is words:
            assert not token_alignment(patches, words, mask, 0.1).isfinite()
        else:
            assert not swapped_prediction(image, text, directions).isfinite()
        broken.copy_(kept)
    assert token_alignment(patches, words, mask, 0.1).isfinite()
    assert swapped_prediction(image, text, directions).isfinite()
