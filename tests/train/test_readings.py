"""MLIP and PLAN, our readings: what is published is matched, what is ours has the properties that it was given."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")

import torch.nn.functional as F  # noqa: E402

from mgll_train.batch import CAPTION, LevelBatch  # noqa: E402
from mgll_train.objectives import mlip, plan  # noqa: E402
from tests.train.test_local_losses import pairs, random_unit  # noqa: E402
from tests.train.test_local_objectives import FIRST, SECOND, Step, batch_of, entry, make  # noqa: E402


def test_plan_with_one_stage_and_no_gate_is_the_fine_grained_loss_of_sparc():
    """arXiv:2401.09865, Eq. 2-7, as a loop over samples and words."""
    patches, words, mask = pairs()
    expected = []
    for x, y, m in zip(patches, words, mask, strict=True):
        y = y[m]
        if not len(y):
            continue
        regions = []
        for word in y:
            s = x @ word
            s = (s - s.min()) / (s.max() - s.min())
            s = torch.where(s >= 1 / len(x), s, 0.0)
            regions.append(F.normalize((s / s.sum()) @ x, dim=0))
        logits = y @ torch.stack(regions).T / 0.1
        target = torch.arange(len(y))
        expected.append((F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2)
    objective = Step("plan", stages=1, gate=False, threshold=None).objective
    got = objective._local(patches, words, mask, 1)
    torch.testing.assert_close(got, torch.stack(expected).mean(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("stages", [1, 3])
def test_plan_does_not_see_padding_nor_the_order_of_patches(stages):
    patches, words, mask = pairs()
    objective = Step("plan").objective
    base = objective._local(patches, words, mask, stages)
    garbage = torch.cat([words, random_unit(4, 3, 8, seed=9)], 1)
    longer = objective._local(patches, garbage, F.pad(mask, (0, 3)), stages)
    moved = objective._local(patches[:, torch.tensor([5, 2, 0, 4, 1, 3])], words, mask, stages)
    for other in (longer, moved):
        torch.testing.assert_close(other, base, rtol=0, atol=1e-10)


def test_grounding_is_the_grid_of_shares_scaled_up():
    shares = plan.sparse_shares(torch.randn(2, 3, 16, dtype=torch.float64), 0.5)
    maps = plan.grounding(shares, (4, 4))
    torch.testing.assert_close(maps, (shares / shares.amax(2, keepdim=True)).reshape(2, 3, 4, 4))
    large = plan.grounding(shares, (64, 32))
    assert large.shape == (2, 3, 64, 32) and large.min() >= 0 and large.max() <= 1
    brightest = large.flatten(2).argmax(2)
    cell = torch.stack([brightest // 32 // 16, brightest % 32 // 8])
    assert torch.equal(cell[0] * 4 + cell[1], shares.argmax(2))
    with pytest.raises(ValueError, match="15 patches"):
        plan.grounding(shares[:, :, :15], (4, 4))


def permuted(level: LevelBatch, order: torch.Tensor) -> LevelBatch:
    columns = {name: getattr(level, name)[order] for name in ("text_ids", "tokens", "concepts", "about")}
    return LevelBatch(**columns, **{name: getattr(level, name)[:, order] for name in ("own", "Y", "valid")})


def test_mlip_does_not_see_the_order_of_the_knowledge():
    step = Step("mlip")
    batch = batch_of(FIRST + SECOND, step.objective)
    level = batch.levels["explanatory"]
    assert level.own.sum(1).max() > 1
    order = torch.arange(len(level.text_ids)).flip(0)
    moved = replace(batch, levels={**batch.levels, "explanatory": permuted(level, order)})
    base, other = step(batch), step(moved)
    for key, value in base.items():
        torch.testing.assert_close(other[key], value, rtol=1e-9, atol=1e-9, msg=lambda m, k=key: f"{k}: {m}")


def test_mlip_matches_every_pair_with_one_text_and_one_image_that_tell_something_else():
    step = Step("mlip")
    batch = batch_of(FIRST + SECOND, step.objective)
    asked = []
    step.objective.match.register_forward_hook(lambda module, given, result: asked.append(given))
    step(batch)
    n = len(batch.uids)
    assert [len(image) for image, _ in asked] == [n, n, n]  # 1 of a kind to 2 of the other, where they are legal
    (image, own_text), (same_image, hard_text), (hard_image, same_text) = asked
    assert torch.equal(image, same_image) and torch.equal(own_text, same_text)
    sets = mlip._label_sets(batch.present)
    carried = batch.levels[CAPTION].own.int().argmax(1)
    differs = [[a != b and bool(sets[i] != sets[j]) for j, b in enumerate(carried)] for i, a in enumerate(carried)]
    for i in range(n):
        texts = [j for j in range(n) if torch.equal(own_text[j], hard_text[i])]
        images = [j for j in range(n) if torch.equal(image[j], hard_image[i])]
        assert any(differs[i][j] for j in texts) and any(differs[i][j] for j in images)


def telling(number, concepts, caption):
    """A sample that tells these concepts and carries this caption."""
    one = make(number)
    texts = {"category": [], "explanatory": [entry("explanatory", f"about {c}", [c]) for c in concepts]}
    states = {"present": concepts, "absent": [], "uncertain": []}
    return replace(one, meta={**one.meta, "concepts": states, "texts": texts}, caption=caption)


def test_mlip_mines_no_image_that_tells_the_same_as_another_carrier_of_the_caption(monkeypatch):
    """Images 0 and 1 share a caption and tell different things: image 2 tells the same as image 1, so it fits both."""
    told = ("fundus.c0", "fundus.c1", "fundus.c1", "fundus.c2")
    captions = ("dot bar", "dot bar", "ring edge", "spot line")
    step, chosen = Step("mlip"), []
    real = mlip.draw_negatives
    monkeypatch.setattr(mlip, "draw_negatives", lambda *given: chosen.append(real(*given)) or chosen[-1])
    for seed in range(20):
        samples = [telling(100 + 4 * seed + i, [c], captions[i]) for i, c in enumerate(told)]
        batch = batch_of(samples, step.objective)
        chosen.clear()
        step(batch)
        carried = batch.levels[CAPTION].own.int().argmax(1).tolist()
        of_caption = [{told[j] for j in range(4) if carried[j] == k} for k in range(3)]
        hard_text, hard_image = chosen[:2]
        assert min(hard_text.tolist()) >= 0 and min(hard_image.tolist()) >= 0
        for i in range(4):
            assert told[i] not in of_caption[hard_text[i]]
            assert told[hard_image[i]] not in of_caption[carried[i]]
