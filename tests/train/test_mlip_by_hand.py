"""The terms of MLIP as loops over samples and words: what goes into them, what comes out, what counts as a match."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")

import torch.nn.functional as F  # noqa: E402

from mgll_train import fusion  # noqa: E402
from mgll_train.batch import CAPTION  # noqa: E402
from mgll_train.losses.sequence import attend  # noqa: E402
from mgll_train.losses.sinkhorn import swapped_prediction  # noqa: E402
from mgll_train.losses.soft_clip import soft_clip  # noqa: E402
from mgll_train.objectives import mlip  # noqa: E402
from tests.train.test_local_objectives import Step, batch_of  # noqa: E402
from tests.train.test_terms_by_hand import EXACT, SAMPLES, linear_codes  # noqa: E402


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
