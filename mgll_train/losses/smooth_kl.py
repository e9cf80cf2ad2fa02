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


class SmoothKl(NamedTuple):
    """This rank's shares: the term, its floor (0), and the same divergence of the targets themselves.

    `of_targets` is not a bound of the term. It is the price that the term asks at the optimum of the soft CLIP term,
    whose coarse and fine distributions differ by nature. It costs as much as the term: 0 where it was not asked for.
    """

    loss: Tensor
    floor: Tensor
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
    return SmoothKl(divergence * share, torch.zeros_like(price), (price * share).detach())


def _within(
    logits: Sequence[Tensor], holds: Sequence[Tensor], reduction: Literal["sum", "mean"], of_targets: bool
) -> tuple[Tensor, Tensor, float] | None:
    """This rank's divergences, predicted and of the targets, of images of one kind, and how many took part globally.

    None where fewer than two levels are in play or fewer than two samples are complete. Every rank must call it.
    """
    in_play = gather.all_reduce_sum(torch.stack([matrix.sum() for matrix in holds])) > 0
    chosen = [g for g, used in enumerate(in_play.tolist()) if used]
    if len(chosen) < 2:
        return None
    complete = torch.stack([holds[g].any(1) for g in chosen]).all(0)
    everyone = bool(complete.all())
    tuples, repeats = _label_tuples(torch.cat([holds[g] for g in chosen], 1)[complete])
    samples = float(repeats.sum())
    if samples < 2:
        return None

    widths = [holds[g].shape[1] for g in chosen]
    log_repeats = repeats.to(logits[0].dtype).log()
    predicted, wanted = [], []
    for g, lumps in zip(chosen, torch.split(tuples, widths, 1), strict=True):
        scores = _mean_of_labels(logits[g] if everyone else logits[g][complete], lumps)
        predicted.append(F.log_softmax(scores + log_repeats, 1))
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
        return logits @ (lumps.to(logits.dtype) / counts[:, None]).T
    # Few labels of many: columns are picked, one label after another, which is far less work than the product.
    if most == 1:
        return logits[:, lumps.to(torch.uint8).argmax(1)]
    order = lumps.to(torch.uint8).topk(most, 1).indices
    shares = torch.gather(lumps, 1, order).to(logits.dtype) / counts[:, None]
    return torch.stack([logits[:, order[:, m]] * shares[:, m] for m in range(most)]).sum(0)


def _divergence(log_p: Sequence[Tensor]) -> Tensor:
    """Sum over rows and levels of KL(P_level || mean over levels), from log probabilities (n, Q) a level."""
    total: Tensor = _Divergence.apply(*log_p)
    return total


class _Divergence(torch.autograd.Function):
    """Its gradient by log P_level is P_level (log P_level - log M), the very terms that it sums: one pass serves both.

    (The parts that come through M cancel: they add up to P_level, minus itself.)
    """

    @staticmethod
    def forward(ctx: Any, *log_p: Tensor) -> Tensor:
        shares = [p.exp() for p in log_p]
        mean = torch.stack(shares).sum(0) if len(shares) > 2 else shares[0] + shares[-1]
        # Where every share has underflown to 0 the terms are 0: the logarithm must only stay finite.
        log_mean = mean.clamp_min(torch.finfo(mean.dtype).tiny).log_().sub_(math.log(len(shares)))
        terms = [(p - log_mean).mul_(share) for p, share in zip(log_p, shares, strict=True)]
        ctx.save_for_backward(*terms)
        return torch.stack([term.sum() for term in terms]).sum()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        return tuple(grads[0] * term for term in ctx.saved_tensors)


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
    return _distinct(gather.all_gather_rows(mine.to(torch.uint8)).bool(), gather.all_gather_rows(mine_repeats))


def _distinct(rows: Tensor, repeats: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct rows (Q, K) of (N, K) bool and the sum of the repeats (N,) of each, in an order of their own.

    Rows are told apart by a 64-bit key, the sum of a random number for each column: `torch.unique` over rows compares
    them one by one and took a fifth of the whole loss. Two rows share a key with a chance of 2^-64.
    """
    generator = torch.Generator().manual_seed(rows.shape[1])
    numbers = torch.randint(-(2**63), 2**63 - 1, (rows.shape[1],), generator=generator).to(rows.device)
    keys, place = torch.unique((rows * numbers).sum(1), return_inverse=True)
    order = torch.arange(len(rows), device=rows.device)
    first = torch.full_like(keys, len(rows)).scatter_reduce(0, place, order, "amin")
    return rows[first], torch.zeros_like(keys).index_add(0, place, repeats)
