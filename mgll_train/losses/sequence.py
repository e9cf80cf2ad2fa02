"""Local alignment inside one pair of image and text: each word against what the picture answers to it.

All functions take padded sequences with masks, and padding changes nothing: masked places get weight 0 in every
softmax, mean and denominator. Each sample stands alone: ranks exchange nothing but the number of samples.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mgll_train import gather
from mgll_train.losses.masks import MASKED


def attend(queries: Tensor, keys: Tensor, key_mask: Tensor, temperature: float) -> Tensor:
    """What the keys answer to each query: unit vectors (n, Q, D) from unit queries (n, Q, D) and keys (n, P, D).

    key_mask (n, P) bool. The keys are averaged by a softmax of their cosines over `temperature`; a sample without keys
    gives zeros.
    """
    scores = (queries @ keys.transpose(1, 2) / temperature).masked_fill(~key_mask[:, None], MASKED)
    shares = torch.softmax(scores, 2) * key_mask[:, None]
    return F.normalize(shares @ keys, dim=2)


def sequence_nce(queries: Tensor, answers: Tensor, mask: Tensor, weights: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE of each query with its own answer against the answers of the same sample: (n,) losses.

    queries, answers (n, Q, D) unit vectors; mask (n, Q) bool, the places that exist; weights (n, Q) >= 0, divided by
    their sum over the places that exist. A sample without places, or without weight, has loss 0. MGCA's word and patch
    terms (arXiv:2210.06044, token-wise alignment), with padding out of the denominators.
    """
    logits = queries @ answers.transpose(1, 2) / temperature
    pairs = mask[:, :, None] & mask[:, None, :]
    logits = torch.where(pairs, logits, MASKED)
    diagonal = torch.where(mask, logits.diagonal(dim1=1, dim2=2), 0.0)
    rows = torch.logsumexp(logits, 2) - diagonal
    columns = torch.logsumexp(logits, 1) - diagonal
    shares = torch.where(mask, weights, 0.0)
    total = shares.sum(1, keepdim=True)
    shares = shares / torch.where(total > 0, total, 1.0)
    return (shares * torch.where(mask, rows + columns, 0.0)).sum(1) / 2


def mean_over_samples(losses: Tensor, counted: Tensor) -> Tensor:
    """This rank's share of the mean of per-sample losses (n,) over the samples `counted` (n,) bool on all ranks."""
    total = gather.all_reduce_sum(counted.sum().to(losses.dtype))
    return gather.world_size() * torch.where(counted, losses, 0.0).sum() / total.clamp_min(1)
