"""MGCA, MLIP and PLAN as the loop uses them: from towers to a loss, on one process and on two."""

from __future__ import annotations

import random

import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

import torch.distributed as dist  # noqa: E402
from torch import nn  # noqa: E402

from mgll_data.schema import text_id  # noqa: E402
from mgll_train import objectives  # noqa: E402
from mgll_train.batch import CAPTION, Sample, collate, share_texts  # noqa: E402
from mgll_train.errors import UserError  # noqa: E402
from mgll_train.losses.sinkhorn import sinkhorn  # noqa: E402
from mgll_train.model import TwoTowers  # noqa: E402
from mgll_train.vocabulary import Vocabulary  # noqa: E402

LEVELS = ("category", "explanatory")
NAMES = ("mgca", "mlip", "plan")
OPTIONS = {
    "mgca": {"prototype_count": 6, "dim": 8},
    "mlip": {"prototype_count": 6, "dim": 8, "ranks": (3, 3, 3), "dropout": 0.0},
    "plan": {"dim": 8, "threshold": 0.5},
}
CONCEPTS = [f"fundus.c{i}" for i in range(5)]
VOCABULARY = Vocabulary.load(
    {
        "v": 1,
        "modality": "fundus",
        "recipe": "eyes",
        "levels": list(LEVELS),
        "concepts": [{"id": key, "name": key, "parents": ["fundus.root"], "exclusive": []} for key in CONCEPTS],
    }
)
WORDS = ("dot", "bar", "ring", "edge", "spot", "line", "haze", "scar")


def entry(level, words, concepts=()):
    return {"id": text_id(level, words), "text": words, "concepts": list(concepts)}


def make(number, *, told=True):
    rng = random.Random(number)
    present = sorted(rng.sample(CONCEPTS, rng.randint(1, 2))) if told else []
    texts = {"category": [], "explanatory": [entry("explanatory", f"about {c}", [c]) for c in present]}
    meta = {
        "uid": f"idrid-{number:016x}",
        "modality": "fundus",
        "concepts": {"present": present, "absent": [], "uncertain": []},
        "texts": texts,
    }
    image = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(number), dtype=torch.float64)
    caption = " ".join(rng.sample(WORDS, rng.randint(0 if number % 7 == 3 else 2, 5))) + (f" {number % 4}" * told)
    return Sample(image, meta, caption if number % 6 != 5 else "dot bar ring")


def tokenizer(texts):
    """Start 1, words 2 to 97, end 98 (the largest, which CLIP's tower reads off), padding 0; 9 places."""
    tokens = torch.zeros(len(texts), 9, dtype=torch.int64)
    for row, words in enumerate(texts):
        codes = [1, *(sum(map(ord, word)) % 96 + 2 for word in words.split()), 98]
        tokens[row, : len(codes)] = torch.tensor(codes)
    return tokens


def towers():
    torch.manual_seed(0)
    vision = open_clip.CLIPVisionCfg(image_size=16, patch_size=8, layers=1, width=16, head_width=8)
    text = open_clip.CLIPTextCfg(context_length=9, vocab_size=99, width=8, heads=2, layers=1)
    return TwoTowers(open_clip.CLIP(8, vision, text)).double()


class Step(nn.Module):
    def __init__(self, name, **options):
        super().__init__()
        self.model = towers()
        torch.manual_seed(1)
        widths = self.model.widths
        self.objective = objectives.build(
            name, LEVELS, widths=lambda: widths(16), **{**OPTIONS[name], **options}
        ).double()
        self.objective.progress = 0.9

    def forward(self, batch):
        return self.objective(self.model(batch, local=True), batch)


def batch_of(samples, objective):
    return share_texts(collate(samples, objective.levels, VOCABULARY, tokenizer))


def outcome(step, samples):
    module = getattr(step, "module", step)
    results = step(batch_of(samples, module.objective))
    results["loss"].backward()
    grads = {name: p.grad for name, p in module.named_parameters() if p.requires_grad}
    return {"results": {name: value.detach() for name, value in results.items()}, "grads": grads}


FIRST, SECOND = [make(i) for i in range(4)], [make(i) for i in range(4, 11)]


COSINES = torch.rand(11, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def work(number, port_file, out):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{port_file}", rank=number, world_size=2)
    found = {}
    for name in NAMES:
        step = nn.parallel.DistributedDataParallel(Step(name))
        found[name] = outcome(step, SECOND if number else FIRST)
    found["sinkhorn"] = sinkhorn(COSINES[4:] if number else COSINES[:4])
    torch.save(found, f"{out}/{number}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("local-ranks")
    torch.multiprocessing.spawn(work, args=(str(folder / "meet"), str(folder)), nprocs=2)
    return [torch.load(folder / f"{number}.pt", weights_only=True) for number in (0, 1)]


@pytest.mark.parametrize("name", NAMES)
def test_two_uneven_ranks_equal_one_process(ranks, name):
    alone = outcome(Step(name), FIRST + SECOND)
    for found in (ranks[0][name], ranks[1][name]):
        assert found["results"].keys() == alone["results"].keys()
        for key, value in alone["results"].items():
            torch.testing.assert_close(
                found["results"][key], value, rtol=1e-9, atol=1e-9, msg=lambda m, k=key: f"{k}: {m}"
            )
        for key, grad in alone["grads"].items():
            assert grad is not None, key
            torch.testing.assert_close(
                found["grads"][key], grad, rtol=1e-8, atol=1e-9, msg=lambda m, k=key: f"{k}: {m}"
            )


def test_codes_of_two_uneven_ranks_are_those_of_one_process(ranks):
    codes = torch.cat([found["sinkhorn"] for found in ranks])
    torch.testing.assert_close(codes, sinkhorn(COSINES), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_samples_changes_nothing(name):
    samples = FIRST + SECOND
    step = Step(name)
    step.requires_grad_(False)
    base = step(batch_of(samples, step.objective))
    moved = step(batch_of(samples[::-1], step.objective))
    for key, value in base.items():
        torch.testing.assert_close(moved[key], value, rtol=1e-9, atol=1e-9, msg=lambda m, k=key: f"{k}: {m}")


def without_local_terms():
    return {
        "mgca": {"weights": (0.5, 0, 0)},
        "mlip": {"weights": dict.fromkeys(("augmented", "divergence", "local", "category", "matching", "swapping"), 0)},
        "plan": {"local_weight": 0},
    }


@pytest.mark.parametrize("name", NAMES)
def test_without_its_own_terms_it_is_the_clip_loss_of_its_heads(name):
    """Samples without concepts and with captions of their own: no pair is masked, nothing is shared."""
    samples = [make(i, told=False) for i in (0, 1, 2, 4, 6, 7)]
    step = Step(name, **without_local_terms()[name])
    batch = batch_of(samples, step.objective)
    features = step.model(batch, local=True)
    image, text = step.objective.heads.pooled(features.image, features.text[CAPTION])
    text = text[batch.levels[CAPTION].own.int().argmax(1)]
    expected = open_clip.ClipLoss()(image, text, step.objective.logit_scale.exp())
    assert batch.levels[CAPTION].own.shape[1] == len(samples)
    torch.testing.assert_close(step.objective(features, batch)["loss"], expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["one", "same", "silent", "untold"])
def test_degenerate_batches_are_finite(name, kind):
    samples = {
        "one": [make(0)],
        "same": [make(5), make(11), make(17)],
        "silent": [Sample(s.image, s.meta, "") for s in FIRST],
        "untold": [make(i, told=False) for i in range(4)],
    }[kind]
    found = outcome(Step(name), samples)
    assert not objectives.non_finite(found["results"])
    for key, grad in found["grads"].items():
        assert grad is not None and grad.isfinite().all() and grad.norm() < 1e4, key


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_of_the_towers_moves_the_loss_by_little(name):
    samples = FIRST + SECOND
    step = Step(name).float()
    samples = [Sample(s.image.float(), s.meta, s.caption) for s in samples]
    batch = batch_of(samples, step.objective)
    with torch.no_grad():
        full = step(batch)["loss"]
        with torch.autocast("cpu", torch.bfloat16):
            half = step(batch)["loss"]
    assert half.dtype == torch.float32 and abs(half - full) < 0.02 * full


def test_mgca_holds_its_prototypes_still_in_the_first_part_of_the_run():
    step = Step("mgca")
    step.objective.progress = 0.0
    held = outcome(step, FIRST)["grads"]["objective.prototypes"]
    moved = outcome(Step("mgca"), FIRST)["grads"]["objective.prototypes"]
    assert held.abs().sum() == 0 < moved.abs().sum()


def test_plan_runs_one_stage_after_another():
    step = Step("plan")
    seen = []
    for progress in (0.0, 0.34, 0.67, 0.99):
        step.objective.progress = progress
        seen.append(int(step(batch_of(FIRST, step.objective))["stages"]))
    assert seen == [1, 2, 3, 3]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("mgca", {"weights": (1, 2)}, "three numbers"),
        ("mlip", {"weights": {"locals": 1}}, "locals"),
        ("plan", {"threshold": 1.5}, "threshold"),
        ("plan", {"stages": 9}, "stages"),
    ],
)
def test_wrong_options_are_told(name, options, words):
    with pytest.raises(UserError, match=words):
        Step(name, **options)
