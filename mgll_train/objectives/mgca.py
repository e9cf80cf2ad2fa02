"""MGCA (arXiv:2210.06044): global, token-wise and prototype alignment of an image and its report.

The loss is w1 * ITA + w2 * CTA + w3 * CPA. ITA is the sum of both cross entropies (twice CLIP's loss) at a fixed
temperature. CTA matches each word with what the patches answer to it, and each patch with what the words answer to it,
within one sample. CPA lets each side predict the other's prototype code. Differences from the official code, on
purpose: negatives and codes come from all ranks, padding takes no part in any sum, patches and words count equally (the
towers do not show their attention), equal reports are not each other's negatives twice over, and heads have LayerNorm.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mgll_train.batch import CAPTION, Batch
from mgll_train.heads import LocalHeads, prototypes
from mgll_train.losses.sequence import attend, mean_over_samples, sequence_nce
from mgll_train.losses.sinkhorn import swapped_prediction
from mgll_train.losses.soft_clip import soft_clip
from mgll_train.model import Features, Widths
from mgll_train.objectives import ABOVE_ZERO, Objective, in_range, three_weights, unit


class Mgca(Objective):
    """MGCA on the samples' captions (`.txt` members), the level `caption`: `levels` is not used."""

    local = True

    def __init__(
        self,
        levels: Sequence[str] = (),
        widths: Widths | None = None,
        weights: Sequence[float] = (1.0, 1.0, 1.0),
        dim: int = 128,
        prototype_count: int = 500,
        temperature: float = 0.07,
        local_temperature: float = 0.1,
        prototype_temperature: float = 0.2,
        epsilon: float = 0.05,
        prototype_freeze: float = 0.02,
    ) -> None:
        """Defaults are the official command's; its 50 epochs hold the prototypes still in the first.

        weights: of ITA, CTA, CPA. dim: channels of the common space. temperature: of ITA, fixed. epsilon: of Sinkhorn.
        prototype_freeze: share of the run in which the prototypes do not move.
        """
        super().__init__((CAPTION,), temperature)
        self.weights = three_weights(weights)
        in_range(
            local_temperature=(local_temperature, ABOVE_ZERO),
            prototype_temperature=(prototype_temperature, ABOVE_ZERO),
            epsilon=(epsilon, ABOVE_ZERO),
        )
        self.logit_scale.requires_grad_(False)
        self.heads = LocalHeads(widths, dim)
        self.prototypes = prototypes(prototype_count, dim)
        self.local_temperature, self.prototype_temperature = local_temperature, prototype_temperature
        self.epsilon, self.prototype_freeze = epsilon, prototype_freeze

    def shares(self, features: Features, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Share of the loss and of the scalars `ita`, `cta`, `cpa`, `floor/ita`, `floor/loss`."""
        own = batch.levels[CAPTION].own
        image, text = self.heads.pooled(features.image, features.text[CAPTION])
        patches, words, mask = self.heads.local(features)
        scale = self.logit_scale.exp()
        clip, floor = soft_clip(scale * image @ text.T, own.to(image.dtype))
        ita, cta = 2 * clip, token_alignment(patches, words, mask, self.local_temperature)
        directions = unit(self.prototypes)
        if self.progress < self.prototype_freeze:
            directions = directions.detach() + 0 * directions
        cpa = swapped_prediction(
            image,
            text[own.to(torch.int8).argmax(1)] if len(text) else text,
            directions,
            temperature=self.prototype_temperature,
            epsilon=self.epsilon,
        )
        loss = self.weights[0] * ita + self.weights[1] * cta + self.weights[2] * cpa
        scalars = {"ita": ita, "cta": cta, "cpa": cpa, "floor/ita": 2 * floor, "logit_scale": scale}
        scalars |= {"floor/loss": self.weights[0] * 2 * floor, **self.diagnostics(CAPTION, batch)}
        return loss, {name: value.detach() for name, value in scalars.items()}


def token_alignment(patches: Tensor, words: Tensor, mask: Tensor, temperature: float) -> Tensor:
    """Share of the word term plus the patch term, mean over the samples with a word.

    patches (n, P, D) and words (n, L, D) are unit vectors, mask (n, L) bool says which words exist.
    """
    everywhere = torch.ones(patches.shape[:2], dtype=torch.bool, device=patches.device)
    word_losses = sequence_nce(
        words, attend(words, patches, everywhere, temperature), mask, mask.to(words.dtype), temperature
    )
    patch_losses = sequence_nce(
        patches, attend(patches, words, mask, temperature), everywhere, everywhere.to(words.dtype), temperature
    )
    return mean_over_samples(word_losses + patch_losses, mask.any(1))
