"""Tars to batches: samples are read, checked, decoded and put together in loader processes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Container, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mgll_data.schema import sample_problems
from mgll_train.batch import Sample, collate
from mgll_train.budget import Broken
from mgll_train.errors import DataError, UserError
from mgll_train.loaded import Loaded, Parcel, Parcels
from mgll_train.model import Preprocess
from mgll_train.order import epoch_order, parts
from mgll_train.picture import UnreadablePictureError, View, render
from mgll_train.shards import Reader
from mgll_train.targets import Unknown, Vocabulary

T = TypeVar("T")
# How many samples of later steps a rank tries in the place of a step's, when none of those can be read.
STAND_INS = 16


class BrokenSampleError(ValueError):
    """One sample of a tar cannot be used; the message says why."""


def read_sample(
    reader: Reader, number: int, view: View, concepts: Container[str], rng: np.random.Generator | None = None
) -> Sample:
    """Sample `number` with its picture as a uint8 tensor (3, size, size), its JSON object and its caption.

    The picture stays uint8 until it is on the model's device: a quarter of the bytes between processes.
    Raises BrokenSampleError if a part breaks contract version 1, names a concept that is not in `concepts`, or cannot
    be decoded, DataError if the tar itself is damaged.
    """
    key, image, text, caption = reader.read(number)
    try:
        meta = json.loads(text)
        problems = sample_problems(meta)
        if not problems and meta["uid"] != key:
            problems = [f"uid {meta['uid']!r} is not the member's name"]
        strange = {concept for concept in _named(meta) if concept not in concepts} if not problems else ()
        if strange:
            problems = [f"concepts that vocabulary.json does not hold: {', '.join(sorted(strange)[:5])}"]
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise BrokenSampleError(f"{reader.place(number)} ({key}): JSON is damaged: {error!r}") from error
    if problems:
        raise BrokenSampleError(f"{reader.place(number)} ({key}): {'; '.join(problems[:3])}")
    try:
        pixels = render(image, view, grey=meta["modality"] == "cxr", rng=rng)
        return Sample(torch.from_numpy(pixels), meta, caption.decode("utf-8"))
    except (UnreadablePictureError, UnicodeDecodeError) as error:
        raise BrokenSampleError(f"{reader.place(number)} ({key}): {error}") from error


def _named(meta: Mapping[str, Any]) -> Iterator[str]:
    """Every concept id in a sample's JSON."""
    yield from chain(*meta["concepts"].values())
    for text in chain(*meta["texts"].values()):
        yield from (*text["concepts"], *text.get("about", ()))


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

    LARGEST = 50_000  # texts, about 600 bytes each

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
        rng = np.random.Generator(np.random.PCG64([self.plan.seed, at]))
        try:
            return replace(read_sample(self.reader, number, self.view, self.concepts, rng), place=at)
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
    """uint8 RGB images (n, 3, H, W) as the model's image tower wants them: float32, (x / 255 - mean) / std."""
    mean = torch.tensor(wanted.mean, device=images.device).view(1, 3, 1, 1)
    std = torch.tensor(wanted.std, device=images.device).view(1, 3, 1, 1)
    return images.float().mul_(1 / (255 * std)).sub_(mean / std)


def worker_count(wanted: int, *, cuda: bool) -> int:
    """Number of loader processes: as wanted, or for -1 as many as pay.

    A GPU is fed by one process a core, at most 8. On a CPU the model needs the cores more than the loader does, which
    reads some hundred images a second in one process.
    """
    if wanted >= 0:
        return wanted
    return min(8, cores()) if cuda else max(1, cores() // 4)


def cores() -> int:
    """Processors for this rank: those of the machine, shared by the ranks that torchrun started on it."""
    return max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def load_steps(steps: Steps, first: int, last: int, *, workers: int, cuda: bool) -> Iterator[Loaded]:
    """The data of steps first..last-1 in order. With workers, each builds whole batches ahead of the loop."""
    loader: DataLoader[Loaded | Parcel] = DataLoader(
        Parcels(steps) if workers else steps,
        batch_size=None,
        sampler=range(first, last),
        # Without a generator of its own the loader takes a number from torch's: a resumed run would see another stream.
        generator=torch.Generator(),
        num_workers=workers,
        pin_memory=cuda,
        prefetch_factor=2 if workers else None,
        worker_init_fn=prepare_worker if workers else None,
    )
    with closing(guarded(iter(loader))) as batches:
        for loaded in batches:
            yield loaded.unpack() if isinstance(loaded, Parcel) else loaded


def guarded(batches: Iterator[T]) -> Generator[T, None, None]:
    """The batches; ends the loader processes with the loop, and says in words when one was killed."""
    try:
        yield from batches
    except RuntimeError as error:
        if "DataLoader worker" in str(error):
            raise DataError(
                f"a loader process died ({error}). If memory ran out, lower --workers; --resume auto goes on from the "
                "last checkpoint"
            ) from error
        raise
    finally:
        # The processes ignore SIGTERM, which a scheduler sends to all: end them through their queues.
        shutdown = getattr(batches, "_shutdown_workers", None)
        if shutdown is not None:
            shutdown()


def prepare_worker(_: int) -> None:
    import cv2

    # One thread a worker: the processes are the parallelism. A Ctrl-C or a scheduler's SIGTERM reaches the whole group;
    # the loop answers it with a checkpoint and ends the workers itself.
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
