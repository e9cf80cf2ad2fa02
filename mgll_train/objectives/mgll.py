"""MGLL (arXiv:2511.15943): soft CLIP, point-wise and smooth KL terms over texts of several granularities.

The loss is a1 * sum over levels of soft CLIP + a2 * sum over levels of point-wise + a3 * smooth KL (Eq. 7). Preset
`paper` has the paper's forms: (0.5, 1, 1), point-wise divided by the images, KL summed over levels. Its point-wise term
grows with the number of texts and then rules the others. Preset `code` has those of the official code: (0.5, 1, 0.5),
point-wise divided by the pairs, KL averaged over levels. Where that code departs from the paper by mistake (raw
features, fractional targets for the point-wise term, KL of raw logits) the paper is followed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mgll_train.batch import Batch
from mgll_train.errors import UserError
from mgll_train.losses.pointwise import pointwise
from mgll_train.losses.smooth_kl import smooth_kl
from mgll_train.losses.soft_clip import soft_clip
from mgll_train.objectives import FINITE, FROM_ZERO, LARGEST_LOG_SCALE, Objective, in_range, three_weights

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"weights": (0.5, 1.0, 1.0), "pointwise_reduction": "eq4", "kl_reduction": "sum"},
    "code": {"weights": (0.5, 1.0, 0.5), "pointwise_reduction": "mean", "kl_reduction": "mean"},
}


class Mgll(Objective):
    """The MGLL objective on the unique texts of the given levels."""

    def __init__(
        self,
        levels: Sequence[str],
        preset: str = "code",
        weights: Sequence[float] | None = None,
        level_weights: Mapping[str, float] | None = None,
        counts: Literal["instance", "unique"] = "instance",
        norm: Literal["images", "labels"] = "images",
        count_weighted: bool = False,
        bias: float | None = None,
        pointwise_scale: float | None = None,
        temperature: float = 0.07,
    ) -> None:
        """Set the terms up. Raises UserError for values out of range.

        preset: "paper" or "code", see the module. weights: (a1, a2, a3) in place of the preset's; a term of weight 0 is
        not computed. level_weights: factor of a level's soft CLIP and point-wise terms, 1 where not given.
        counts, norm: see `losses.soft_clip`. count_weighted: see `losses.pointwise`.
        bias: start of a learnt bias of the point-wise logits (SigLIP starts at -10); None for none, as the paper.
        pointwise_scale: start of the point-wise term's own learnt logit scale (SigLIP starts at 10); None to share.
        temperature: start of the learnt 1 / logit scale.
        """
        super().__init__(levels, temperature)
        if preset not in PRESETS:
            raise UserError(f"unknown preset {preset!r}: it is {' or '.join(PRESETS)}")
        chosen = PRESETS[preset]
        self.weights = three_weights(chosen["weights"] if weights is None else weights)
        of_levels = {f"level_weights of {name}": (weight, FROM_ZERO) for name, weight in (level_weights or {}).items()}
        in_range(bias=(bias, FINITE), **of_levels)
        unknown = set(level_weights or {}) - set(levels)
        if unknown:
            raise UserError(f"level_weights names {', '.join(sorted(unknown))}; the levels are {', '.join(levels)}")
        self.level_weights = {level: float((level_weights or {}).get(level, 1)) for level in levels}
        for option, value, allowed in (
            ("counts", counts, ("instance", "unique")),
            ("norm", norm, ("images", "labels")),
        ):
            if value not in allowed:
                raise UserError(f"{option} must be {' or '.join(allowed)}, found {value!r}")
        if pointwise_scale is not None and not 1 <= pointwise_scale <= 100:
            raise UserError(f"pointwise_scale must lie in [1, 100], found {pointwise_scale}")
        self.counts, self.norm, self.count_weighted = counts, norm, count_weighted
        self.pointwise_reduction: Literal["mean", "eq4"] = chosen["pointwise_reduction"]
        self.kl_reduction: Literal["sum", "mean"] = chosen["kl_reduction"]
        # A parameter that no term reads would make DistributedDataParallel wait for its gradient.
        used = self.weights[1] > 0
        self.bias = nn.Parameter(torch.tensor(float(bias))) if bias is not None and used else None
        own_scale = pointwise_scale is not None and used
        self.pointwise_logit_scale = (
            nn.Parameter(torch.tensor(float(pointwise_scale or 1)).log()) if own_scale else None
        )

    def terms(self, cosines: Mapping[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Share of the loss and of the scalars `soft_clip/<level>`, `pointwise/<level>`, `smooth_kl`, floors, ..."""
        scale = self.logit_scale.exp()
        logits = {level: scale * cosines[level] for level in self.levels}
        shares = {"logit_scale": scale}
        for level in self.levels:
            shares |= self.diagnostics(level, batch)
        if self.detailed:
            shares["unique_texts"] = torch.tensor(float(sum(matrix.shape[1] for matrix in logits.values())))
        # The scale stays in the graph of a batch without texts, so that its gradient is 0 and not missing.
        loss = scale * 0
        for weight, term in zip(self.weights, (self._soft_clip, self._pointwise, self._smooth_kl), strict=True):
            if weight > 0:
                value, reported = term(logits, cosines, batch)
                loss = loss + weight * value
                shares |= reported
        return loss, {name: value.detach() for name, value in shares.items()}

    def _soft_clip(
        self, logits: Mapping[str, Tensor], cosines: Mapping[str, Tensor], batch: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        reported: dict[str, Tensor] = {}
        values, floors = [], []
        for level, factor in self.level_weights.items():
            targets = batch.levels[level]
            value, floor = soft_clip(
                logits[level],
                targets.Y,
                targets.valid,
                counts=self.counts,
                norm=self.norm,
                with_floor=self.detailed,
            )
            reported[f"soft_clip/{level}"] = value
            values.append(factor * value)
            if self.detailed:
                reported[f"floor/soft_clip/{level}"] = floor
                floors.append(factor * floor)
        if self.detailed:  # the floor of the other terms is 0
            reported["floor/loss"] = self.weights[0] * torch.stack(floors).sum()
        return torch.stack(values).sum(), reported

    def _pointwise(
        self, logits: Mapping[str, Tensor], cosines: Mapping[str, Tensor], batch: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        reported: dict[str, Tensor] = {}
        values = []
        for level, factor in self.level_weights.items():
            targets = batch.levels[level]
            own = self.pointwise_logit_scale
            value = pointwise(
                logits[level] if own is None else own.exp() * cosines[level],
                targets.Y,
                targets.valid,
                reduction=self.pointwise_reduction,
                count_weighted=self.count_weighted,
                bias=self.bias,
            )
            reported[f"pointwise/{level}"] = value
            values.append(factor * value)
        if self.bias is not None:
            reported["pointwise_bias"] = self.bias
        if self.pointwise_logit_scale is not None:
            reported["pointwise_logit_scale"] = self.pointwise_logit_scale.exp()
        return torch.stack(values).sum(), reported

    def _smooth_kl(
        self, logits: Mapping[str, Tensor], cosines: Mapping[str, Tensor], batch: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        targets = [batch.levels[level].Y for level in self.levels]
        predicted = [logits[level] for level in self.levels]
        term = smooth_kl(
            predicted, targets, reduction=self.kl_reduction, kinds=batch.modality, of_targets=self.detailed
        )
        reported = {"smooth_kl": term.loss}
        if self.detailed:
            reported["smooth_kl_of_targets"] = term.of_targets
        return term.loss, reported

    def clamp_(self) -> None:
        """Bring both logit scales back into [1, 100]; call it after every optimiser step."""
        super().clamp_()
        if self.pointwise_logit_scale is not None:
            with torch.no_grad():
                self.pointwise_logit_scale.clamp_(0, LARGEST_LOG_SCALE)
