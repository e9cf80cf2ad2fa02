from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgll_train.evaluate.metrics import auc, average_precision, bootstrap_auc

sklearn = pytest.importorskip("sklearn.metrics")

pairs = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=60).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


@given(pairs)
def test_equal_to_scikit_learn_with_many_ties(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=float)
    assert auc(labels, scores) == pytest.approx(sklearn.roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(labels, scores) == pytest.approx(
        sklearn.average_precision_score(labels, scores), abs=1e-12
    )


def test_equal_to_scikit_learn_without_ties() -> None:
    rng = np.random.default_rng(0)
    labels, scores = rng.random(3000) < 0.1, rng.normal(size=3000)
    assert auc(labels, scores) == pytest.approx(sklearn.roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(labels, scores) == pytest.approx(
        sklearn.average_precision_score(labels, scores), abs=1e-12
    )


@given(pairs)
def test_auc_does_not_change_under_rising_maps_and_mirrors(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=float)
    value = auc(labels, scores)
    assert auc(labels, np.exp(scores)) == pytest.approx(value)
    assert auc(labels, -scores) == pytest.approx(1 - value)
    assert auc(~labels, scores) == pytest.approx(1 - value)


def test_one_class_has_no_auc() -> None:
    assert np.isnan(auc([1, 1], [0.1, 0.2]))
    assert np.isnan(average_precision([0, 0], [0.1, 0.2]))
    assert average_precision([1, 1], [0.1, 0.2]) == 1


@pytest.mark.parametrize("labels, scores", [([0, 1], [1.0]), ([0, 2], [1.0, 2.0]), ([0, 1], [np.nan, 1.0])])
def test_bad_input_is_refused(labels: list[int], scores: list[float]) -> None:
    with pytest.raises(ValueError, match="must"):
        auc(labels, scores)


def _set(n: int, seed: int, shift: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, 2)) < 0.4).astype(float)
    scores = rng.normal(size=(n, 2)) + shift * labels
    labels[rng.random((n, 2)) < 0.2] = np.nan
    return labels, np.round(scores, 1)


def test_bootstrap_equals_resampling_by_hand() -> None:
    """The same draws, repeated row by row and scored by scikit-learn."""
    labels, scores = _set(60, 1)
    units = np.arange(60) // 2
    result = bootstrap_auc(labels, scores, units, draws=50, seed=5)
    rng = np.random.default_rng(5)
    by_hand = []
    for drawn in rng.integers(0, 30, size=(50, 30)):  # one block of draws
        rows = np.concatenate([np.flatnonzero(units == unit) for unit in drawn])
        known = [rows[~np.isnan(labels[rows, c])] for c in range(2)]
        by_hand.append([sklearn.roc_auc_score(labels[known[c], c], scores[known[c], c]) for c in range(2)])
    expected = np.array(by_hand)
    np.testing.assert_allclose(result.sampled, expected)
    for c in range(2):
        np.testing.assert_allclose(result.interval(c), np.percentile(expected[:, c], [2.5, 97.5]))
        whole = ~np.isnan(labels[:, c])
        assert result.auc[c] == pytest.approx(sklearn.roc_auc_score(labels[whole, c], scores[whole, c]))
    macro, low, high = result.macro([0, 1])
    assert macro == pytest.approx(result.auc.mean())
    np.testing.assert_allclose([low, high], np.percentile(expected.mean(axis=1), [2.5, 97.5]))


def test_bootstrap_is_seeded() -> None:
    labels, scores = _set(80, 2)
    first = bootstrap_auc(labels, scores, np.arange(80), draws=200, seed=3)
    again = bootstrap_auc(labels, scores, np.arange(80), draws=200, seed=3)
    other = bootstrap_auc(labels, scores, np.arange(80), draws=200, seed=4)
    assert (first.sampled == again.sampled).all() and (first.sampled != other.sampled).any()
    value, low, high = first.macro([0, 1])
    assert low < value < high


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    truth = 0.5 * (1 + math.erf(1.0 / 2))  # AUC of two unit normals one apart
    hits = 0
    for seed in range(60):
        labels, scores = _set(150, seed)
        low, high = bootstrap_auc(labels, scores, np.arange(150), draws=200, seed=0).interval(0)
        hits += int(low <= truth <= high)
    assert hits >= 51  # of 60, expected 57


def test_units_drawn_together_widen_the_interval() -> None:
    labels, scores = _set(100, 7)
    copies = np.repeat(labels, 4, axis=0), np.repeat(scores, 4, axis=0)
    alone = bootstrap_auc(*copies, np.arange(400), draws=400, seed=0)
    together = bootstrap_auc(*copies, np.repeat(np.arange(100), 4), draws=400, seed=0)
    narrow, wide = (np.diff(found.macro([0, 1])[1:])[0] for found in (alone, together))
    assert wide > 1.6 * narrow  # copies add nothing: twice as wide as if they were new images


def test_concept_without_a_class_is_nan() -> None:
    labels, scores = _set(50, 0)
    labels[:, 1] = np.where(np.isnan(labels[:, 1]), np.nan, 0)
    result = bootstrap_auc(labels, scores, np.arange(50), draws=20, seed=0)
    assert np.isnan(result.auc[1]) and np.isnan(result.interval(1)).all()
    assert result.macro([0])[0] == result.auc[0]
    assert np.isnan(result.macro([])).all()
