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
    if valid is not None and not torch.compiler.is_compiling() and valid.all():
        valid = None  # all pairs known: no masks, no passes over them
    holds = targets > 0 if valid is None else (targets > 0) & valid
    positive = holds.to(logits.dtype)
    weights = gather.all_reduce_sum(positive.sum(0)) if count_weighted else torch.ones_like(positive[:1].sum(0))
    rows = float(len(logits)) if logits.shape[1] else 0.0
    if reduction == "eq4":
        total = logits.new_tensor(rows) if valid is None else valid.any(1).sum().to(logits.dtype)
    else:
        total = rows * weights.sum() if valid is None else (valid.to(logits.dtype) @ weights).sum()
    total = gather.all_reduce_sum(total)
    # -log sigmoid(z) where the text holds, -log(1 - sigmoid(z)) where not: softplus(z) - y z, finite for every z.
    scores = logits + bias
    negatives = F.softplus(scores) if valid is None else torch.where(valid, F.softplus(scores), 0)
    losses = negatives.sum(0) - (positive * scores).sum(0)
    loss = gather.world_size() * (weights * losses).sum() / torch.where(total > 0, total, 1)
    return loss, torch.zeros_like(loss)
