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
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mgll_train import gather


class SmoothKl(NamedTuple):
    """This rank's shares: the term, its floor (0), and the same divergence of the targets themselves.

    `of_targets` is not a bound of the term. It is the price that the term asks at the optimum of the soft CLIP term,
    whose coarse and fine distributions differ by nature.
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
    divergence, of_targets, samples = nothing, nothing.detach(), 0.0
    for kind in torch.unique(gather.all_gather_rows(kinds)).tolist():
        mine = kinds == kind
        found = _within([m[mine] for m in logits], [m[mine] > 0 for m in targets], reduction)
        if found is not None:
            divergence, of_targets = divergence + found[0], of_targets + found[1]
            samples += found[2]
    share = gather.world_size() / samples if samples else 0.0
    return SmoothKl(divergence * share, torch.zeros_like(of_targets), (of_targets * share).detach())


def _within(
    logits: Sequence[Tensor], holds: Sequence[Tensor], reduction: Literal["sum", "mean"]
) -> tuple[Tensor, Tensor, float] | None:
    """This rank's divergences, predicted and of the targets, of images of one kind, and how many took part globally.

    None where fewer than two levels are in play or fewer than two samples are complete. Every rank must call it.
    """
    in_play = gather.all_reduce_sum(torch.stack([matrix.sum() for matrix in holds])) > 0
    chosen = [g for g, used in enumerate(in_play.tolist()) if used]
    if len(chosen) < 2:
        return None
    complete = torch.stack([holds[g].any(1) for g in chosen]).all(0)
    tuples, repeats = _label_tuples(torch.cat([holds[g] for g in chosen], 1)[complete])
    samples = float(repeats.sum())
    if samples < 2:
        return None

    widths = [holds[g].shape[1] for g in chosen]
    log_repeats = repeats.to(logits[0].dtype).log()
    predicted, wanted = [], []
    for g, lumps in zip(chosen, torch.split(tuples, widths, 1), strict=True):
        lump_labels = lumps.to(logits[g].dtype)
        mean_of_labels = lump_labels / lump_labels.sum(1, keepdim=True)
        predicted.append(F.log_softmax(logits[g][complete] @ mean_of_labels.T + log_repeats, 1))
        wanted.append(_log_target(holds[g][complete].to(logits[g].dtype), lump_labels, repeats))
    parts = 1 if reduction == "sum" else len(chosen)
    return _divergence(predicted) / parts, _divergence(wanted) / parts, samples


def _divergence(log_p: Sequence[Tensor]) -> Tensor:
    """Sum over rows and levels of KL(P_level || mean over levels), from log probabilities (n, Q) a level."""
    log_mean = torch.logsumexp(torch.stack(list(log_p)), 0) - math.log(len(log_p))
    return torch.stack([(p.exp() * (p - log_mean)).sum() for p in log_p]).sum()


def _log_target(labels: Tensor, lumps: Tensor, repeats: Tensor) -> Tensor:
    """Log distribution over lumps at the soft CLIP optimum: each label's weight spread evenly over its carriers."""
    repeats = repeats.to(lumps.dtype)
    carriers = repeats @ lumps
    weights = labels / labels.sum(1, keepdim=True)
    target = (weights / torch.where(carriers > 0, carriers, 1)) @ lumps.T * repeats
    return torch.where(target > 0, target, 1).log().masked_fill(target <= 0, -1e30)


def _label_tuples(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct rows (Q, K) bool of all ranks and how many samples have each (Q,) int64. No gradient."""
    mine, mine_repeats = torch.unique(rows.to(torch.uint8), dim=0, return_counts=True)
    if gather.world_size() == 1:
        return mine.bool(), mine_repeats
    everyone = gather.all_gather_rows(mine)
    repeats = gather.all_gather_rows(mine_repeats)
    distinct, place = torch.unique(everyone, dim=0, return_inverse=True)
    total = torch.zeros(distinct.shape[0], dtype=repeats.dtype, device=repeats.device)
    return distinct.bool(), total.index_add(0, place, repeats)
