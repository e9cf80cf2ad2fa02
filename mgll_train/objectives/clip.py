"""The CLIP loss (arXiv:2103.00020, Fig. 3) on one caption an image, equal to `open_clip.ClipLoss`.

Captions are unique texts like all others here: the caption of c images stands for c instances through its log count, so
images with equal captions are each other's negatives, as in CLIP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from mgll_train.batch import CAPTION, Batch
from mgll_train.losses.soft_clip import soft_clip
from mgll_train.objectives import Objective


class Clip(Objective):
    """CLIP on the samples' captions (`.txt` members). `levels` is not used: the objective reads the level `caption`."""

    def __init__(self, levels: Sequence[str] = (), temperature: float = 0.07) -> None:
        """temperature: start of the learnt 1 / logit scale."""
        super().__init__((CAPTION,), temperature)

    def terms(self, cosines: Mapping[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Share of the loss and of the scalars `clip`, `floor/clip`, `floor/loss`, `logit_scale`."""
        scale = self.logit_scale.exp()
        loss, floor = soft_clip(scale * cosines[CAPTION], batch.levels[CAPTION].own.float())
        shares = {"clip": loss, "floor/clip": floor, "floor/loss": floor, "logit_scale": scale}
        shares |= self.diagnostics(CAPTION, batch)
        return loss, {name: value.detach() for name, value in shares.items()}
