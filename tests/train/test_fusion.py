"""The modules of MLIP's reading keep the properties that their names promise."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from mgll_train.fusion import Divergence, Tucker, divergence_band, swap_plan, swap_words  # noqa: E402


def test_tucker_fusion_is_linear_in_each_of_three_vectors():
    torch.manual_seed(0)
    fuse = Tucker(6, (3, 4, 5)).double()
    v, t, k, other = torch.randn(4, 2, 6, dtype=torch.float64)
    for place in range(3):
        inputs = [v, t, k]
        base = fuse(*inputs)
        inputs[place] = 2.5 * inputs[place] + other
        changed = fuse(*inputs)
        inputs[place] = other
        torch.testing.assert_close(changed, 2.5 * base + fuse(*inputs))


def test_divergence_costs_nothing_inside_its_band_and_grows_outside():
    own = F.normalize(torch.randn(1, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    across = torch.randn(1, 8, generator=torch.Generator().manual_seed(1))
    across = F.normalize(across - (across * own).sum() * own, dim=1)

    def at(cosine):
        return divergence_band(cosine * own + (1 - cosine**2) ** 0.5 * across, own).item()

    assert [round(at(c), 5) for c in (1.0, 0.95, 0.8, 0.6, 0.1)] == [0.05, 0, 0, 0, 0.5]
    moved = Divergence(8, 0.0)(own)
    torch.testing.assert_close(moved.norm(dim=1), torch.ones(1))


def test_half_of_the_reports_have_a_fifth_to_a_half_of_their_words_swapped_in_one_run():
    count = torch.arange(2000) % 20
    mask = (torch.arange(24)[None] >= 1) & (torch.arange(24)[None] <= count[:, None])
    partners = torch.where(torch.arange(2000) % 10 == 0, -1, 0)
    replaced, index = swap_plan(mask, torch.arange(2000), partners)
    swapped = replaced.any(1)
    free = (partners >= 0) & (count > 0)
    assert not swapped[~free].any() and 0.45 < swapped[free].double().mean() < 0.55
    assert not (replaced & ~mask).any()
    share = replaced.sum(1)[swapped] / count[swapped]
    assert (replaced.sum(1)[swapped] <= (count[swapped] * 0.5).ceil()).all() and (share >= 0.2).all()
    long = share[count[swapped] >= 15]
    assert long.min() < 0.25 and 0.33 < long.mean() < 0.42 and long.max() > 0.45
    edges = (replaced[:, 1:] != replaced[:, :-1]).sum(1)
    assert (edges[swapped] <= 2).all(), "one run of words"
    assert index[5, 1:6].tolist() == [0, 1, 2, 3, 4]


def test_swapped_words_come_from_the_partner_and_the_others_stay():
    words = torch.randn(40, 6, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(40, 6, dtype=torch.bool)
    others = torch.full((1, 8, 3), 7.0)
    others[0, 3:5] = 5.0
    found = torch.zeros(1, 8, dtype=torch.bool)
    found[0, 3:5] = True
    mixed = swap_words(words, mask, torch.arange(40), torch.zeros(40, dtype=torch.int64), others, found)
    changed = (mixed != words).any(2)
    assert changed.any() and (mixed[changed] == 5.0).all()
    silent = swap_words(words, mask, torch.arange(40), torch.zeros(40, dtype=torch.int64), others, ~found & False)
    assert torch.equal(silent, words)
