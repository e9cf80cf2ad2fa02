"""Two gloo processes give the loss and the gradients of one process on the joined batch, whatever each rank holds."""

from __future__ import annotations

import json
import random

import pytest

torch = pytest.importorskip("torch")

import torch.distributed as dist  # noqa: E402
from torch import nn  # noqa: E402

from mgll_data.schema import text_id  # noqa: E402
from mgll_train import objectives  # noqa: E402
from mgll_train.batch import Sample, collate, share_texts  # noqa: E402
from mgll_train.gather import all_gather_rows, all_reduce_sum, rank, world_size  # noqa: E402
from mgll_train.model import TwoTowers  # noqa: E402
from mgll_train.vocabulary import Vocabulary  # noqa: E402

LEVELS = ("modality", "category", "diagnostic", "explanatory")
CONCEPTS = [f"fundus.c{i}" for i in range(12)]


def document(modality):
    """A vocabulary of twelve concepts in a binary tree."""
    entries = [
        {
            "id": f"{modality}.c{i}",
            "name": f"{modality} {i}",
            "parents": [f"{modality}.c{i // 2}" if i > 1 else f"{modality}.root"],
            "exclusive": [],
        }
        for i in range(len(CONCEPTS))
    ]
    return {"v": 1, "modality": modality, "recipe": modality, "levels": list(LEVELS), "concepts": entries}


VOCABULARY = Vocabulary.load([document("fundus"), document("cxr")])


def text(level, words, concepts=()):
    return {"id": text_id(level, words), "text": words, "concepts": list(concepts)}


def make(number, levels=LEVELS, labelled=True):
    """One sample with a few concepts; its texts name one concept each, in one of three phrasings."""
    rng = random.Random(number)
    chosen = rng.sample(CONCEPTS, 2) if labelled else []
    present = sorted(VOCABULARY.ontology.up(chosen))
    absent = sorted(set(rng.sample(CONCEPTS, 3)) - set(present))
    named = [(key, f"{key} phrasing {rng.randrange(3)}") for key in chosen]
    texts = {level: [text(level, f"{level} {words}", [key]) for key, words in named] for level in levels}
    if "modality" in levels:
        texts["modality"] = [text("modality", f"modality {rng.randrange(2)}")]
    states = {"present": present, "absent": absent, "uncertain": []}
    meta = {"uid": f"idrid-{number:016x}", "modality": "fundus", "concepts": states, "texts": texts}
    image = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(number), dtype=torch.float64)
    return Sample(image, meta, f"caption {number % 5}")


def film(number):
    """The like of another modality."""
    one = make(number)
    meta = json.loads(json.dumps(one.meta).replace("fundus", "cxr"))
    texts = {level: [text(level, t["text"], t["concepts"]) for t in own] for level, own in meta["texts"].items()}
    return Sample(one.image, {**meta, "texts": texts}, one.caption)


def sided(number):
    """One sample whose diagnostic texts tell a side: they hold for the images that carry them alone."""
    one = make(number)
    texts = dict(one.meta["texts"])
    side = "left" if number % 2 else "right"
    texts["diagnostic"] = [
        {**text("diagnostic", f"{side} {t['text']}", t["concepts"]), "about": t["concepts"]}
        for t in texts["diagnostic"]
    ]
    return Sample(one.image, {**one.meta, "texts": texts}, one.caption)


def drawn(number):
    """One sample with four texts at a level, of which it may bring fewer; half of them say nothing of a concept."""
    one = make(number)
    texts = dict(one.meta["texts"])
    texts["explanatory"] = [text("explanatory", f"remark {(number + i) % 6}") for i in range(4)]
    return Sample(one.image, {**one.meta, "texts": texts}, one.caption)


def tokenizer(texts):
    tokens = torch.zeros(len(texts), 10, dtype=torch.int64)
    for row, words in enumerate(texts):
        codes = torch.tensor([sum(map(ord, word)) % 97 + 1 for word in words.split()])
        tokens[row, : len(codes)] = codes
    return tokens


class Toy(nn.Module):
    """Smallest towers with the two methods of an open_clip model; counts the texts it encodes."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.visual = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.Tanh(), nn.Linear(16, 8))
        self.words = nn.Embedding(99, 12)
        self.text = nn.Linear(12, 8)
        self.double()
        self.encoded = 0

    def encode_image(self, images):
        return self.visual(images)

    def encode_text(self, tokens):
        self.encoded += len(tokens)
        return self.text(torch.tanh(self.words(tokens)).mean(1))


class Step(nn.Module):
    """Model and objective as one module, so that DistributedDataParallel averages the gradients of both."""

    def __init__(self, objective):
        super().__init__()
        self.model, self.objective = TwoTowers(Toy()), objective.double()

    def forward(self, batch):
        return self.objective(self.model(batch), batch)


MGLL = {"bias": -1.0, "pointwise_scale": 5.0}
NO_DIAGNOSTIC = ("modality", "category", "explanatory")
# Name: samples of rank 0, samples of rank 1, objective, options, what to do with unknown pairs.
CASES = {
    "even": ([make(i) for i in range(7)], [make(i) for i in range(7, 14)], "mgll", MGLL, "mask"),
    "uneven": ([make(i) for i in range(5)], [make(i) for i in range(5, 14)], "mgll", MGLL, "mask"),
    "paper": ([make(i) for i in range(5)], [make(i) for i in range(5, 14)], "mgll", {"preset": "paper"}, "negative"),
    "labels, unique": (
        [make(i) for i in range(8)],
        [make(i) for i in range(8, 11)],
        "mgll",
        {"norm": "labels", "counts": "unique", "count_weighted": True},
        "mask",
    ),
    "a rank without a level": (
        [make(i, NO_DIAGNOSTIC) for i in range(6)],
        [make(i) for i in range(6, 10)],
        "mgll",
        MGLL,
        "mask",
    ),
    "a level nowhere": (
        [make(i, NO_DIAGNOSTIC) for i in range(6)],
        [make(i, NO_DIAGNOSTIC) for i in range(6, 10)],
        "mgll",
        MGLL,
        "mask",
    ),
    "a rank without labels": (
        [make(i, ("modality",), labelled=False) for i in range(4)],
        [make(i) for i in range(4, 10)],
        "mgll",
        MGLL,
        "mask",
    ),
    "a rank without texts": ([make(i, ()) for i in range(3)], [make(i) for i in range(3, 9)], "mgll", MGLL, "mask"),
    "drawn texts": ([drawn(i) for i in range(5)], [drawn(i) for i in range(5, 14)], "mgll", MGLL, "mask"),
    "sides": ([sided(i) for i in range(5)], [sided(i) for i in range(5, 14)], "mgll", MGLL, "mask"),
    "two modalities": (
        [make(0), film(1), film(2), make(3), make(4)],
        [film(i) for i in range(5, 12)],
        "mgll",
        MGLL,
        "mask",
    ),
    "no texts": ([make(i, ()) for i in range(3)], [make(i, ()) for i in range(3, 8)], "mgll", MGLL, "mask"),
    "one image": ([make(0)], [make(i) for i in range(1, 6)], "mgll", MGLL, "mask"),
    "clip": ([make(i) for i in range(5)], [make(i) for i in range(5, 14)], "clip", {}, "mask"),
    "siglip": ([make(i) for i in range(5)], [make(i) for i in range(5, 14)], "siglip", {}, "mask"),
}


def batch_of(samples, objective, unknown, texts=None):
    return share_texts(collate(samples, objective.levels, VOCABULARY, tokenizer, unknown, texts))


def limit(case):
    """Most texts of a sample at a level."""
    return 1 if case == "drawn texts" else None


def build(case):
    return objectives.build(CASES[case][2], LEVELS, **CASES[case][3])


def outcome(step, batch):
    results = step(batch)
    results["loss"].backward()
    module = getattr(step, "module", step)
    grads = {name: p.grad for name, p in module.named_parameters() if p.requires_grad}
    return {"results": {name: value.detach() for name, value in results.items()}, "grads": grads}


def work(number, port_file, out):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{port_file}", rank=number, world_size=2)
    found = {}
    for case, (first, second, _, _, unknown) in CASES.items():
        objective = build(case)
        batch = batch_of(second if number else first, objective, unknown, limit(case))
        step = nn.parallel.DistributedDataParallel(Step(objective))
        found[case] = outcome(step, batch)
        found[case]["encoded"] = step.module.model.clip.encoded

    rows = torch.arange(6.0).reshape(2, 3)[: 2 - number].requires_grad_()
    gathered = all_gather_rows(rows)
    (gathered * (number + 1) * torch.arange(3.0)[:, None]).sum().backward()
    found["gather"] = {"rows": gathered.detach(), "grad": rows.grad, "sum": all_reduce_sum(torch.tensor(number + 1))}
    unshared = collate(CASES["even"][0], objectives.build("clip").levels, VOCABULARY, tokenizer)
    refused = 0
    for module in (TwoTowers(Toy()), objectives.build("clip")):
        try:
            module(*([unshared] if isinstance(module, TwoTowers) else [TwoTowers(Toy()).clip, unshared]))
        except ValueError:
            refused += 1
    found["refused"] = torch.tensor(refused)
    torch.save(found, f"{out}/{number}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(work, args=(str(folder / "meet"), str(folder)), nprocs=2)
    return [torch.load(folder / f"{number}.pt", weights_only=True) for number in (0, 1)]


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_equal_one_process(ranks, case):
    first, second, _, _, unknown = CASES[case]
    objective = build(case)
    batch = batch_of(first + second, objective, unknown, limit(case))
    step = Step(objective)
    alone = outcome(step, batch)
    close = {"rtol": 1e-10, "atol": 1e-10}
    for found in (ranks[0][case], ranks[1][case]):
        assert set(found["results"]) == set(alone["results"])
        for name, value in alone["results"].items():
            torch.testing.assert_close(found["results"][name], value, **close, msg=lambda m, n=name: f"{n}: {m}")
        for name, grad in alone["grads"].items():
            assert grad is not None, name
            torch.testing.assert_close(found["grads"][name], grad, **close, msg=lambda m, n=name: f"{n}: {m}")
    texts = sum(len(level.text_ids) for level in batch.levels.values())
    assert step.model.clip.encoded == max(texts, 1), "every unique text is encoded once"
    halves = [found[case]["encoded"] for found in ranks]
    assert halves == [max(-(-texts // 2), 1)] * 2, "the ranks share the texts"
    if texts > 1:
        assert any(grad.abs().sum() > 0 for grad in alone["grads"].values())


def test_gather_of_uneven_rows_sums_gradients_over_ranks(ranks):
    rows = torch.tensor([[0.0, 1, 2], [3, 4, 5], [0, 1, 2]])
    for number, found in enumerate(found["gather"] for found in ranks):
        assert torch.equal(found["rows"], rows)
        assert found["sum"] == 3
        mine = torch.arange(3.0)[:2] if number == 0 else torch.arange(3.0)[2:]
        assert torch.equal(found["grad"], 3 * mine[:, None].expand(-1, 3))


def test_batches_that_are_not_shared_are_refused(ranks):
    assert [int(found["refused"]) for found in ranks] == [2, 2]


def test_one_process_needs_no_process_group():
    rows = torch.ones(2, 3)
    assert world_size() == 1
    assert rank() == 0
    assert all_gather_rows(rows) is rows
    assert torch.equal(all_reduce_sum(rows), rows)
