"""The terms of MGCA, MLIP and PLAN as loops over samples and words: values, gradients, and what counts as a match."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")

import torch.nn.functional as F  # noqa: E402

from mgll_train import fusion  # noqa: E402
from mgll_train.batch import CAPTION  # noqa: E402
from mgll_train.losses.sequence import attend, sequence_nce  # noqa: E402
from mgll_train.losses.sinkhorn import swapped_prediction  # noqa: E402
from mgll_train.losses.soft_clip import soft_clip  # noqa: E402
from mgll_train.objectives import mlip  # noqa: E402
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


def test_mlip_weighs_its_terms():
    step = Step("mlip")
    batch = batch_of(SAMPLES, step.objective)
    for weights in (
        {"augmented": 1.0, "divergence": 0.1, "local": 1.0, "category": 1.0, "matching": 0.5, "swapping": 0.5},
        {"augmented": 0.2, "divergence": 0.3, "local": 0.4, "category": 0.6, "matching": 0.7, "swapping": 0.8},
    ):
        got = Step("mlip", weights=weights)(batch)
        whole = got["clip"] + sum(weight * got[name] for name, weight in weights.items())
        torch.testing.assert_close(got["loss"].detach(), whole, **EXACT)
        if weights["local"] == 1:  # what is not given
            torch.testing.assert_close(step(batch)["loss"], got["loss"], **EXACT)


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


class Watched:
    """A step of MLIP with what went through its modules."""

    def __init__(self, monkeypatch):
        self.step = Step("mlip")
        objective = self.step.objective
        self.given, self.gave = {}, {}
        for name in ("match", "swap", "fuse"):
            getattr(objective, name).register_forward_hook(self._note(name))
        for side in ("image", "text"):
            objective.diverge[side].register_forward_hook(self._note(side))
        swap = fusion.swap_words

        def swap_words(words, mask, *rest):
            mixed = swap(words, mask, *rest)
            self._note("words")(None, (words, mask), mixed)
            self.partners = rest[1]
            return mixed

        monkeypatch.setattr(mlip, "swap_words", swap_words)
        self.batch = batch_of(SAMPLES, objective)
        self.objective = objective
        self.scalars = self.step(self.batch)
        features = self.step.model(self.batch, local=True)
        self.image, self.text = objective.heads.pooled(features.image, features.text[CAPTION])
        self.patches, self.words, self.mask = objective.heads.local(features)
        self.level = self.batch.levels["explanatory"]
        self.known = F.normalize(objective.knowledge(features.text["explanatory"].double()), dim=1)
        self.carried = self.batch.levels[CAPTION].own.int().argmax(1)

    def _note(self, name):
        def hook(_module, given, result):
            self.given.setdefault(name, []).append(given)
            self.gave.setdefault(name, []).append(result)

        return hook

    def tells_the_same(self, i, k):
        """Whether an image other than i carries caption k and tells the same concepts as i."""
        told = [set(sample.meta["concepts"]["present"]) for sample in SAMPLES]
        return any(self.carried[j] == k and told[i] and told[i] == told[j] for j in range(len(SAMPLES)))


@pytest.fixture
def watched(monkeypatch):
    return Watched(monkeypatch)


def test_mlip_takes_pairs_that_tell_the_same_out_of_the_contrast(watched):
    n, k = len(SAMPLES), len(watched.text)
    own = watched.batch.levels[CAPTION].own
    valid = torch.tensor([[bool(own[i, c]) or not watched.tells_the_same(i, c) for c in range(k)] for i in range(n)])
    assert not valid.all()
    scale = watched.objective.logit_scale.exp()
    logits = scale * watched.image @ watched.text.T
    expected, _ = soft_clip(logits, own.double(), valid)
    torch.testing.assert_close(watched.scalars["clip"], expected.detach(), **EXACT)
    other_image, other_text = watched.gave["image"][0], watched.gave["text"][0]
    assert (other_image - watched.image).norm() > 0.1
    expected = sum(
        soft_clip(scale * a @ b.T, own.double(), valid)[0]
        for a, b in ((watched.image, other_text), (other_image, watched.text))
    )
    torch.testing.assert_close(watched.scalars["augmented"], expected.detach() / 2, **EXACT)


def test_mlip_knowledge_guides_the_words_and_is_matched_with_patches(watched):
    losses = []
    for i in range(len(SAMPLES)):
        y, x = watched.words[i][watched.mask[i]], watched.patches[i]
        entities = watched.known[watched.level.own[i]]
        if not len(y):
            continue
        if len(entities):
            y = F.normalize(y + F.normalize(torch.softmax(y @ entities.T / 0.1, 1) @ entities, dim=1), dim=1)
        loss = 0
        for queries in (y, entities):
            if len(queries):
                answers = F.normalize(torch.softmax(queries @ x.T / 0.1, 1) @ x, dim=1)
                logits, target = queries @ answers.T / 0.1, torch.arange(len(queries))
                loss = loss + (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
        losses.append(loss)
    torch.testing.assert_close(watched.scalars["local"], torch.stack(losses).mean().detach(), **EXACT)


def test_mlip_fuses_with_the_mean_of_the_knowledge_and_shares_prototypes(watched):
    ((image, text, knowledge),) = watched.given["fuse"]
    mine = watched.text[watched.carried]
    torch.testing.assert_close(image, watched.image, **EXACT)
    torch.testing.assert_close(text, mine, **EXACT)
    for i, row in enumerate(knowledge):
        torch.testing.assert_close(row, watched.known[watched.level.own[i]].mean(0), **EXACT)
    directions = F.normalize(watched.objective.prototypes, dim=1)
    fused = F.normalize(watched.gave["fuse"][0], dim=1)
    seen, told, joint = (linear_codes(x @ directions.T) for x in (image, text, fused))
    logs = [torch.log_softmax(x @ directions.T / 0.2, 1) for x in (image, text, fused)]
    each = -(joint * (logs[0] + logs[1])).sum(1) / 2 - ((seen + told) / 2 * logs[2]).sum(1)
    expected = each.mean() + swapped_prediction(image, text, directions)
    torch.testing.assert_close(watched.scalars["category"], expected.detach(), **EXACT)


def test_mlip_calls_its_own_pairs_matches_and_the_mined_ones_not(watched):
    own, hard_text, hard_image = watched.gave["match"]
    expected = torch.cat([F.softplus(-own), F.softplus(hard_text), F.softplus(hard_image)]).mean()
    torch.testing.assert_close(watched.scalars["matching"], expected.detach(), **EXACT)


def test_mlip_tells_swapped_reports_from_whole_ones(watched):
    ((words, mask),), (mixed,), (logits,) = watched.given["words"], watched.gave["words"], watched.gave["swap"]
    losses = []
    for i in range(len(words)):
        if mask[i].any():
            swapped = not torch.equal(words[i], mixed[i])
            losses.append(F.softplus(-logits[i, 0] if swapped else logits[i, 0]))
    changed = sum(not torch.equal(a, b) for a, b in zip(words, mixed, strict=True))
    assert 0 < changed < len(losses)
    torch.testing.assert_close(watched.scalars["swapping"], torch.stack(losses).mean().detach(), **EXACT)
    answers = attend(mixed, watched.patches, torch.ones(watched.patches.shape[:2], dtype=torch.bool), 0.1)
    mean = torch.stack(
        [(m * a)[real].sum(0) / max(1, int(real.sum())) for m, a, real in zip(mixed, answers, mask, strict=True)]
    )
    torch.testing.assert_close(watched.given["swap"][0][0], mean * 8**0.5, **EXACT)


def test_mlip_swaps_in_words_of_an_image_that_tells_something_else(watched):
    told = [frozenset(sample.meta["concepts"]["present"]) for sample in SAMPLES]
    partners = watched.partners.tolist()
    assert any(j >= 0 for j in partners)
    for i, j in enumerate(partners):
        assert (told[i] != told[j]) if j >= 0 else all(told[i] == other for other in told)


def test_mlip_divergence_is_the_band_of_both_sides(watched):
    expected = []
    for moved, still in (
        (watched.gave["image"][0], watched.image),
        (watched.gave["text"][0][watched.carried], watched.text[watched.carried]),
    ):
        cosine = (moved * still).sum(1)
        expected.append((cosine - 0.95).clamp_min(0) + (0.6 - cosine).clamp_min(0))
    torch.testing.assert_close(watched.scalars["divergence"], sum(expected).mean().detach(), **EXACT)


@pytest.mark.parametrize(
    ("levels", "chosen"),
    [
        (("category", "explanatory", "report"), "explanatory"),
        (("modality", "study", "report"), "study"),
        (("report",), "report"),
    ],
)
def test_mlip_takes_explanations_and_no_reports_as_knowledge(levels, chosen):
    from mgll_train import objectives

    widths = Step("mlip").model.widths
    assert objectives.build("mlip", levels, widths=lambda: widths(16), dim=8).levels == (CAPTION, chosen)
    asked = objectives.build("mlip", levels, widths=lambda: widths(16), dim=8, knowledge=levels[-1])
    assert asked.levels == (CAPTION, levels[-1])
