"""Zero-shot classification and retrieval on the split val while a model trains, by all ranks together.

Nothing here draws a random number, so that a run is the same with and without it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Subset

from mgll_data.schema import text_id
from mgll_train import gather, shards
from mgll_train.batch import CAPTION, text_key
from mgll_train.errors import DataError, UserError
from mgll_train.evaluate import retrieval, zero_shot
from mgll_train.evaluate.metrics import auc
from mgll_train.evaluate.pictures import Pack, Pictures, load_pictures
from mgll_train.model import Preprocess, Tokenizer, TwoTowers
from mgll_train.picture import View
from mgll_train.stream import normalise
from mgll_train.vocabulary import Vocabulary

PROMPTS = ("category", "diagnostic")
LEAST = 5  # positives, and negatives, that a concept is scored with: few enough for a small split
BATCH = 64


class Validation:
    """The split val of some datasets, and the figures of a model on it."""

    def __init__(
        self, datasets: Sequence[shards.Dataset], vocabulary: Vocabulary, wanted: Preprocess, tokenizer: Tokenizer
    ) -> None:
        """Raises UserError if the split has no sample."""
        try:
            reader = shards.Reader(shards.split_shards(datasets, "val"))
        except UserError as error:
            raise UserError([*error.problems, "evaluate_every needs the split val: set it to 0"]) from error
        self._pictures = Pictures(reader, View(wanted.image_size), vocabulary)
        self._vocabulary, self._wanted, self._tokenizer = vocabulary, wanted, tokenizer

    @torch.no_grad()
    def figures(self, model: TwoTowers) -> dict[str, float]:
        """`val/auc`, the mean over concepts, where some can be scored, and `val/<side>_r<k>` of `retrieval.recall`.

        `model` is in evaluation mode. Every rank must call it: each encodes its share of images and captions. Raises
        DataError if no picture can be read or a shard is damaged.
        """
        # Other shapes than in training: compiling for them would cost more than it gains.
        with torch.compiler.set_stance("force_eager"):
            images, labels, keys, tokens = self._encode(model)
            captions, own = torch.unique(keys, return_inverse=True)
            first = torch.full_like(captions, len(keys)).scatter_reduce(
                0, own, torch.arange(len(keys), device=own.device), "amin"
            )
            texts = self._texts(model, tokens[first])
            found = {f"val/{name}": value for name, value in retrieval.recall(images, texts, own).items()}
            return {**self._auc(model, images.cpu(), labels.double().cpu().numpy()), **found}

    def _auc(self, model: TwoTowers, images: Tensor, labels: Any) -> dict[str, float]:
        chosen, _ = zero_shot.choose_concepts(self._vocabulary, labels, PROMPTS, LEAST)
        if not chosen:
            return {}
        names, opposites = [self._vocabulary.concepts[c] for c in chosen], self._vocabulary.opposites()
        scores = zero_shot.score_matrix(model, self._tokenizer, images, self._vocabulary, names, opposites, PROMPTS)
        known = ~np.isnan(labels)
        values = [auc(labels[known[:, c], c], scores[known[:, c], k]) for k, c in enumerate(chosen)]
        return {"val/auc": float(np.mean(values)), "val/concepts": float(len(chosen))}

    def _encode(self, model: TwoTowers) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of every readable image, on all ranks: unit feature, labels (C) with NaN, key and tokens of its caption."""
        device = next(model.parameters()).device
        rank, world = gather.rank(), gather.world_size()
        mine = Subset(self._pictures, range(rank, len(self._pictures), world))
        # Every rank runs the tower equally often, whatever it has left: ranks may share the tower's parameters.
        calls = math.ceil(math.ceil(len(self._pictures) / world) / BATCH)
        packs: list[Pack | None] = [*load_pictures(mine, BATCH, workers=0)] if len(mine) else []
        features: list[Tensor] = []
        metas: list[Mapping[str, Any]] = []
        words: list[str] = []
        damaged = ""
        for pack in packs + [None] * (calls - len(packs)):
            damaged = damaged or next((b.message for b in pack.broken if b.fatal), "") if pack else damaged
            if pack is None or pack.images is None:
                side = self._wanted.image_size
                model.encode_image(torch.zeros(1, 3, side, side, device=device))
                continue
            shown = normalise(pack.images.to(device), self._wanted)
            features.append(F.normalize(model.encode_image(shown).float(), dim=-1))
            metas += pack.metas
            words += pack.captions
        width = gather.all_reduce_sum(torch.tensor([len(metas), bool(damaged)], device=device))
        if width[1]:
            raise DataError(damaged or "another rank found a damaged shard in the split val")
        if not width[0]:
            raise DataError(f"none of the {len(self._pictures)} images of the split val can be read")
        keys = torch.tensor([text_key(text_id(CAPTION, caption)) for caption in words], dtype=torch.int64)
        tokens = self._tokenizer(words) if words else self._tokenizer([""])[:0]
        labels = torch.from_numpy(zero_shot.label_matrix(self._vocabulary, metas)).float()
        size = model.encode_text(self._tokenizer([""]).to(device)).shape[1]
        mine_features = torch.cat(features) if features else torch.zeros(0, size, device=device)
        parts = (mine_features, labels.to(device), keys.to(device), tokens.to(device))
        images, labels, keys, tokens = (gather.all_gather_rows(part) for part in parts)
        return images, labels, keys, tokens

    def _texts(self, model: TwoTowers, tokens: Tensor) -> Tensor:
        """Unit features (K, D) of tokens (K, L) that every rank has, each encoding an equal part."""
        part = -(-len(tokens) // gather.world_size())
        rows = torch.arange(gather.rank() * part, (gather.rank() + 1) * part, device=tokens.device)
        mine = tokens[rows.clamp(max=len(tokens) - 1)]
        encoded = torch.cat([model.encode_text(piece) for piece in torch.split(mine, zero_shot.TEXTS_AT_ONCE)])
        return gather.all_gather_rows(F.normalize(encoded.float(), dim=-1))[: len(tokens)]
