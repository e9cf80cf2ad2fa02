"""Tars to batches: samples are read, checked, decoded and put together. `workers` does so in loader processes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mgll_data.schema import sample_problems
from mgll_train.batch import Sample, collate
from mgll_train.budget import Broken
from mgll_train.errors import DataError, UserError
from mgll_train.loaded import Loaded
from mgll_train.model import Preprocess
from mgll_train.order import epoch_order, parts
from mgll_train.picture import UnreadablePictureError, View, render
from mgll_train.shards import Reader
from mgll_train.targets import Unknown
from mgll_train.vocabulary import Vocabulary

# How many samples of later steps a rank tries in the place of a step's, when none of those can be read.
STAND_INS = 16


class BrokenSampleError(ValueError):
    """One sample of a tar cannot be used; the message says why."""


def read_sample(
    reader: Reader, number: int, view: View, concepts: frozenset[str], rng: Random | None = None, place: int = 0
) -> Sample:
    """Sample `number` with its picture as a uint8 tensor (3 or 1, size, size), its JSON object and its caption.

    place: see `Sample`. The picture stays uint8 until it is on the model's device: a quarter of the bytes between
    processes. Raises BrokenSampleError if a part breaks contract version 1, names a concept that is not in `concepts`,
    or cannot be decoded, DataError if the tar itself is damaged.
    """
    key, image, text, caption = reader.read(number)
    try:
        meta = json.loads(text)
        problems = sample_problems(meta)
        if not problems and meta["uid"] != key:
            problems = [f"uid {meta['uid']!r} is not the member's name"]
        if not problems and not concepts.issuperset(_named(meta)):
            strange = sorted(set(_named(meta)) - concepts)
            problems = [f"concepts that vocabulary.json does not hold: {', '.join(strange[:5])}"]
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise BrokenSampleError(f"{reader.place(number)} ({key}): JSON is damaged: {error!r}") from error
    if problems:
        raise BrokenSampleError(f"{reader.place(number)} ({key}): {'; '.join(problems[:3])}")
    try:
        pixels = render(image, view, grey=meta["modality"] == "cxr", rng=rng)
        return Sample(torch.from_numpy(pixels), meta, caption.decode("utf-8"), place)
    except (UnreadablePictureError, UnicodeDecodeError) as error:
        raise BrokenSampleError(f"{reader.place(number)} ({key}): {error}") from error


def _named(meta: Mapping[str, Any]) -> Iterator[str]:
    """Every concept id in a sample's JSON."""
    texts = [*chain(*meta["texts"].values())]
    return chain(*meta["concepts"].values(), *[t["concepts"] for t in texts], *[t.get("about", ()) for t in texts])


@dataclass(frozen=True)
class Plan:
    """What decides the samples of every step. batch: samples a step over all `world` ranks, of which this is `rank`.

    weights: shares of the datasets, or none for their sizes (see `order.parts`). texts: most texts of a sample at a
    level, drawn anew each time, or None for all. one_level: a step brings the texts of one level, drawn for the step.
    """

    seed: int
    batch: int
    window: int
    identity: tuple[str, ...]
    rank: int = 0
    world: int = 1
    weights: tuple[float, ...] = ()
    texts: int | None = None
    one_level: bool = False


class CachedTokenizer:
    """A tokenizer that remembers: a dataset has few distinct texts, and every batch brings most of them again."""

    LARGEST = 50_000  # texts: some 35 MB a process at 77 tokens each, 100 MB at 256

    def __init__(self, tokenizer: Callable[[list[str]], Tensor]) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, Tensor] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_tokenizer": self._tokenizer, "_known": {}}

    def __call__(self, texts: list[str]) -> Tensor:
        """Tokens (len(texts), L) int64."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if len(self._known) + len(new) > self.LARGEST:
            self._known, new = {}, list(dict.fromkeys(texts))
        if new:
            self._known.update(zip(new, self._tokenizer(new), strict=True))
        return torch.stack([self._known[text] for text in texts]) if texts else self._tokenizer([])


class Steps(Dataset[Loaded]):
    """The data of step k, a pure function of (plan, k): the number of loader workers has no part in it.

    Epochs follow one another without a gap and every rank gets batch / world samples of every step.
    """

    def __init__(
        self,
        reader: Reader,
        plan: Plan,
        view: View,
        *,
        levels: Sequence[str],
        vocabulary: Vocabulary,
        tokenizer: Callable[[list[str]], Tensor],
        unknown: Unknown,
        notes: list[str] | None = None,
    ) -> None:
        if plan.batch > len(reader):
            raise UserError(
                f"a batch of {plan.batch} is larger than the {len(reader)} samples there are: lower --batch"
            )
        if plan.batch % plan.world:
            raise UserError(f"a batch of {plan.batch} cannot be shared by {plan.world} ranks: use a multiple of that")
        self.reader, self.plan, self.view, self.concepts = reader, plan, view, frozenset(vocabulary.concepts)
        self.mix, self._levels, self._notes = (
            parts(reader.shards, plan.weights),
            tuple(levels),
            [] if notes is None else notes,
        )
        self._collate = partial(
            collate,
            levels=levels,
            vocabulary=vocabulary,
            tokenizer=CachedTokenizer(tokenizer),
            unknown=unknown,
            texts_per_level=plan.texts,
            seed=plan.seed,
        )
        self._orders: dict[int, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_orders": {}}

    def numbers(self, step: int) -> list[tuple[int, int]]:
        """(place, sample number) of this rank's share of a step; places count all samples since the run's start."""
        first = step * self.plan.batch
        return [
            (at, self._number(at)) for at in range(first + self.plan.rank, first + self.plan.batch, self.plan.world)
        ]

    def __getitem__(self, step: int) -> Loaded:
        broken: list[Broken] = []
        samples = [s for at, number in self.numbers(step) if (s := self._sample(at, number, broken)) is not None]
        # A rank cannot sit out a step that others make: it takes the next of its samples that can be read.
        for later in range(step + 1, step + 1 + STAND_INS):
            if samples or any(entry.fatal for entry in broken):
                break
            at, number = self.numbers(later)[0]
            samples = [s for s in [self._sample(at, number, broken)] if s is not None]
        notes = tuple(self._notes)
        self._notes.clear()
        return Loaded(self._collate(samples, drawn=self._drawn(step)) if samples else None, tuple(broken), notes)

    def _sample(self, at: int, number: int, broken: list[Broken]) -> Sample | None:
        # A generator for each place: crops and grey levels follow it, not the process that reads the sample.
        rng = Random(f"{self.plan.seed}/{at}")
        try:
            return read_sample(self.reader, number, self.view, self.concepts, rng, at)
        except (BrokenSampleError, DataError) as error:
            broken.append(Broken(number, str(error), isinstance(error, DataError)))
            return None

    def _drawn(self, step: int) -> tuple[str, ...] | None:
        if not self.plan.one_level:
            return None
        chosen = np.random.Generator(np.random.PCG64([self.plan.seed, step, len(self._levels)]))
        return (self._levels[int(chosen.integers(len(self._levels)))],)

    def _number(self, at: int) -> int:
        epoch, row = divmod(at, len(self.reader))
        if epoch not in self._orders:
            plan = self.plan
            self._orders = {kept: order for kept, order in self._orders.items() if kept == epoch - 1}
            self._orders[epoch] = epoch_order(
                self.mix, seed=plan.seed, epoch=epoch, identity=plan.identity, window=plan.window
            )
        return int(self._orders[epoch][row])


def normalise(images: Tensor, wanted: Preprocess) -> Tensor:
    """uint8 images (n, 3 or 1, H, W) as the model's image tower wants them: float32 RGB, (x / 255 - mean) / std."""
    mean = torch.tensor(wanted.mean, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(wanted.std, device=images.device).view(1, 3, 1, 1)
    scale, shift = 1 / (255 * std), mean / std
    result = torch.empty((len(images), 3, *images.shape[2:]), device=images.device)
    # A CPU makes both passes over one image while it lies in the cache; a GPU takes all of them in one kernel.
    pieces = 1 if images.device.type == "cpu" else max(1, len(images))
    for raw, into in zip(torch.split(images, pieces), torch.split(result, pieces), strict=True):
        into.copy_(raw).mul_(scale).sub_(shift)
    return result
