"""Modules of MLIP's reading: the divergence encoder, Tucker fusion, and the swapping of words between reports."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgll_train.losses.mining import uniform


class Divergence(nn.Module):
    """Similar yet distinct features: a unit vector moved by a small network of a thinned copy of itself."""

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.move = nn.Sequential(nn.Dropout(dropout), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))

    def forward(self, features: Tensor) -> Tensor:
        """Unit vectors (n, D) of unit vectors (n, D)."""
        return F.normalize(features + self.move(features), dim=1)


def divergence_band(moved: Tensor, features: Tensor, low: float = 0.6, high: float = 0.95) -> Tensor:
    """How far each moved vector lies outside the band of cosines [low, high] to its own, held still: (n,), 0 inside."""
    cosine = (moved * features.detach()).sum(1)
    return F.relu(cosine - high) + F.relu(low - cosine)


class Tucker(nn.Module):
    """Fusion of three vectors by a core tensor: linear in each of them (Tucker, Psychometrika 1966), without bias."""

    def __init__(self, dim: int, ranks: tuple[int, int, int]) -> None:
        super().__init__()
        self.factors = nn.ModuleList(nn.Linear(dim, rank, bias=False) for rank in ranks)
        self.core = nn.Parameter(torch.randn(*ranks, dim) / (ranks[0] * ranks[1] * ranks[2]) ** 0.5)

    def forward(self, image: Tensor, text: Tensor, knowledge: Tensor) -> Tensor:
        """Fused vectors (n, D) of three times (n, D)."""
        one, two, three = (factor(x) for factor, x in zip(self.factors, (image, text, knowledge), strict=True))
        return torch.einsum("na,nb,nc,abcd->nd", one, two, three, self.core)


class MatchHead(nn.Module):
    """Whether an image and a text belong together: a logit (n,) from both and their product."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3 * dim, dim), nn.ReLU(), nn.Linear(dim, 1))

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        """Logits (n,) of images and texts (n, D)."""
        logits: Tensor = self.layers(torch.cat([image, text, image * text], 1))[:, 0]
        return logits


@torch.no_grad()
def swap_plan(mask: Tensor, ids: Tensor, partners: Tensor) -> tuple[Tensor, Tensor]:
    """Which words to replace, (n, L) bool, and each word's index among the words of its text, (n, L) int64.

    mask (n, L): words that exist, in one run. ids (n,) int64 decide: half of the samples get a run of 20 to 50 % of
    their words replaced, wherever they lie on ranks; a sample without a partner (-1) or without words gets none.
    """
    count = mask.sum(1)
    chance, share, place = (uniform(ids, torch.full_like(ids, salt)) for salt in (1, 2, 3))
    length = (count * (0.2 + 0.3 * share)).ceil().long()
    start = (place * (count - length + 1)).floor().long()
    index = mask.long().cumsum(1) - 1
    swapped = (chance < 0.5) & (partners >= 0) & (count > 0)
    inside = (index >= start[:, None]) & (index < (start + length)[:, None])
    return mask & inside & swapped[:, None], index.clamp_min(0)


def swap_words(words: Tensor, mask: Tensor, ids: Tensor, partners: Tensor, others: Tensor, found: Tensor) -> Tensor:
    """Words (n, L, D) with runs replaced by words of partners, as `swap_plan` says.

    others (N, L, D) and found (N, L) bool are the words of the global batch, partners (n,) rows of them.
    """
    replaced, index = swap_plan(mask, ids, torch.where(found.any(1)[partners.clamp_min(0)], partners, -1))
    theirs = found[partners.clamp_min(0)]
    first = theirs.to(torch.int8).argmax(1, keepdim=True)
    place = first + index % theirs.sum(1, keepdim=True).clamp_min(1)
    taken = others[partners.clamp_min(0)[:, None], place.clamp(max=others.shape[1] - 1)]
    return torch.where(replaced[:, :, None], taken, words)
