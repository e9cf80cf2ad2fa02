"""The smooth KL term of MGLL (arXiv:2511.15943, Eq. 5-6): the levels should agree on which samples an image resembles.

Every level gives image i a distribution over the samples j of the batch: softmax over j of the mean logit of i with the
texts of j at that level. (Eq. 5 leaves the support open; samples are the only one that all levels share, and are what
the official code's matrices hold.) The term is the sum over levels of KL(P_level || M), M their mean: G times the
Jensen-Shannon divergence. A distribution depends on j only through its labels, so samples with equal labels at every
level are lumped: n x Q, not N x N.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mgll_train import gather
from mgll_train.first_order import first_order
from mgll_train.losses.masks import as_number


class SmoothKl(NamedTuple):
    """This rank's shares: the term, whose floor is 0, and the same divergence of the targets themselves.

    `of_targets` is not a bound of the term. It is the price that the term asks at the optimum of the soft CLIP term,
    whose coarse and fine distributions differ by nature. It costs as much as the term: 0 where it was not asked for.
    """

    loss: Tensor
    of_targets: Tensor


def smooth_kl(
    logits: Sequence[Tensor],
    targets: Sequence[Tensor],
    *,
    reduction: Literal["sum", "mean"] = "sum",
    kinds: Tensor | None = None,
    of_targets: bool = True,
) -> SmoothKl:
    """Sum (Eq. 6) or mean over levels of KL(P_level || M), averaged over the images that have texts at every level.

    kinds: (n,) int64, such as the modality of each image. Images are compared within their kind, whose levels in play
    are those that it has texts of: else no fundus photograph, which has no view, would count beside chest films.

    logits: one (n, K_g) matrix a level, fp32 or fp64, of this rank's images and the unique texts of the global batch.
    targets: one (n, K_g) matrix a level, > 0 where the text holds. Levels without a text in the whole batch are left
    out; with fewer than two levels or two complete samples the term is 0. The mean of the results over ranks is the
    global value.
    """
    nothing = torch.stack([matrix.sum() * 0 for matrix in logits]).sum()
    if kinds is None:
        kinds = torch.zeros(logits[0].shape[0], dtype=torch.int64, device=logits[0].device)
    divergence, price, samples = nothing, nothing.detach(), 0.0
    for kind in torch.unique(gather.all_gather_rows(kinds)).tolist():
        mine: slice | Tensor = kinds == kind
        if mine.all():  # type: ignore[union-attr]
            mine = slice(None)  # no copies
        found = _within([m[mine] for m in logits], [m[mine] > 0 for m in targets], reduction, of_targets)
        if found is not None:
            divergence, price = divergence + found[0], price + found[1]
            samples += found[2]
    share = gather.world_size() / samples if samples else 0.0
    return SmoothKl(divergence * share, (price * share).detach())


def _within(
    logits: Sequence[Tensor], holds: Sequence[Tensor], reduction: Literal["sum", "mean"], of_targets: bool
) -> tuple[Tensor, Tensor, float] | None:
    """This rank's divergences, predicted and of the targets, of images of one kind, and how many took part globally.

    None where fewer than two levels are in play or fewer than two samples are complete. Every rank must call it.
    """
    labels = torch.stack([as_number(matrix, torch.float32).sum(1) for matrix in holds])  # of each level and image
    in_play = gather.all_reduce_sum(labels.sum(1)) > 0
    chosen = [g for g, used in enumerate(in_play.tolist()) if used]
    if len(chosen) < 2:
        return None
    complete = (labels[chosen] > 0).all(0)
    everyone = bool(complete.all())
    carried = torch.cat([holds[g] for g in chosen], 1)
    tuples, repeats = _label_tuples(carried if everyone else carried[complete])
    samples = float(repeats.sum())
    if samples < 2:
        return None

    widths = [holds[g].shape[1] for g in chosen]
    log_repeats = repeats.to(logits[0].dtype).log()
    predicted, wanted = [], []
    for g, lumps in zip(chosen, torch.split(tuples, widths, 1), strict=True):
        predicted.append(_mean_of_labels(logits[g] if everyone else logits[g][complete], lumps) + log_repeats)
        if of_targets:
            kind = logits[g].dtype
            wanted.append(_log_target(holds[g][complete].to(kind), lumps.to(kind), repeats))
    parts = 1 if reduction == "sum" else len(chosen)
    price = _divergence(wanted) / parts if of_targets else torch.zeros_like(log_repeats[:1].sum())
    return _divergence(predicted) / parts, price, samples


def _mean_of_labels(logits: Tensor, lumps: Tensor) -> Tensor:
    """Mean logit (n, Q) of each image (n, K) over the labels of each lump (Q, K) bool."""
    counts = lumps.sum(1)
    most = int(counts.max())
    if most * 16 > lumps.shape[1]:
        return logits @ (as_number(lumps, logits.dtype) / counts[:, None]).T
    # Few labels of many: columns are picked, one label after another, which is far less work than the product.
    if most == 1:
        return logits.index_select(1, lumps.view(torch.uint8).argmax(1))
    order = lumps.view(torch.uint8).topk(most, 1).indices
    shares = torch.gather(lumps, 1, order).to(logits.dtype) / counts[:, None]
    return torch.stack([logits.index_select(1, order[:, m]) * shares[:, m] for m in range(most)]).sum(0)


def _divergence(scores: Sequence[Tensor]) -> Tensor:
    """Sum over rows and levels of KL(P_level || mean over levels), P the softmax of the scores (n, Q) of a level."""
    total: Tensor = _Divergence.apply(*scores)
    return total


class _Divergence(torch.autograd.Function):
    """Its gradient by log P_level is P_level (log P_level - log M), the very terms that it sums: one pass serves both.

    (The parts that come through M cancel: they add up to P_level, minus itself.) By the scores it is that less P_level
    times its sum over the row.
    """

    @staticmethod
    def forward(ctx: Any, *scores: Tensor) -> Tensor:
        terms = [F.log_softmax(level, 1) for level in scores]
        shares = [term.exp() for term in terms]
        mean = torch.stack(shares).sum(0) if len(shares) > 2 else shares[0] + shares[-1]
        # Where every share has underflown to 0 the terms are 0: the logarithm must only stay finite.
        log_mean = mean.clamp_min_(torch.finfo(mean.dtype).tiny).log_().sub_(math.log(len(shares)))
        for term, share in zip(terms, shares, strict=True):
            term.sub_(log_mean).mul_(share)
        rows = [term.sum(1, keepdim=True) for term in terms]
        if any(ctx.needs_input_grad):
            for term, share, row in zip(terms, shares, rows, strict=True):
                term.addcmul_(share, row, value=-1)
            ctx.save_for_backward(*terms)
        return torch.cat(rows).sum()

    @staticmethod
    @first_order
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        return tuple(grads[0] * gradient for gradient in ctx.saved_tensors)


def _log_target(labels: Tensor, lumps: Tensor, repeats: Tensor) -> Tensor:
    """Log distribution over lumps at the soft CLIP optimum: each label's weight spread evenly over its carriers."""
    repeats = repeats.to(lumps.dtype)
    carriers = repeats @ lumps
    weights = labels / labels.sum(1, keepdim=True)
    target = (weights / torch.where(carriers > 0, carriers, 1)) @ lumps.T * repeats
    return torch.where(target > 0, target, 1).log().masked_fill(target <= 0, -1e30)


def _label_tuples(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct rows (Q, K) bool of all ranks and how many samples have each (Q,) int64. No gradient."""
    mine, mine_repeats = _distinct(rows, torch.ones(len(rows), dtype=torch.int64, device=rows.device))
    if gather.world_size() == 1:
        return mine, mine_repeats
    counts = gather.row_counts(mine)
    everyone = gather.all_gather_rows(mine.to(torch.uint8), counts).bool()
    return _distinct(everyone, gather.all_gather_rows(mine_repeats, counts))


def _distinct(rows: Tensor, repeats: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct rows (Q, K) of (N, K) bool and the sum of the repeats (N,) of each, in an order of their own.

    Rows are told apart by a 64-bit key, the sum of a random number for each column: `torch.unique` over rows compares
    them one by one and took a fifth of the whole loss. Two rows share a key with a chance of 2^-64.
    """
    generator = torch.Generator().manual_seed(rows.shape[1])
    numbers = torch.randint(-(2**63), 2**63 - 1, (rows.shape[1],), generator=generator).to(rows.device)
    row, column = rows.nonzero(as_tuple=True)
    sums = torch.zeros(len(rows), dtype=torch.int64, device=rows.device).index_add(0, row, numbers[column])
    keys, place = torch.unique(sums, return_inverse=True)
    order = torch.arange(len(rows), device=rows.device)
    first = torch.full_like(keys, len(rows)).scatter_reduce(0, place, order, "amin")
    return rows[first], torch.zeros_like(keys).index_add(0, place, repeats)
