"""Heads of the objectives with local terms: from the towers' features to one common space of unit vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mgll_train.errors import UserError
from mgll_train.model import Features, Widths
from mgll_train.objectives import unit


def projection(width: int, dim: int, hidden: int = 2048) -> nn.Sequential:
    """MGCA's two-layer head with LayerNorm in place of BatchNorm, so that two ranks train as one process does."""
    return nn.Sequential(
        nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Linear(hidden, dim), nn.LayerNorm(dim)
    )


class LocalHeads(nn.Module):
    """Projections of pooled features, patches and words to unit vectors of `dim` channels, in fp32 or fp64."""

    def __init__(self, widths: Widths | None, dim: int) -> None:
        super().__init__()
        if widths is None:
            raise UserError("an objective with heads needs the widths of the model's features")
        self.image, self.text = projection(widths.pooled, dim), projection(widths.pooled, dim)
        self.patch, self.word = projection(widths.patch, dim), projection(widths.word, dim)

    def local(self, features: Features) -> tuple[Tensor, Tensor, Tensor]:
        """Patches (n, P, dim), words (n, L, dim) and the words' mask (n, L) bool."""
        if features.local is None:
            raise ValueError("the model must be called with local=True for this objective")
        kind = next(self.parameters()).dtype
        patches, words = features.local.patches.to(kind), features.local.words.to(kind)
        return unit(self.patch(patches)), unit(self.word(words)), features.local.mask

    def pooled(self, image: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, dim) and texts (K, dim)."""
        kind = next(self.parameters()).dtype
        return unit(self.image(image.to(kind))), unit(self.text(text.to(kind)))


def prototypes(count: int, dim: int) -> nn.Parameter:
    """`count` random directions (count, dim), to be normalised where they are used."""
    return nn.Parameter(torch.nn.functional.normalize(torch.randn(count, dim), dim=1))
