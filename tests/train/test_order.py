from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgll_train.errors import UserError
from mgll_train.order import Cursor, Part, epoch_order, parts
from mgll_train.shards import Shard

SIZES = st.lists(st.integers(1, 50), min_size=1, max_size=5)


def listed(*datasets: list[int]) -> list[Shard]:
    return [Shard(Path("x.tar"), n, f"set{i}/1", 0, "") for i, sizes in enumerate(datasets) for n in sizes]


def order(mix: list[Part], **changes: object) -> np.ndarray:
    options = {"seed": 1, "epoch": 0, "identity": ("a",), "window": 64, "block": 8, **changes}
    return epoch_order(mix, **options)  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=3), st.integers(0, 5), st.integers(1, 100), st.integers(1, 40))
def test_without_weights_an_epoch_is_every_sample_once(
    datasets: list[list[int]], epoch: int, window: int, block: int
) -> None:
    mix = parts(listed(*datasets))
    one = order(mix, epoch=epoch, window=window, block=block)
    assert sorted(one) == list(range(sum(map(sum, datasets))))
    assert (one == order(mix, epoch=epoch, window=window, block=block)).all()
    by_size = parts(listed(*datasets), [3.0 * sum(sizes) for sizes in datasets])
    assert (one == order(by_size, epoch=epoch, window=window, block=block)).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(SIZES, st.floats(0.2, 5)), min_size=2, max_size=4), st.integers(1, 9))
def test_weights_are_shares_of_an_epoch_and_passes_come_whole(data: list[tuple[list[int], float]], block: int) -> None:
    """Over any number of epochs no sample of a dataset is ahead of another by more than one pass."""
    datasets, weights = [sizes for sizes, _ in data], [weight for _, weight in data]
    total = sum(map(sum, datasets))
    exact = [total * weight / sum(weights) for weight in weights]
    if min(exact) < 1:
        return
    mix = parts(listed(*datasets), weights)
    assert sum(part.share for part in mix) == total
    assert all(abs(part.share - share) < 1 for part, share in zip(mix, exact, strict=True))
    begins = np.cumsum([0, *map(sum, datasets)])
    seen: Counter[int] = Counter()
    for epoch in range(5):
        found = order(mix, epoch=epoch, block=block)
        assert len(found) == total
        seen.update(found.tolist())
        for i, part in enumerate(mix):
            times = [seen[number] for number in range(begins[i], begins[i + 1])]
            assert max(times) - min(times) <= 1 and sum(times) == (epoch + 1) * part.share


def test_order_depends_on_seed_epoch_and_dataset() -> None:
    mix = parts(listed([100, 100, 37]))
    other = [Part("other/2", mix[0].sizes, mix[0].share)]
    orders = [order(mix), order(mix, seed=2), order(mix, epoch=1), order(mix, identity=("b",)), order(other)]
    assert len({tuple(o) for o in orders}) == len(orders)


@pytest.mark.parametrize("weights, share", [((), 0.5), ((1, 3), 0.25)])
def test_every_stretch_draws_from_the_datasets_by_their_shares(weights: tuple[float, ...], share: float) -> None:
    found = order(parts(listed([1000] * 5, [1000] * 5), weights), window=2000, block=64)
    first = (found.reshape(10, 1000) < 5000).mean(axis=1)
    assert (np.abs(first - share) < 0.2).all()


@pytest.mark.parametrize(
    "weights, message",
    [
        ([1.0], r"weights: 1 for 2 datasets \(set0/1, set1/1\)"),
        ([1.0, 0.0], "weights: 1 0; each must be a number above 0"),
        ([1.0, float("nan")], "each must be a number above 0"),
        ([1.0, 1e-9], "leaves set1/1 without a sample in an epoch of 30"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights: list[float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        parts(listed([10], [20]), weights)


@given(st.integers(0, 1000), st.integers(1, 50), st.integers(1, 500))
def test_cursor_counts_samples(step: int, batch: int, dataset: int) -> None:
    at = Cursor.at(step, batch, dataset)
    assert at.epoch * dataset + at.consumed == step * batch and 0 <= at.consumed < dataset
