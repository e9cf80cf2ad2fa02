"""Hard negatives for matching: drawn by similarity, never a pair that tells the same, equal on any number of ranks."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def draw_negatives(scores: Tensor, forbidden: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """For each row a column drawn from softmax(scores), or -1 where every column is forbidden: (n,) int64.

    scores (n, K); forbidden (n, K) bool; rows (n,) and columns (K,) int64 ids, which decide the draw together (Gumbel
    maximum with noise hashed from the two ids): the same pairs are drawn however they lie on ranks. Batches change the
    scores, so the draw of a pair changes over a run.
    """
    if scores.shape[1] == 0:
        return torch.full((len(scores),), -1, dtype=torch.int64, device=scores.device)
    noise = uniform(rows[:, None], columns[None, :])
    noisy = torch.where(forbidden, -torch.inf, scores.double() - (-noise.log()).log())
    return torch.where(forbidden.all(1), -1, noisy.argmax(1))


def uniform(one: Tensor, two: Tensor) -> Tensor:
    """Numbers in (0, 1), fp64, hashed from two broadcast int64 tensors (the finaliser of MurmurHash3, 64 bits)."""
    mixed = one * -7046029254386353131 + two * -4417276706812531889
    for factor in (-49064778989728563, -4265267296055464877):
        mixed = (mixed ^ ((mixed >> 33) & 0x7FFFFFFF)) * factor
    mixed = mixed ^ ((mixed >> 33) & 0x7FFFFFFF)
    return (((mixed >> 11) & ((1 << 53) - 1)).double() + 0.5) / (1 << 53)
