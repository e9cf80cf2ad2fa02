"""MLIP: our reading of arXiv:2402.02045, whose code and equations are not public. It reproduces no published number.

From its abstract and figures: a divergence encoder that makes similar yet distinct features, token alignment guided by
knowledge, prototypes of image, text and knowledge fused together, image-text matching and text swapping. Knowledge is
here the texts of one level that the image carries (by default the clinical explanations), as the text tower encodes
them. A pair that is no match but tells the same concepts is no negative.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgll_train import gather
from mgll_train.batch import CAPTION, Batch, LevelBatch
from mgll_train.errors import UserError
from mgll_train.fusion import Divergence, MatchHead, Tucker, divergence_band, swap_words
from mgll_train.heads import LocalHeads, projection, prototypes
from mgll_train.losses.mining import draw_negatives
from mgll_train.losses.sequence import attend, mean_over_samples, sequence_nce
from mgll_train.losses.sinkhorn import sinkhorn, swapped_prediction
from mgll_train.losses.soft_clip import soft_clip
from mgll_train.model import Features, Widths
from mgll_train.objectives import ABOVE_ZERO, Objective, in_range, unit

WEIGHTS = {"augmented": 1.0, "divergence": 0.1, "local": 1.0, "category": 1.0, "matching": 0.5, "swapping": 0.5}


class Mlip(Objective):
    """Our reading of MLIP on the captions (`.txt` members), with the texts of one of `levels` as knowledge."""

    local = True

    def __init__(
        self,
        levels: Sequence[str],
        widths: Widths | None = None,
        weights: Mapping[str, float] | None = None,
        knowledge: str | None = None,
        dim: int = 128,
        prototype_count: int = 500,
        ranks: Sequence[int] = (16, 16, 16),
        dropout: float = 0.1,
        temperature: float = 0.07,
        local_temperature: float = 0.1,
        prototype_temperature: float = 0.2,
        epsilon: float = 0.05,
    ) -> None:
        """weights: of the terms beside the CLIP loss of image and caption, which has weight 1; those not given keep
        `WEIGHTS`. knowledge: the level whose texts are the knowledge; None for `explanatory` where the data hold it,
        else for the most detailed one but reports, which few images have. ranks: of the Tucker core. dropout: of the
        divergence encoder.
        """
        if not levels:
            raise UserError("mlip needs a level of texts as knowledge, such as explanatory")
        if knowledge is None:
            others = [level for level in levels if level != "report"]
            knowledge = "explanatory" if "explanatory" in levels else [*levels, *others][-1]
        if knowledge not in levels:
            raise UserError(f"knowledge must be a level of the data, {' or '.join(levels)}; found {knowledge!r}")
        super().__init__((CAPTION, knowledge), temperature)
        in_range(
            local_temperature=(local_temperature, ABOVE_ZERO),
            prototype_temperature=(prototype_temperature, ABOVE_ZERO),
            epsilon=(epsilon, ABOVE_ZERO),
            dropout=(dropout, (0.0, 0.9, "a share from 0 to 0.9")),
        )
        self.weights = {**WEIGHTS, **(weights or {})}
        if self.weights.keys() != WEIGHTS.keys() or not all(0 <= w < math.inf for w in self.weights.values()):
            raise UserError(f"weights are numbers >= 0 of {', '.join(WEIGHTS)}; found {dict(weights or {})}")
        if len(ranks) != 3:
            raise UserError(f"ranks must be three numbers, found {list(ranks)}")
        self.heads = LocalHeads(widths, dim)
        assert widths is not None
        self.knowledge = projection(widths.pooled, dim)
        # Never 0: the fusion of a vector of length 0 has a direction, and so a gradient, out of rounding alone.
        self.nothing = nn.Parameter(F.normalize(torch.randn(dim), dim=0))
        self.diverge = nn.ModuleDict({side: Divergence(dim, dropout) for side in ("image", "text")})
        self.fuse = Tucker(dim, (int(ranks[0]), int(ranks[1]), int(ranks[2])))
        self.prototypes = prototypes(prototype_count, dim)
        self.match, self.swap = MatchHead(dim), nn.Linear(dim, 1)
        self.local_temperature, self.prototype_temperature = local_temperature, prototype_temperature
        self.epsilon = epsilon

    def shares(self, features: Features, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Share of the loss and of the scalars `clip`, each term of `WEIGHTS`, floors."""
        own = batch.levels[CAPTION].own
        image, text = self.heads.pooled(features.image, features.text[CAPTION])
        patches, words, mask = self.heads.local(features)
        entities, found = self._entities(features, batch.levels[self.levels[1]])
        rows = _row_ids(batch.uids).to(image.device)
        sets = gather.all_gather_rows(_label_sets(batch.present))
        carried = own.to(torch.int8).argmax(1)
        same = _same(_label_sets(batch.present), sets, gather.all_gather_rows(carried), own.shape[1]) | own

        scale = self.logit_scale.exp()
        valid, positives = own | ~same, own.to(image.dtype)
        clip, floor = soft_clip(scale * image @ text.T, positives, valid)
        mine = text[carried]
        other_image, other_text = self.diverge["image"](image), self.diverge["text"](text)
        augmented = [
            soft_clip(scale * a @ b.T, positives, valid)[0] for a, b in ((image, other_text), (other_image, text))
        ]
        everyone = torch.ones(len(image), dtype=torch.bool, device=image.device)
        band = divergence_band(other_image, image) + divergence_band(other_text[carried], mine)
        guided = unit(words + attend(words, entities, found, self.local_temperature))
        terms = {
            "augmented": (augmented[0] + augmented[1]) / 2,
            "divergence": mean_over_samples(band, everyone),
            "local": self._local(guided, mask, entities, found, patches),
            "category": self._category(image, mine, entities, found),
            "matching": self._matching(image, text, carried, rows, batch.levels[CAPTION].text_ids, same, sets),
            "swapping": self._swapping(guided, mask, patches, rows, batch, sets),
        }
        loss = clip
        for name, value in terms.items():
            loss = loss + self.weights[name] * value
        scalars = {"clip": clip, **terms, "floor/clip": floor, "floor/loss": floor, "logit_scale": scale}
        scalars |= self.diagnostics(CAPTION, batch)
        return loss, {name: value.detach() for name, value in scalars.items()}

    def _entities(self, features: Features, level: LevelBatch) -> tuple[Tensor, Tensor]:
        """The knowledge of each image as unit vectors (n, E, D), and which of them exist, (n, E) bool."""
        pooled = features.text[self.levels[1]]
        known = unit(self.knowledge(pooled.to(self.nothing.dtype)))
        if len(known) == 0:
            known = self.nothing[None] + known.sum()
            return known.expand(len(level.own), 1, -1), torch.zeros_like(level.own.any(1, keepdim=True))
        most = max(1, int(level.own.sum(1).max())) if len(level.own) else 1
        order = level.own.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :most]
        return known[order], torch.gather(level.own, 1, order)

    def _local(self, guided: Tensor, mask: Tensor, entities: Tensor, found: Tensor, patches: Tensor) -> Tensor:
        everywhere = torch.ones(patches.shape[:2], dtype=torch.bool, device=patches.device)
        losses = torch.zeros(len(patches), dtype=patches.dtype, device=patches.device)
        for queries, real in ((guided, mask), (entities, found)):
            answers = attend(queries, patches, everywhere, self.local_temperature)
            losses = losses + sequence_nce(queries, answers, real, real.to(queries.dtype), self.local_temperature)
        return mean_over_samples(losses, mask.any(1))

    def _category(self, image: Tensor, text: Tensor, entities: Tensor, found: Tensor) -> Tensor:
        count = found.sum(1, keepdim=True)
        mean = (entities * found[:, :, None]).sum(1) / count.clamp_min(1)
        fused = unit(self.fuse(image, text, torch.where(count > 0, mean, unit(self.nothing))))
        directions = unit(self.prototypes)
        options = {"temperature": self.prototype_temperature, "epsilon": self.epsilon}
        code = sinkhorn(fused @ directions.T, epsilon=self.epsilon)
        scores = torch.stack([x @ directions.T for x in (image, text, fused)]) / self.prototype_temperature
        seen, told, joint = torch.log_softmax(scores, 2)
        # The fused side learns too: from the code that image and text share.
        shared = (
            sinkhorn(image @ directions.T, epsilon=self.epsilon) + sinkhorn(text @ directions.T, epsilon=self.epsilon)
        ) / 2
        losses = -(code * (seen + told)).sum(1) / 2 - (shared * joint).sum(1)
        everyone = torch.ones(len(image), dtype=torch.bool, device=image.device)
        return mean_over_samples(losses, everyone) + swapped_prediction(image, text, directions, **options)

    def _matching(
        self, image: Tensor, text: Tensor, carried: Tensor, rows: Tensor, columns: Tensor, same: Tensor, sets: Tensor
    ) -> Tensor:
        """Binary cross entropy of each pair against one hard text and one hard image that tell something else."""
        scores = (image @ text.T).detach() * self.logit_scale.exp().detach()
        hard_text = draw_negatives(scores, same, rows, columns)
        images, keys = gather.all_gather_rows(image.detach()), gather.all_gather_rows(rows)
        alike = _fitting(carried, gather.all_gather_rows(carried), sets)
        mine = text[carried]
        hard_image = draw_negatives(
            (mine @ images.T).detach() * self.logit_scale.exp().detach(), alike, columns[carried], keys
        )
        pairs = (
            (image, mine, torch.ones_like(rows, dtype=torch.bool), 1.0),
            (image, text.detach()[hard_text.clamp_min(0)], hard_text >= 0, 0.0),
            (images[hard_image.clamp_min(0)], mine, hard_image >= 0, 0.0),
        )
        total = torch.zeros((), dtype=image.dtype, device=image.device)
        number = torch.zeros((), dtype=image.dtype, device=image.device)
        for one, two, real, label in pairs:
            logits = self.match(one, two)
            losses = F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label), reduction="none")
            total, number = total + torch.where(real, losses, 0.0).sum(), number + real.sum()
        return gather.world_size() * total / gather.all_reduce_sum(number).clamp_min(1)

    def _swapping(
        self, words: Tensor, mask: Tensor, patches: Tensor, rows: Tensor, batch: Batch, sets: Tensor
    ) -> Tensor:
        """Binary cross entropy of telling, from words and what the patches answer, whether words were swapped."""
        width = batch.levels[CAPTION].tokens.shape[1]
        padding = width - words.shape[1]
        others = gather.all_gather_rows(F.pad(words.detach(), (0, 0, 0, padding)))
        found = gather.all_gather_rows(F.pad(mask, (0, padding)))
        keys = gather.all_gather_rows(rows)
        alike = (_label_sets(batch.present)[:, None] == sets[None]) | (rows[:, None] == keys[None])
        partners = draw_negatives(torch.zeros(alike.shape, device=words.device), alike, rows, keys)
        mixed = swap_words(words, mask, rows, partners, others, found)
        swapped = (mixed != words).any(2).any(1)
        everywhere = torch.ones(patches.shape[:2], dtype=torch.bool, device=patches.device)
        agreement = mixed * attend(mixed, patches, everywhere, self.local_temperature)
        mean = (agreement * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True).clamp_min(1)
        logits = self.swap(mean * mean.shape[1] ** 0.5)[:, 0]
        losses = F.binary_cross_entropy_with_logits(logits, swapped.to(logits.dtype), reduction="none")
        return mean_over_samples(losses, mask.any(1))


def _row_ids(uids: Sequence[str]) -> Tensor:
    """A number (n,) int64 for each sample, from its uid alone."""
    digests = (hashlib.sha256(uid.encode()).digest()[:8] for uid in uids)
    return torch.tensor([int.from_bytes(digest, "big", signed=True) for digest in digests], dtype=torch.int64)


def _label_sets(present: Tensor) -> Tensor:
    """A number (n,) int64 for each image's set of present concepts (n, C) bool: equal sets, equal numbers.

    0 stands for an image of which nothing is told: nobody can say that it is like another.
    """
    place = torch.arange(present.shape[1], dtype=torch.int64, device=present.device)
    keys = (place + 1) * -7046029254386353131
    keys = (keys ^ ((keys >> 29) & 0x7FFFFFFFF)) * -4658895280553007687
    return (present * keys).sum(1)


def _same(mine: Tensor, sets: Tensor, carried: Tensor, columns: int) -> Tensor:
    """(n, K) bool: whether some image that carries caption k tells the same, non-empty set of concepts as image i."""
    alike = (mine[:, None] == sets[None]) & (mine != 0)[:, None]
    return torch.zeros(len(mine), columns, device=mine.device).index_add_(1, carried, alike.float()) > 0


def _fitting(carried: Tensor, carriers: Tensor, sets: Tensor) -> Tensor:
    """(n, N) bool: whether image j of all ranks carries the caption of image i, or tells the same as one that does.

    carried (n,): the captions of this rank's images; carriers, sets (N,): captions and label sets of all images.
    """
    has = carried[:, None] == carriers[None]
    kinds, place = torch.unique(sets, return_inverse=True)
    told = torch.zeros(len(carried), len(kinds), device=sets.device).index_add_(1, place, has.float()) > 0
    fits: Tensor = has | (told & (kinds != 0))[:, place]
    return fits
