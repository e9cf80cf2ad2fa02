"""The terms of MGCA and PLAN as loops over samples and words: values, gradients, and what counts as a match."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")

import torch.nn.functional as F  # noqa: E402

from mgll_train.batch import CAPTION  # noqa: E402
from mgll_train.losses.sequence import sequence_nce  # noqa: E402
from mgll_train.losses.sinkhorn import swapped_prediction  # noqa: E402
from mgll_train.losses.soft_clip import soft_clip  # noqa: E402
from mgll_train.objectives.mgca import token_alignment  # noqa: E402
from tests.train.test_local_losses import pairs, random_unit  # noqa: E402
from tests.train.test_local_objectives import FIRST, SECOND, Step, batch_of  # noqa: E402

EXACT = {"rtol": 0, "atol": 1e-10}
SAMPLES = FIRST + SECOND


def linear_codes(scores, epsilon=0.05):
    """Sinkhorn-Knopp in numbers, not logarithms (arXiv:2006.09882, Alg. 1)."""
    codes = torch.exp(scores / epsilon)
    for _ in range(3):
        codes = codes / codes.sum(0)
        codes = codes / codes.sum(1, keepdim=True)
    return codes.detach()


@pytest.mark.parametrize("epsilon", [0.05, 0.3])
def test_each_side_predicts_the_code_of_the_other(epsilon):
    image, text, directions = random_unit(7, 8), random_unit(7, 8, seed=1), random_unit(4, 8, seed=2)
    seen, told = linear_codes(image @ directions.T, epsilon), linear_codes(text @ directions.T, epsilon)
    expected = 0
    for i in range(7):
        of_image, of_text = (torch.softmax(x[i] @ directions.T / 0.2, 0) for x in (image, text))
        expected -= sum(told[i, k] * of_image[k].log() + seen[i, k] * of_text[k].log() for k in range(4)) / 2
    torch.testing.assert_close(swapped_prediction(image, text, directions, epsilon=epsilon), expected / 7, **EXACT)


def test_mgca_aligns_each_image_with_its_own_caption_and_weighs_its_terms():
    step = Step("mgca", weights=(0.5, 2.0, 3.0), epsilon=0.3)
    objective, batch = step.objective, batch_of(SAMPLES, step.objective)
    assert not objective.logit_scale.requires_grad
    got = step(batch)
    features = step.model(batch, local=True)
    image, text = objective.heads.pooled(features.image, features.text[CAPTION])
    own = batch.levels[CAPTION].own.double()
    mine = torch.stack([text[row.argmax()] for row in own])
    directions = F.normalize(objective.prototypes, dim=1)
    expected = {
        "ita": 2 * soft_clip(image @ text.T / 0.07, own)[0],
        "cta": token_alignment(*objective.heads.local(features), 0.1),
        "cpa": swapped_prediction(image, mine, directions, epsilon=0.3),
    }
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value.detach(), rtol=0, atol=1e-6)  # the scale is held in fp32
    whole = 0.5 * got["ita"] + 2 * got["cta"] + 3 * got["cpa"]
    torch.testing.assert_close(got["loss"].detach(), whole, **EXACT)


def test_plan_weighs_its_local_term():
    step = Step("plan", local_weight=0.5)
    got = step(batch_of(SAMPLES, step.objective))
    torch.testing.assert_close(got["loss"].detach(), got["clip"] + 0.5 * got["local"], **EXACT)


def plan_by_hand(patches, words, mask, keep):
    losses = []
    for x, everything, m in zip(patches, words, mask, strict=True):
        y = everything[m]
        if not len(y):
            continue
        similarity, kept, loss = y @ x.T, list(range(len(y))), 0
        for share in keep:
            regions = []
            for row in similarity:
                stretched = (row - row.min()) / (row.max() - row.min())
                cut = torch.where(stretched >= 0.5, stretched, 0.0)
                regions.append(F.normalize((cut / cut.sum()) @ x, dim=0))
            regions = torch.stack(regions)
            match = (y * regions).sum(1).detach()
            kept = sorted(sorted(kept, key=lambda i: -match[i])[: math.ceil(share * len(y))])
            gates = torch.sigmoid((match - match.mean()) / 0.1)[kept]
            logits = y[kept] @ regions[kept].T / 0.1
            target = torch.arange(len(kept))
            each = F.cross_entropy(logits, target, reduction="none") + F.cross_entropy(
                logits.T, target, reduction="none"
            )
            loss = loss + (gates / gates.sum() * each).sum() / 2 / len(keep)
            y = F.normalize(y + regions, dim=1)
            similarity = (similarity + y @ x.T) / 2
        losses.append(loss)
    return torch.stack(losses).mean()


def test_plan_in_three_stages_is_the_loop_with_its_gradients():
    patches, words, mask = pairs(words=5)
    leaves = patches.requires_grad_(), words.requires_grad_()
    keep = (1.0, 0.75, 0.3)
    expected = torch.autograd.grad(value := plan_by_hand(patches, words, mask, keep), leaves)
    got = Step("plan", keep=keep).objective._local(patches, words, mask, 3)
    torch.testing.assert_close(got, value, **EXACT)
    for one, other in zip(torch.autograd.grad(got, leaves), expected, strict=True):
        torch.testing.assert_close(one, other, **EXACT)


def test_a_word_that_was_left_out_does_not_come_back(monkeypatch):
    chosen = []
    real = sequence_nce

    def watched(words, regions, kept, weight, temperature):
        chosen.append(kept)
        return real(words, regions, kept, weight, temperature)

    monkeypatch.setattr("mgll_train.objectives.plan.sequence_nce", watched)
    patches, words, _ = random_unit(60, 9, 8), random_unit(60, 7, 8, seed=1), None
    mask = torch.ones(60, 7, dtype=torch.bool)
    Step("plan").objective._local(patches, words, mask, 3)
    assert [int(kept.sum()) for kept in chosen] == [60 * 7, 60 * 6, 60 * 4]
    assert not (chosen[1] & ~chosen[0]).any() and not (chosen[2] & ~chosen[1]).any()
