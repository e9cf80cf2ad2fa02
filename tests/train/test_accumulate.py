"""Micro-batches give the gradients of the whole batch: every objective, every parameter, one rank and two."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

import torch.distributed as dist  # noqa: E402
from torch import nn  # noqa: E402

from mgll_train import objectives  # noqa: E402
from mgll_train.accumulate import Pieces, in_pieces  # noqa: E402
from tests.train.test_local_objectives import FIRST, LEVELS, OPTIONS, SECOND, outcome, towers  # noqa: E402

NAMES = tuple(objectives.names())
CUTS = (Pieces(3), Pieces(2, rows=7, texts=4), Pieces(16))


class Step(nn.Module):
    """Towers and objective; seeded, so that two of them are equal."""

    def __init__(self, name, pieces=None):
        super().__init__()
        self.model = towers()
        self.model.pieces = pieces or Pieces()
        torch.manual_seed(1)
        widths = self.model.widths
        options = OPTIONS.get(name, {})
        self.objective = objectives.build(name, LEVELS, widths=lambda: widths(16), **options).double()
        self.objective.progress = 0.9

    def forward(self, batch):
        return self.objective(self.model(batch, local=self.objective.local), batch)


def assert_equal(found, wanted):
    close = {"rtol": 1e-10, "atol": 1e-10}
    for part in ("results", "grads"):
        assert found[part].keys() == wanted[part].keys()
        for key, value in wanted[part].items():
            torch.testing.assert_close(found[part][key], value, **close, msg=lambda m, k=key: f"{k}: {m}")


def work(number, port_file, out):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{port_file}", rank=number, world_size=2)
    found = {}
    for name in NAMES:
        step = nn.parallel.DistributedDataParallel(Step(name, Pieces(3)))
        found[name] = outcome(step, SECOND if number else FIRST)
    torch.save(found, f"{out}/{number}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("accumulate-ranks")
    torch.multiprocessing.spawn(work, args=(str(folder / "meet"), str(folder)), nprocs=2)
    return [torch.load(folder / f"{number}.pt", weights_only=True) for number in (0, 1)]


def test_all_six_objectives_are_here():
    assert NAMES == ("clip", "mgca", "mgll", "mlip", "plan", "siglip")


@pytest.mark.parametrize("name", NAMES)
def test_micro_batches_give_loss_and_gradients_of_the_batch(name):
    """Cut into 3, into pieces of fixed size with the last filled up, and into more pieces than there are images."""
    whole = outcome(Step(name), FIRST + SECOND)
    assert whole["grads"]["objective.logit_scale"].abs() > 0 if name != "mgca" else True
    for cut in CUTS:
        assert_equal(outcome(Step(name, cut), FIRST + SECOND), whole)


@pytest.mark.parametrize("name", NAMES)
def test_micro_batches_on_two_uneven_ranks_give_those_of_one_process(ranks, name):
    whole = outcome(Step(name), FIRST + SECOND)
    for found in ranks:
        assert_equal(found[name], whole)


def test_the_tower_keeps_one_piece_at_a_time_and_runs_each_again():
    """What a matrix product keeps for its backward is dropped after the forward of each piece."""
    kept, calls = [], []
    layer = nn.Linear(4, 7).double()

    def encode(rows):
        calls.append(len(rows))
        return torch.tanh(layer(rows))

    rows = torch.randn(10, 4, dtype=torch.float64)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape) or t, lambda t: t):
        features = in_pieces(encode, rows, number=5, size=0, again=True)
    assert calls == [2] * 5
    assert kept and all(shape[-1] == 4 for shape in kept)  # the pieces themselves, and no activation of 7 channels
    features.square().sum().backward()
    assert calls == [2] * 10


def test_a_piece_runs_again_under_the_random_numbers_it_had():
    def gradients(again):
        torch.manual_seed(3)
        network = nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), nn.Linear(6, 2)).double()
        found = in_pieces(network, torch.ones(8, 6, dtype=torch.float64), number=4, size=0, again=again)
        after = torch.rand(1)
        (found @ found.T).logsumexp(1).sum().backward()
        return found.detach(), after, [p.grad for p in network.parameters()]

    kept, replayed = gradients(False), gradients(True)
    assert torch.equal(kept[0], replayed[0]) and torch.equal(kept[1], replayed[1])
    assert len(torch.unique(kept[0][:, 0])) > 1  # dropout differs from row to row
    for one, other in zip(kept[2], replayed[2], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_words_of_pieces_with_shorter_texts_are_padded():
    def encode(rows):
        length = int(rows.max())
        return rows[:, :1].float(), torch.ones(len(rows), length, 3), torch.ones(len(rows), length, dtype=torch.bool)

    first, words, mask = in_pieces(encode, torch.tensor([[2], [2], [5], [1]]), number=2, size=0, again=False)
    assert first.shape == (4, 1) and words.shape == (4, 5, 3)
    assert mask.sum(1).tolist() == [2, 2, 5, 5]
    assert words[:2, 2:].abs().sum() == 0
