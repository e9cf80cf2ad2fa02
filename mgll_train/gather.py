"""Collectives that carry gradients, and do nothing where there is one process.

The rule of the package: rank r returns a loss l_r whose mean over ranks is the loss of the global batch, and the
backward of a gather sums over ranks. DistributedDataParallel averages gradients, so they come out exact. A term that is
split over ranks is therefore multiplied by `world_size()` and divided by a normaliser summed over all ranks.

Every rank must call the same collectives in the same order: a rank with nothing to send sends an empty tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of ranks, 1 where torch.distributed is not initialised."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Index of this rank, 0 where torch.distributed is not initialised."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def all_reduce_sum(values: Tensor) -> Tensor:
    """Sum over ranks of a tensor of equal shape on every rank; with one rank the tensor itself. No gradient passes."""
    if world_size() == 1:
        return values.detach()
    total = values.detach().clone()
    dist.all_reduce(total)
    return total


def row_counts(rows: Tensor) -> list[int]:
    """Length of dimension 0 of `rows` on every rank, in rank order."""
    if world_size() == 1:
        return [rows.shape[0]]
    mine = torch.tensor([rows.shape[0]], dtype=torch.int64, device=rows.device)
    counts = [torch.empty_like(mine) for _ in range(world_size())]
    dist.all_gather(counts, mine)
    return [int(count) for count in torch.cat(counts).tolist()]


def all_gather_rows(rows: Tensor, counts: Sequence[int] | None = None) -> Tensor:
    """Concatenate `rows` of all ranks along dimension 0, in rank order; the ranks may hold different numbers of rows.

    counts: how many rows every rank holds, where that is known: it saves an exchange that the host waits for.
    All other dimensions and the dtype must agree. Floating tensors carry gradients: the backward is the sum over ranks
    of the gradients of the gathered tensor, cut to this rank's rows.
    """
    if world_size() == 1:
        return rows
    counts = row_counts(rows) if counts is None else counts
    if rows.requires_grad:
        gathered: Tensor = _GatherRows.apply(rows, counts)
        return gathered
    return _gather(rows, counts)


def _gather(rows: Tensor, counts: Sequence[int]) -> Tensor:
    # Collectives want equal shapes, so short ranks are padded and the padding is cut off again.
    padded = rows.new_zeros((max(counts), *rows.shape[1:]))
    padded[: rows.shape[0]] = rows
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: Sequence[int]) -> Tensor:
        ctx.counts = counts
        return _gather(rows.detach(), counts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        total = grads[0].contiguous().clone()
        dist.all_reduce(total)
        start = sum(ctx.counts[: rank()])
        return total[start : start + ctx.counts[rank()]], None
