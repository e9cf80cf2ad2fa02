"""The SigLIP loss (arXiv:2303.15343, Alg. 1) on one caption an image, equal to `open_clip.SigLipLoss`.

Captions are unique texts: one that c images carry weighs c times, as it does where every image brings its own copy. But
images that carry equal captions are positives of them here, where SigLIP would count them as negatives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mgll_train.batch import CAPTION, Batch
from mgll_train.losses.pointwise import pointwise
from mgll_train.objectives import FINITE, Objective, in_range


class Siglip(Objective):
    """SigLIP on the samples' captions (`.txt` members), the level `caption`: `levels` is not used."""

    def __init__(self, levels: Sequence[str] = (), temperature: float = 0.1, bias: float = -10.0) -> None:
        """temperature: start of the learnt 1 / logit scale. bias: start of the learnt bias (the paper's -10)."""
        super().__init__((CAPTION,), temperature)
        in_range(bias=(bias, FINITE))
        self.bias = nn.Parameter(torch.tensor(float(bias)))

    def terms(self, cosines: Mapping[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Share of the loss and of the scalars `siglip`, `siglip_bias`, `logit_scale`; the floor is 0."""
        scale = self.logit_scale.exp()
        own = batch.levels[CAPTION].own.float()
        logits = scale * cosines[CAPTION]
        loss = pointwise(logits, own, reduction="eq4", count_weighted=True, bias=self.bias)
        loss = loss + 0 * (scale + self.bias)  # a batch without texts still has gradients, of 0
        shares = {"siglip": loss, "logit_scale": scale, "siglip_bias": self.bias, **self.diagnostics(CAPTION, batch)}
        return loss, {name: value.detach() for name, value in shares.items()}
