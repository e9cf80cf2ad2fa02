"""The soft CLIP term of MGLL (arXiv:2511.15943, Eq. 1-3) over unique texts.

The paper's denominators run over text instances. A text that c images carry stands c times in them, so the softmax
over instances is the softmax over unique texts with log c added to the logit: no text is encoded twice and no N x N
matrix is built.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor

from mgll_train import gather
from mgll_train.first_order import first_order
from mgll_train.losses.masks import MASKED, as_number, masked


def soft_clip(
    logits: Tensor,
    targets: Tensor,
    valid: Tensor | None = None,
    *,
    counts: Literal["instance", "unique"] = "instance",
    norm: Literal["images", "labels"] = "images",
    with_floor: bool = True,
) -> tuple[Tensor, Tensor]:
    """Mean of the image-to-text and text-to-image cross entropies with several positives a row.

    logits (n, K): scaled similarities of this rank's images and the unique texts of the global batch, fp32 or fp64.
    targets (n, K): 0/1 or weights >= 0; a row is divided by its sum (Eq. 3). Rows without a positive take no part.
    valid (n, K) bool: False takes the pair out of the numerators and denominators of its row and its column.
    counts: "instance" adds log of the number of images (all ranks) that carry a text, as Eq. 1 does; "unique" does not.
    norm: "images" divides by the number of labelled images (image to text) and of labels (text to image); "labels"
    divides both by the number of labels, Eq. 2 to the letter. Both are CLIP where every image has one text.

    Returns (loss, floor): this rank's share, whose mean over ranks is the global value. The floor is what separable
    features reach as the scale grows: entropy of the targets plus, for "instance", the expected log count. It costs a
    third of the term; without `with_floor` it is 0.
    """
    if logits.shape[1] == 0:
        nothing = logits.sum()
        return nothing, nothing.detach()
    known = None if valid is None else as_number(valid, logits.dtype)
    positives = targets.to(logits.dtype) if known is None else targets.to(logits.dtype) * known
    labels = positives.sum(1)
    has = labels.sign()
    each = has / labels.clamp_min(torch.finfo(labels.dtype).tiny)  # 1 / labels, 0 without any
    carriers, images = positives.sum(0), has.sum()[None]
    shares = carriers if norm == "images" else each @ positives  # of the columns
    if norm == "images":
        carriers, images = torch.split(gather.all_reduce_sum(torch.cat([carriers, images])), [len(carriers), 1])
        all_shares = carriers
    else:
        both = gather.all_reduce_sum(torch.cat([carriers, shares]))
        carriers, all_shares = torch.split(both, [len(carriers), len(carriers)])
    pairs = carriers.sum()[None]
    half = gather.world_size() / 2
    row_factor, column_factor = half / _or_one(images if norm == "images" else pairs), half / _or_one(pairs)

    alive = carriers > 0
    offset = torch.where(alive, carriers, 1).log() if counts == "instance" else torch.zeros_like(carriers)
    loss: Tensor = _SoftClip.apply(
        logits,
        positives,
        known,
        has,
        torch.where(alive, offset, MASKED),
        row_factor * each + (column_factor if norm == "images" else column_factor * each),
        row_factor * has,
        column_factor * shares,
        column_factor * all_shares,
    )
    if not with_floor:
        return loss, torch.zeros_like(loss).detach()
    weights = positives * each[:, None]
    spread = positives if norm == "images" else weights
    image_floor = (weights * torch.where(alive, offset, 0) - torch.xlogy(weights, weights)).sum()
    text_floor = -torch.xlogy(spread, spread / torch.where(alive, all_shares, 1)).sum()
    return loss, (row_factor[0] * image_floor + column_factor[0] * text_floor).detach()


class _SoftClip(torch.autograd.Function):
    """Both directions with their gradient in the same passes: softmax minus targets, by rows and by columns."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        positives: Tensor,  # (n, K), 0 where unknown
        known: Tensor | None,  # (n, K) 0 or 1
        has: Tensor,  # (n,) 0 or 1: takes part
        offset: Tensor,  # (K,) added to the logits of a row
        matched: Tensor,  # (n,) factor of a row's matched logits, in both directions
        row_factors: Tensor,  # (n,)
        my_column_factors: Tensor,  # (K,): from this rank's images
        column_factors: Tensor,  # (K,): from those of all ranks
    ) -> Tensor:
        scores = logits + offset if known is None else masked(logits + offset, known)
        row_top = scores.amax(1, keepdim=True)
        by_row = (scores - row_top).exp_()
        row_sum = by_row.sum(1, keepdim=True)
        row_lse = (row_sum.log() + row_top)[:, 0]

        seen = masked(logits, has[:, None] if known is None else has[:, None] * known, out=scores)
        top = _largest(seen)
        by_column = seen.sub_(top).exp_()
        column_lse = (by_column.sum(0).log_() + top).clamp_min_(MASKED)  # a rank may be without images
        world = gather.world_size()
        if world > 1:  # Only K numbers a rank are exchanged for the columns; images never are.
            column_lse = torch.logsumexp(gather.all_gather_rows(column_lse[None], [1] * world), 0)
        pull = positives * matched[:, None]
        if ctx.needs_input_grad[0]:
            by_row.mul_(row_factors[:, None] / row_sum)
            # Over ranks a column's gradient is the sum of those of all ranks' losses, so its factor is theirs together.
            by_column.mul_((top - column_lse).exp_().mul_(column_factors))
            ctx.save_for_backward(by_row.add_(by_column).sub_(pull))
        return (row_factors * row_lse).sum() + (my_column_factors * column_lse).sum() - pull.mul_(logits).sum()

    @staticmethod
    @first_order
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return grads[0] * ctx.saved_tensors[0], *(None,) * 8


def _largest(scores: Tensor) -> Tensor:
    """The largest score (K,) of each column, MASKED where there is no row."""
    rows, columns = scores.shape
    if not rows:
        return scores.new_full((columns,), MASKED)
    # Rows side by side: on a CPU torch goes through a narrow matrix one number at a time, twenty times as slowly.
    fold = 1 if rows % 16 else 16
    return scores.reshape(-1, fold * columns).amax(0).view(fold, columns).amax(0)


def _or_one(total: Tensor) -> Tensor:
    return torch.where(total > 0, total, 1)
