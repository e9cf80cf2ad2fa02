"""One step's data on one rank, and how it travels from a loader process to the loop."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count

import torch
from torch import Tensor
from torch.utils.data import Dataset

from mgll_train.batch import Batch
from mgll_train.budget import Broken
from mgll_train.errors import UserError


@dataclass(frozen=True)
class Loaded:
    """One step's data on one rank: the batch (None without a usable sample), what was left out, what to tell."""

    batch: Batch | None
    broken: tuple[Broken, ...]
    notes: tuple[str, ...] = ()

    def pin_memory(self) -> Loaded:
        """The same data in page-locked memory (the loader calls this on CUDA machines)."""
        return self if self.batch is None else replace(self, batch=self.batch.pin_memory())


_NUMBERS = count()
_AWAITED: dict[int, Slots] = {}


class Slots:
    """Memory that the processes of a loader share, in which the images of the steps travel, a slot each, in turn.

    A new piece of shared memory for every step costs a fault and a cleared page for each 4 KiB on both sides, which
    took a sixth of a loader's time.
    """

    def __init__(self, steps: int, size: int) -> None:
        """steps: most that are on their way at once. size: most bytes of the images of one.

        Raises UserError where the machine does not give so much shared memory.
        """
        self.number = next(_NUMBERS)
        self.steps = steps
        try:
            self._memory: Tensor = torch.empty(steps, size, dtype=torch.uint8).share_memory_()  # type: ignore[no-untyped-call]
            self._held: Tensor = torch.full((steps,), -1).share_memory_()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            raise UserError(
                f"the loader processes need {steps * size / 1e6:,.0f} MB of shared memory (/dev/shm), not free here: "
                "use fewer --workers or a smaller --batch, or give a container more (docker run --shm-size)"
            ) from error

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """What arrives in this process meanwhile is taken out of these slots: a parcel brings their number alone."""
        _AWAITED[self.number] = self
        try:
            yield
        finally:
            del _AWAITED[self.number]

    def put(self, step: int, images: Tensor) -> None:
        """Copy a step's uint8 images into its slot."""
        slot = step % self.steps
        self._memory[slot, : images.numel()] = images.flatten()
        self._held[slot] = step

    def take(self, step: int, shape: tuple[int, ...]) -> Tensor:
        """A copy of a step's images. Raises RuntimeError where another step's lie there by now."""
        slot = step % self.steps
        images = self._memory[slot, : math.prod(shape)].clone().view(shape)
        if self._held[slot] != step:
            raise RuntimeError(f"the images of step {step} were asked for too late")
        return images


@dataclass(frozen=True)
class Parcel:
    """A step's data on its way between processes: the images in a slot, all else by value.

    A tensor in shared memory is a file, a descriptor and a connection; a batch has some thirty small ones.
    """

    slots: int
    step: int
    shape: tuple[int, ...]  # of the images
    rest: Loaded  # its batch holds arrays in the place of tensors

    def unpack(self) -> Loaded:
        """The step's data as it was packed."""
        assert self.rest.batch is not None
        images = _AWAITED[self.slots].take(self.step, self.shape)
        return replace(self.rest, batch=replace(self.rest.batch.map(torch.from_numpy), images=images))

    def pin_memory(self) -> Loaded:
        """The step's data in page-locked memory."""
        return self.unpack().pin_memory()


class Parcels(Dataset[Parcel | Loaded]):
    """The data of `steps`, packed for the way to another process; without a batch as it is."""

    def __init__(self, steps: Dataset[Loaded], slots: Slots) -> None:
        self.steps, self.slots = steps, slots

    def __getitem__(self, step: int) -> Parcel | Loaded:
        loaded = self.steps[step]
        if loaded.batch is None:
            return loaded
        images = loaded.batch.images
        self.slots.put(step, images)
        rest = replace(loaded.batch, images=torch.empty(0)).map(lambda tensor: tensor.numpy())
        return Parcel(self.slots.number, step, tuple(images.shape), replace(loaded, batch=rest))
