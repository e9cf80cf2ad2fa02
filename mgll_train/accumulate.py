"""Micro-batches with the gradients of the whole batch: GradCache (Gao et al. 2021, arXiv:2101.06983), for any loss.

A contrastive loss needs the features of the whole batch at once, but not what the towers keep for their backward. So a
tower takes its rows in pieces and keeps nothing but their features; the loss and its gradients by these features are
those of the whole batch; then each piece runs again, with the random numbers it had, and takes its backward at once.
torch's checkpointing of a function is just that. The graph stays one: the gradients are exact, those of the logit scale
and of the objective's heads included, there is one backward, and DistributedDataParallel exchanges gradients once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Out = TypeVar("Out", Tensor, tuple[Tensor, ...])


@dataclass(frozen=True)
class Pieces:
    """How the rows of a rank are cut before they go through a tower.

    number: micro-batches of images (and of captions that are encoded for their words); above 1, every piece runs again
    in the backward. rows: size of each such piece, filled up by repeating the last row, 0 for an equal part of what
    there is. texts: the same for the unique texts. Equal sizes keep a compiled tower from being compiled again.
    """

    number: int = 1
    rows: int = 0
    texts: int = 0


def in_pieces(encode: Callable[[Tensor], Out], rows: Tensor, *, number: int, size: int, again: bool) -> Out:
    """What `encode` gives for all rows, where it sees at least `number` pieces of them, one after another.

    encode: from rows (m, ...) to one or several tensors whose first dimension is m; where the second differs between
    pieces (words of texts), the shorter are padded with zeros. size: rows of each piece, 0 for equal parts. again:
    keep only the results and run the piece again in the backward, under the same random numbers.
    Every piece has at least one row, so that ranks with few rows run the tower, and what it exchanges, equally often.
    """
    number = max(number, -(-len(rows) // size)) if size else number
    if number == 1 and not size and not again:
        return encode(rows)
    wanted = number * size if size else max(len(rows), number)
    filled = rows[torch.arange(wanted, device=rows.device).clamp(max=len(rows) - 1)] if wanted > len(rows) else rows
    found: list[Out] = [
        checkpoint(encode, piece, use_reentrant=False) if again else encode(piece)
        for piece in torch.tensor_split(filled, number)
    ]
    if isinstance(found[0], Tensor):
        return _joined(found, len(rows))
    return tuple(_joined(list(parts), len(rows)) for parts in zip(*found, strict=True))


def _joined(parts: list[Tensor], count: int) -> Tensor:
    """The first `count` rows of all parts (m, ...), whose second dimensions are brought to the longest."""
    if parts[0].ndim > 1:
        longest = max(part.shape[1] for part in parts)
        # F.pad counts dimensions from the last.
        parts = [F.pad(part, (0, 0) * (part.ndim - 2) + (0, longest - part.shape[1])) for part in parts]
    return torch.cat(parts)[:count]
