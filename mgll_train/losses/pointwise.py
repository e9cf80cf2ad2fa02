"""The point-wise term of MGLL (arXiv:2511.15943, Eq. 4): one binary decision for every image and unique text."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from mgll_train import gather


def pointwise(
    logits: Tensor,
    targets: Tensor,
    valid: Tensor | None = None,
    *,
    reduction: Literal["mean", "eq4"] = "mean",
    count_weighted: bool = False,
    bias: Tensor | float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Binary cross entropy of `sigmoid(logits + bias)` with `targets > 0` over the valid pairs.

    logits (n, K): this rank's images and the unique texts of the global batch, fp32 or fp64. targets (n, K) >= 0.
    valid (n, K) bool: unknown pairs are False and take no part.
    reduction: "mean" over valid pairs, as the official code; "eq4" divides by the number of images with a valid pair,
    as the paper does, and so grows with K.
    count_weighted: weigh a text by the number of images (all ranks) that carry it, as the N x N form does.

    Returns (loss, floor): this rank's share, whose mean over ranks is the global value; the floor is 0.
    """
    valid = torch.ones_like(logits, dtype=torch.bool) if valid is None else valid
    positive = ((targets > 0) & valid).to(logits.dtype)
    pairs = valid.to(logits.dtype)
    if count_weighted:
        pairs = pairs * gather.all_reduce_sum(positive.sum(0))
    total = pairs.sum() if reduction == "mean" else valid.any(1).sum().to(logits.dtype)
    total = gather.all_reduce_sum(total)
    losses = F.binary_cross_entropy_with_logits(logits + bias, positive, reduction="none")
    loss = gather.world_size() * (pairs * losses).sum() / torch.where(total > 0, total, 1)
    return loss, torch.zeros_like(loss)
