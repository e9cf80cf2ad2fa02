"""Area under the ROC curve and average precision with exact handling of ties, and bootstrap intervals. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting one half.

    labels (n,) 0 or 1, scores (n,) finite. NaN where there is no positive or no negative (Mann-Whitney U / (P N)).
    """
    y, s = _checked(labels, scores)
    return float(_weighted_auc(y, s, np.ones((1, len(y))))[0])


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Average precision: sum over distinct thresholds of precision times the gain in recall, no interpolation.

    labels (n,) 0 or 1, scores (n,) finite. NaN where there is no positive. Equal scores share one threshold.
    """
    y, s = _checked(labels, scores)
    order = np.argsort(-s, kind="stable")
    y, s = y[order], s[order]
    if not y.any():
        return float("nan")
    ends = np.append(np.flatnonzero(np.diff(s)), len(s) - 1)
    hits = np.cumsum(y)[ends].astype(np.float64)
    gain = np.diff(hits, prepend=0.0)
    return float((gain * hits / (ends + 1)).sum() / hits[-1])


@dataclass(frozen=True)
class Bootstrap:
    """AUCs of C concepts, and the same under resampled images, for percentile intervals (Efron 1979).

    auc (C,): NaN where a concept lacks positives or negatives. sampled (draws, C): likewise for every draw.
    """

    auc: Floats
    sampled: Floats

    def interval(self, concept: int, level: float = 0.95) -> tuple[float, float]:
        """Interval of one concept's AUC, over the draws that have both classes; NaN if none has."""
        return _interval(self.sampled[:, concept], level)

    def macro(self, concepts: Sequence[int], level: float = 0.95) -> tuple[float, float, float]:
        """Unweighted mean AUC over the given concepts and its interval, low and high.

        A draw that lacks a class of some concept counts with the mean of the others.
        """
        columns = list(concepts)
        if not columns:
            return float("nan"), float("nan"), float("nan")
        sampled = self.sampled[:, columns]
        there = ~np.isnan(sampled)
        counts = there.sum(axis=1)
        means = np.where(there, sampled, 0).sum(axis=1)[counts > 0] / counts[counts > 0]
        return float(self.auc[columns].mean()), *_interval(means, level)


def bootstrap_auc(labels: Floats, scores: Floats, units: ArrayLike, *, draws: int, seed: int) -> Bootstrap:
    """AUC of each concept, and of `draws` resamples of units (patients, or images where each is its own unit).

    labels (n, C): 1, 0, or NaN for an image whose label is unknown, which is left out of that concept. scores (n, C).
    units (n,): images with equal values are drawn together, since two eyes of a patient are not independent. Every
    concept sees the same draws, so that the interval of a mean carries the concepts' correlation.
    """
    _, unit = np.unique(np.asarray(units), return_inverse=True)
    count = int(unit.max()) + 1 if unit.size else 0
    rng = np.random.default_rng(seed)
    columns = labels.shape[1]
    sampled = np.full((draws, columns), np.nan)
    known = [np.flatnonzero(~np.isnan(labels[:, c])) for c in range(columns)]
    for start in range(0, draws, 64):  # blocks bound the memory to 64 x n weights
        stop = min(draws, start + 64)
        # Drawing `count` units with replacement gives each a multinomial count.
        drawn = rng.integers(0, count, size=(stop - start, count))
        weights = np.zeros((stop - start, count))
        np.add.at(weights, (np.arange(stop - start)[:, None], drawn), 1.0)
        for c, rows in enumerate(known):
            sampled[start:stop, c] = _weighted_auc(labels[rows, c] > 0.5, scores[rows, c], weights[:, unit[rows]])
    return Bootstrap(np.array([auc(labels[rows, c], scores[rows, c]) for c, rows in enumerate(known)]), sampled)


def _interval(values: Floats, level: float) -> tuple[float, float]:
    found = values[~np.isnan(values)]
    if not found.size:
        return float("nan"), float("nan")
    low, high = np.percentile(found, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def _weighted_auc(labels: NDArray[np.bool_], scores: Floats, weights: Floats) -> Floats:
    """AUC of labels (n,) and scores (n,) under each row of weights (draws, n): NaN where a class has no weight."""
    if not len(scores):
        return np.full(len(weights), np.nan)
    order = np.argsort(scores, kind="stable")
    y, s = labels[order], scores[order]
    starts = np.append(0, np.flatnonzero(np.diff(s)) + 1)  # first row of each group of equal scores
    w = weights[:, order]
    positive = np.add.reduceat(w * y, starts, axis=1)
    negative = np.add.reduceat(w * ~y, starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative
    total = positive.sum(axis=1) * negative.sum(axis=1)
    wins: Floats = (positive * (below + 0.5 * negative)).sum(axis=1)
    rates: Floats = np.divide(wins, total, out=np.full(len(w), np.nan), where=total > 0)
    return rates


def _checked(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    y, s = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if y.shape != s.shape or y.ndim != 1:
        raise ValueError(f"labels {y.shape} and scores {s.shape} must both be (n,)")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("labels must be 0 or 1")
    if not np.isfinite(s).all():
        raise ValueError("scores must be finite")
    return y.astype(bool), s
