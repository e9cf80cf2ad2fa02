"""Which samples an epoch holds and in what order: a pure function of seed, epoch and datasets.

An epoch is as many samples as all datasets hold together. Each dataset fills its share of it from an endless stream of
passes over its own samples, and the next epoch goes on where this one stopped: a dataset with less than its size is
seen whole over several epochs, one with more is seen whole before any of its samples comes again. Shares equal to the
sizes, which is what no weights mean, make an epoch every sample once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mgll_train.errors import UserError
from mgll_train.shards import Shard

# Samples that stand together in a tar stay together in the coarse shuffle, so that reads of a cold disk are long.
BLOCK = 64


@dataclass(frozen=True)
class Part:
    """One dataset of a mix: `<name>/<id>` of its manifest, samples of each of its shards, and samples an epoch."""

    identity: str
    sizes: tuple[int, ...]
    share: int

    @property
    def samples(self) -> int:
        """How many samples the dataset has."""
        return sum(self.sizes)


def parts(shards: Sequence[Shard], weights: Sequence[float] = ()) -> list[Part]:
    """The datasets of a list of shards with their shares of an epoch, which are in proportion to `weights`.

    weights: one for each dataset in the order of the shards, or none: the datasets' sizes. Shares are whole numbers
    that sum to the number of samples (largest remainder). Raises UserError for weights that do not fit.
    """
    held = [(name, tuple(s.samples for s in group)) for name, group in groupby(shards, key=lambda s: s.dataset)]
    sizes = [sum(samples) for _, samples in held]
    if not weights:
        weights = sizes
    if len(weights) != len(held):
        names = ", ".join(name for name, _ in held)
        raise UserError(f"weights: {len(weights)} for {len(held)} datasets ({names}); give one for each, in that order")
    if not all(0 < weight < float("inf") for weight in weights):
        raise UserError(f"weights: {' '.join(f'{w:g}' for w in weights)}; each must be a number above 0")
    exact = [sum(sizes) * weight / sum(weights) for weight in weights]
    shares = [int(share) for share in exact]
    largest = sorted(range(len(held)), key=lambda i: (shares[i] - exact[i], i))
    for i in largest[: sum(sizes) - sum(shares)]:
        shares[i] += 1
    if 0 in shares:
        name, weight = held[shares.index(0)][0], weights[shares.index(0)]
        raise UserError(f"weights: {weight:g} leaves {name} without a sample in an epoch of {sum(sizes)}")
    return [Part(name, samples, share) for (name, samples), share in zip(held, shares, strict=True)]


def describe(mix: Sequence[Part]) -> str:
    """The mix in words: samples an epoch of each dataset and how many passes that is."""
    each = [f"{part.share:,} of {part.identity} ({part.share / part.samples:.3g} passes)" for part in mix]
    return "an epoch is " + ", ".join(each)


def epoch_order(
    mix: Sequence[Part], *, seed: int, epoch: int, identity: Sequence[str], window: int, block: int = BLOCK
) -> NDArray[np.int64]:
    """The samples of one epoch in the order they are read, int64, as many as the datasets hold together.

    Sample numbers count through the shards of all datasets in turn. Blocks of `block` neighbours are shuffled over all
    shards of a dataset, then over the datasets, then samples within windows of `window`. `identity`: ids of all
    manifests. The number of ranks and loader workers has no part in it.
    """
    runs: list[NDArray[np.int64]] = []
    first = 0
    for part in mix:
        taken = first + _stream(part, epoch * part.share, (epoch + 1) * part.share, seed, block)
        runs += [taken[at : at + block] for at in range(0, len(taken), block)]
        first += part.samples
    rng = _generator(seed, epoch, "\n".join(identity))
    order = np.concatenate([runs[run] for run in rng.permutation(len(runs))])
    for at in range(0, len(order), window):
        order[at : at + window] = rng.permutation(order[at : at + window])
    return order


def _stream(part: Part, start: int, stop: int, seed: int, block: int) -> NDArray[np.int64]:
    """Samples start..stop-1 of the endless stream of passes over a dataset, each pass in another order of blocks."""
    begins = np.cumsum([0, *part.sizes])
    blocks = [
        (at, min(at + block, begins[i + 1]))
        for i in range(len(part.sizes))
        for at in range(begins[i], begins[i + 1], block)
    ]
    size, taken = part.samples, []
    for number in range(start // size, -(-stop // size)):
        shuffled = _generator(seed, number, part.identity).permutation(len(blocks))
        whole = np.concatenate([np.arange(*blocks[b], dtype=np.int64) for b in shuffled])
        taken.append(whole[max(0, start - number * size) : stop - number * size])
    return np.concatenate(taken)


def _generator(seed: int, number: int, identity: str) -> np.random.Generator:
    # Not hash(): it differs from one interpreter to the next.
    digest = hashlib.sha256(identity.encode()).digest()[:8]
    return np.random.Generator(np.random.PCG64([seed, number, int.from_bytes(digest, "big")]))


@dataclass(frozen=True)
class Cursor:
    """Where a run is in its data: whole epochs read, and samples (over all ranks) read of the next one."""

    epoch: int
    consumed: int

    @classmethod
    def at(cls, step: int, batch: int, dataset: int) -> Cursor:
        """The cursor before step `step`: epochs follow one another without a gap, so a batch may span two of them."""
        return cls(*divmod(step * batch, dataset))
