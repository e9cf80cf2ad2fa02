"""PLAN: our reading of arXiv:2502.18047, whose code and equations are not public. It reproduces no published number.

From its abstract: word-pixel relations learnt by local contrast on soft regions, refined in steps that suppress noise.
The first step is the sparse alignment of SPARC (arXiv:2401.09865, Eq. 2-7), which is published. In each of T stages the
similarities of a word to the patches are stretched to [0, 1], cut at `threshold` and normalised; the region so marked
is matched with its word against the sample's other regions; words that match badly weigh less and later stages leave
out the worst; then the words take up their regions and the similarities are updated. Stages set in one after another
over the run. Every weight is an option. "Pixel" is a cell of the tower's feature map.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mgll_train.batch import CAPTION, Batch
from mgll_train.errors import UserError
from mgll_train.heads import LocalHeads
from mgll_train.losses.sequence import mean_over_samples, sequence_nce
from mgll_train.losses.soft_clip import soft_clip
from mgll_train.model import Features, Widths
from mgll_train.objectives import ABOVE_ZERO, FROM_ZERO, Objective, in_range


class Plan(Objective):
    """Our reading of PLAN on the samples' captions (`.txt` members), the level `caption`: `levels` is not used."""

    local = True

    def __init__(
        self,
        levels: Sequence[str] = (),
        widths: Widths | None = None,
        local_weight: float = 1.0,
        stages: int = 3,
        keep: Sequence[float] = (1.0, 0.75, 0.5),
        threshold: float | None = None,
        gate: bool = True,
        dim: int = 128,
        temperature: float = 0.07,
        local_temperature: float = 0.1,
    ) -> None:
        """keep: share of the words that each stage keeps. gate: weigh a word by how well its region matches.

        threshold: similarities below it, in [0, 1] after stretching, are cut; None for SPARC's 1 / number of patches,
        which cuts hardly any: 0.5 keeps about half. local_weight: of the mean of the stages' local terms.
        """
        super().__init__((CAPTION,), temperature)
        if not 1 <= stages <= len(keep) or any(not 0 < share <= 1 for share in keep):
            raise UserError(f"stages must be 1 to the length of keep, and keep in (0, 1]; found {stages}, {list(keep)}")
        if sorted(keep, reverse=True) != list(keep):
            raise UserError(f"keep may not grow: a later stage leaves out more words; found {list(keep)}")
        in_range(local_temperature=(local_temperature, ABOVE_ZERO), local_weight=(local_weight, FROM_ZERO))
        if threshold is not None and not 0 <= threshold < 1:
            raise UserError(f"threshold must lie in [0, 1), found {threshold}")
        self.heads = LocalHeads(widths, dim)
        self.local_weight, self.stages, self.keep = float(local_weight), stages, tuple(keep)
        self.threshold, self.gate, self.local_temperature = threshold, gate, local_temperature

    def shares(self, features: Features, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Share of the loss and of the scalars `clip`, `local`, `stages`, floors."""
        own = batch.levels[CAPTION].own
        image, text = self.heads.pooled(features.image, features.text[CAPTION])
        scale = self.logit_scale.exp()
        clip, floor = soft_clip(scale * image @ text.T, own.to(image.dtype))
        running = min(self.stages, 1 + int(self.stages * self.progress))
        local = self._local(*self.heads.local(features), running)
        loss = clip + self.local_weight * local
        scalars = {"clip": clip, "local": local, "floor/clip": floor, "floor/loss": floor, "logit_scale": scale}
        scalars |= {"stages": torch.tensor(float(running)), **self.diagnostics(CAPTION, batch)}
        return loss, {name: value.detach() for name, value in scalars.items()}

    def _local(self, patches: Tensor, words: Tensor, mask: Tensor, running: int) -> Tensor:
        losses = words.new_zeros(len(words))
        similarity, kept = words @ patches.transpose(1, 2), mask
        for stage in range(running):
            regions = F.normalize(sparse_shares(similarity, self.threshold) @ patches, dim=2)
            match = (words * regions).sum(2).detach()
            kept = best_words(match, kept, mask.sum(1, keepdim=True) * self.keep[stage])
            weight = gate_weight(match, mask) if self.gate else mask.to(words.dtype)
            losses = losses + sequence_nce(words, regions, kept, weight, self.local_temperature) / running
            words = F.normalize(words + regions, dim=2)
            similarity = (similarity + words @ patches.transpose(1, 2)) / 2
        return mean_over_samples(losses, mask.any(1))


def sparse_shares(similarity: Tensor, threshold: float | None = None) -> Tensor:
    """Shares (n, L, P) of the patches for each word, summing to 1, from similarities (n, L, P).

    Each word's similarities are stretched to [0, 1], those below `threshold` (None: 1 / P) set to 0, the rest divided
    by their sum (SPARC, Eq. 2-4). Where all are equal the shares are equal. A positive affine map of the similarities
    changes nothing, and every patch that is kept has a gradient.
    """
    low, high = similarity.amin(2, keepdim=True), similarity.amax(2, keepdim=True)
    spread = high - low
    flat = spread <= 1e-6
    stretched = torch.where(flat, 1.0, (similarity - low) / torch.where(flat, 1.0, spread))
    cut = 1 / similarity.shape[2] if threshold is None else threshold
    kept = torch.where(stretched >= cut, stretched, 0.0)
    return kept / kept.sum(2, keepdim=True)


def grounding(shares: Tensor, size: tuple[int, int]) -> Tensor:
    """Where each word looks, (n, L, height, width): shares (n, L, P) of a square grid of patches, scaled up bilinearly.

    Each map is relative to its largest share, in [0, 1]. Raises ValueError if the patches fill no square.
    """
    samples, words, patches = shares.shape
    side = round(patches**0.5)
    if side * side != patches:
        raise ValueError(f"{patches} patches fill no square grid")
    grid = shares.reshape(samples, words, side, side)
    maps = F.interpolate(grid / grid.amax((2, 3), keepdim=True), size=size, mode="bilinear", align_corners=False)
    return maps.clamp(0, 1)


def gate_weight(match: Tensor, mask: Tensor, temperature: float = 0.1) -> Tensor:
    """Weight (n, L) in (0, 1) of each word: the sigmoid of how far its match (n, L) lies above its sample's mean."""
    count = mask.sum(1, keepdim=True).clamp_min(1)
    mean = torch.where(mask, match, 0.0).sum(1, keepdim=True) / count
    return torch.where(mask, torch.sigmoid((match - mean) / temperature), 0.0)


def best_words(match: Tensor, among: Tensor, number: Tensor) -> Tensor:
    """The `number` (n, 1), rounded up, of the words `among` (n, L) bool that match best; ties fall to the earlier."""
    order = torch.where(among, match, -torch.inf).argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    return among & (rank < number.ceil())
