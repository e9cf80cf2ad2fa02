"""One step's data on one rank, and how it travels from a loader process to the loop."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import Dataset

from mgll_train.batch import Batch
from mgll_train.budget import Broken


@dataclass(frozen=True)
class Loaded:
    """One step's data on one rank: the batch (None without a usable sample), what was left out, what to tell."""

    batch: Batch | None
    broken: tuple[Broken, ...]
    notes: tuple[str, ...] = ()

    def pin_memory(self) -> Loaded:
        """The same data in page-locked memory (the loader calls this on CUDA machines)."""
        return self if self.batch is None else replace(self, batch=self.batch.pin_memory())


@dataclass(frozen=True)
class Parcel:
    """A step's data on its way between processes: the images in shared memory, all else by value.

    A tensor in shared memory is a file, a descriptor and a connection; a batch has some thirty small ones.
    """

    images: Tensor
    rest: Loaded  # its batch holds arrays in the place of tensors

    @classmethod
    def pack(cls, loaded: Loaded) -> Parcel | Loaded:
        """The step's data for the way; without a batch it goes as it is."""
        if loaded.batch is None:
            return loaded
        small = replace(loaded.batch, images=torch.empty(0)).map(lambda tensor: tensor.numpy())
        return cls(loaded.batch.images, replace(loaded, batch=small))

    def unpack(self) -> Loaded:
        """The step's data as it was packed."""
        assert self.rest.batch is not None
        return replace(self.rest, batch=replace(self.rest.batch.map(torch.from_numpy), images=self.images))

    def pin_memory(self) -> Loaded:
        """The step's data in page-locked memory."""
        return self.unpack().pin_memory()


class Parcels(Dataset[Parcel | Loaded]):
    """The data of `steps`, packed for the way to another process."""

    def __init__(self, steps: Dataset[Loaded]) -> None:
        self.steps = steps

    def __getitem__(self, step: int) -> Parcel | Loaded:
        return Parcel.pack(self.steps[step])
