"""Every sample of a split once, in the order of the shards, for evaluation."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from mgll_train.batch import Sample, stack_images
from mgll_train.budget import Broken
from mgll_train.errors import DataError
from mgll_train.picture import View
from mgll_train.shards import Reader
from mgll_train.stream import BrokenSampleError, read_sample
from mgll_train.vocabulary import Vocabulary
from mgll_train.workers import guarded, prepare_worker, started


class Pictures(Dataset[tuple[int, Sample | Broken]]):
    """Every sample once, in the order of the shards, as it is stored: for evaluation."""

    def __init__(self, reader: Reader, view: View, vocabulary: Vocabulary) -> None:
        self.reader, self.view, self.concepts = reader, view, frozenset(vocabulary.concepts)

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, number: int) -> tuple[int, Sample | Broken]:
        try:
            return number, read_sample(self.reader, number, self.view, self.concepts)
        except (BrokenSampleError, DataError) as error:
            return number, Broken(number, str(error), isinstance(error, DataError))


@dataclass(frozen=True)
class Pack:
    """Readable samples of an evaluation batch: images, their JSON and captions.

    images: (n, 3 or 1, H, W) uint8, None for n = 0. broken: what could not be read.

    The images are stacked in the loader process: one shared memory file a batch, not one an image.
    """

    images: Tensor | None
    metas: tuple[Mapping[str, Any], ...]
    captions: tuple[str, ...]
    broken: tuple[Broken, ...]


def _pack(entries: Sequence[tuple[int, Sample | Broken]]) -> Pack:
    samples = [entry for _, entry in entries if isinstance(entry, Sample)]
    images = stack_images([sample.image for sample in samples]) if samples else None
    broken = tuple(entry for _, entry in entries if isinstance(entry, Broken))
    return Pack(images, tuple(s.meta for s in samples), tuple(s.caption for s in samples), broken)


def load_pictures(pictures: Dataset[tuple[int, Sample | Broken]], batch: int, *, workers: int) -> Generator[Pack]:
    """Batches of at most `batch` samples for evaluation, in order. Close it where it is not read to its end."""
    loader: DataLoader[Any] = DataLoader(
        pictures,
        batch_size=batch,
        # Without a generator of its own the loader takes a number from torch's, which a run that trains would miss.
        generator=torch.Generator(),
        num_workers=workers,
        collate_fn=_pack,
        worker_init_fn=prepare_worker if workers else None,
    )
    return guarded(started(loader))
