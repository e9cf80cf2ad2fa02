"""Area under the ROC curve and average precision with exact handling of ties, and bootstrap intervals. NumPy only."""

from __future__ import annotations

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
    """Percentile bootstrap intervals (Efron 1979) of per-concept AUCs and of their mean.

    auc (C,), low (C,), high (C,): per concept. macro, macro_low, macro_high: the unweighted mean over concepts.
    """

    auc: Floats
    low: Floats
    high: Floats
    macro: float
    macro_low: float
    macro_high: float


def bootstrap_auc(
    labels: NDArray[np.float64], scores: Floats, units: ArrayLike, *, draws: int, seed: int, level: float = 0.95
) -> Bootstrap:
    """AUC of each concept with intervals from resampling units (patients, or images where each is its own unit).

    labels (n, C): 1, 0, or NaN for an image whose label is unknown, which is left out of that concept. scores (n, C).
    units (n,): images with equal values are drawn together, since two eyes of a patient are not independent. Every
    concept sees the same draws, so that the interval of the mean carries their correlation. A draw that lacks
    positives or negatives of a concept leaves that concept out of the draw.
    """
    _, unit = np.unique(np.asarray(units), return_inverse=True)
    count = int(unit.max()) + 1 if unit.size else 0
    rng = np.random.default_rng(seed)
    columns = labels.shape[1]
    sampled = np.full((draws, columns), np.nan)
    known = [np.flatnonzero(~np.isnan(labels[:, c])) for c in range(columns)]
    for start in range(0, draws, 64):  # blocks bound the memory to 64 x n weights
        stop = min(draws, start + 64)
        # Drawing `count` units with replacement is a multinomial count for each.
        drawn = rng.integers(0, count, size=(stop - start, count))
        weights = np.zeros((stop - start, count))
        np.add.at(weights, (np.arange(stop - start)[:, None], drawn), 1.0)
        for c, rows in enumerate(known):
            sampled[start:stop, c] = _weighted_auc(labels[rows, c] > 0.5, scores[rows, c], weights[:, unit[rows]])
    point = np.array([auc(labels[rows, c], scores[rows, c]) for c, rows in enumerate(known)])
    tails = [50 * (1 - level), 50 * (1 + level)]
    low, high = _percentiles(sampled, tails)
    scored = ~np.isnan(point)
    usable = ~np.isnan(sampled[:, scored]).all(axis=1) if scored.any() else np.zeros(draws, dtype=bool)
    means = np.nanmean(sampled[np.ix_(usable, scored)], axis=1)[:, None] if usable.any() else np.full((1, 1), np.nan)
    macro_low, macro_high = _percentiles(means, tails)
    macro = float(point[scored].mean()) if scored.any() else float("nan")
    return Bootstrap(point, low, high, macro, float(macro_low[0]), float(macro_high[0]))


def _percentiles(values: Floats, tails: list[float]) -> tuple[Floats, Floats]:
    low, high = np.full(values.shape[1], np.nan), np.full(values.shape[1], np.nan)
    for c in range(values.shape[1]):
        found = values[~np.isnan(values[:, c]), c]
        if found.size:
            low[c], high[c] = np.percentile(found, tails)
    return low, high


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
