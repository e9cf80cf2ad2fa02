"""The soft CLIP term of MGLL (arXiv:2511.15943, Eq. 1-3) over unique texts.

The paper's denominators run over text instances. A text that c images carry stands c times in them, so the softmax
over instances is the softmax over unique texts with log c added to the logit: no text is encoded twice and no N x N
matrix is built.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from mgll_train import gather

# Finite stand-in for minus infinity: a row with every entry masked keeps finite gradients.
MASKED = -1e30


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
    if valid is not None and not torch.compiler.is_compiling() and valid.all():
        valid = None  # all pairs known: no masks, no passes over them
    world = gather.world_size()
    positives = (targets if valid is None else torch.where(valid, targets, 0)).to(logits.dtype)
    labels = positives.sum(1)
    has = labels > 0
    weights = positives / torch.where(has, labels, 1)[:, None]
    shares = positives if norm == "images" else weights

    scalars = torch.stack([has.sum().to(labels), labels.sum()])
    totals = gather.all_reduce_sum(torch.cat([positives.sum(0), shares.sum(0), scalars]))
    carriers, column_shares, (images, pairs) = torch.split(totals, [logits.shape[1], logits.shape[1], 2])
    rows_total = _or_one(images if norm == "images" else pairs)
    columns_total = _or_one(pairs)

    alive = carriers > 0
    offset = torch.where(alive, carriers, 1).log() if counts == "instance" else torch.zeros_like(carriers)
    offset = torch.where(alive, offset, MASKED)
    scores = logits + offset if valid is None else torch.where(valid, logits + offset, MASKED)
    # Rows of weights sum to 1 where there is a label, columns of shares to their total: no difference a pair is formed.
    matched = (weights * logits).sum()
    image_to_text = torch.where(has, torch.logsumexp(scores, 1), 0).sum() - matched

    seen = torch.where(has[:, None] if valid is None else valid & has[:, None], logits, MASKED)
    # Only K numbers a rank are exchanged for the columns; images never are.
    column_lse = torch.logsumexp(gather.all_gather_rows(_logsumexp_rows(seen)), 0)
    shared = matched if norm == "labels" else (shares * logits).sum()
    text_to_image = (shares.sum(0) * column_lse).sum() - shared

    loss = world * (image_to_text / rows_total + text_to_image / columns_total) / 2
    if not with_floor:
        return loss, torch.zeros_like(loss).detach()
    image_floor = (weights * torch.where(alive, offset, 0) - torch.xlogy(weights, weights)).sum()
    text_floor = -torch.xlogy(shares, shares / torch.where(alive, column_shares, 1)).sum()
    floor = world * (image_floor / rows_total + text_floor / columns_total) / 2
    return loss, floor.detach()


def _logsumexp_rows(scores: Tensor) -> Tensor:
    """logsumexp over dimension 0 as (1, K); (0, K) from a rank without images."""
    return torch.logsumexp(scores, 0, keepdim=True) if scores.shape[0] else scores


def _or_one(total: Tensor) -> Tensor:
    return torch.where(total > 0, total, 1)
