"""Zero-shot classification and retrieval on the split val while a model trains, by all ranks together.

Nothing here draws a random number, so that a run is the same with and without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Subset

from mgll_data.schema import text_id
from mgll_train import gather, shards
from mgll_train.agree import news
from mgll_train.batch import CAPTION, text_key
from mgll_train.budget import Broken, Budget
from mgll_train.errors import DataError, NonFiniteError, UserError
from mgll_train.evaluate import retrieval, zero_shot
from mgll_train.evaluate.metrics import auc
from mgll_train.evaluate.pictures import Pictures, load_pictures
from mgll_train.loaded import Loaded
from mgll_train.model import Preprocess, Tokenizer, TwoTowers
from mgll_train.picture import View
from mgll_train.stream import normalise
from mgll_train.vocabulary import Vocabulary

PROMPTS = ("category", "diagnostic")
LEAST = 5  # positives, and negatives, that a concept is scored with: few enough for a small split
BATCH = 64


class Figures(NamedTuple):
    """What an evaluation found: values by name, none if it was stopped, and messages of what it left out."""

    values: dict[str, float]
    left_out: list[str]


def val_shards(datasets: Sequence[shards.Dataset]) -> list[shards.Shard]:
    """The shards of the split val. Raises UserError if it has no sample."""
    try:
        return shards.split_shards(datasets, "val")
    except UserError as error:
        raise UserError([*error.problems, "evaluate_every needs the split val: set it to 0"]) from error


class Validation:
    """A split, and the figures of a model on it."""

    def __init__(
        self,
        reader: shards.Reader,
        vocabulary: Vocabulary,
        wanted: Preprocess,
        tokenizer: Tokenizer,
        *,
        workers: int,
        broken: float,
    ) -> None:
        """workers: loader processes of a rank. broken: share of the samples that may be unreadable."""
        self._pictures, self._workers = Pictures(reader, View(wanted.image_size), vocabulary), workers
        self._vocabulary, self._wanted, self._tokenizer = vocabulary, wanted, tokenizer
        self._budget = Budget(broken, len(reader))

    @torch.no_grad()
    def figures(self, model: TwoTowers, stopped: Callable[[], bool] = lambda: False) -> Figures:
        """`val/auc`, the mean over concepts, where some can be scored, and `val/<side>_r<k>` of `retrieval.recall`.

        `model` is in evaluation mode. Every rank must call it: each encodes its share of images and captions. stopped:
        asked before every batch, by all ranks equally often; True ends the evaluation. Raises DataError if no picture
        can be read, more are broken than the budget allows, or a shard is damaged, NonFiniteError for features that
        are not finite.
        """
        # Other shapes than in training: compiling for them would cost more than it gains.
        with torch.compiler.set_stance("force_eager"):
            encoded, broken = self._encode(model, stopped)
            if encoded is None:
                return Figures({}, [])
            left_out = self._budget.spend(news(Loaded(None, broken), self._device(model)).broken)
            images, labels, keys, tokens = (gather.all_gather_rows(part) for part in encoded)
            if not len(images):
                raise DataError(f"none of the {len(self._pictures)} images of the split val can be read")
            captions, own = torch.unique(keys, return_inverse=True)
            first = torch.full_like(captions, len(keys)).scatter_reduce(
                0, own, torch.arange(len(keys), device=own.device), "amin"
            )
            texts = self._texts(model, tokens[first])
            if not (images.isfinite().all() and texts.isfinite().all()):
                raise NonFiniteError(
                    "features of the split val are not finite: a lower --lr or precision fp32 may help"
                )
            found = {f"val/{name}": value for name, value in retrieval.recall(images, texts, own).items()}
            return Figures({**self._auc(model, images.cpu(), labels.double().cpu().numpy()), **found}, left_out)

    def _auc(self, model: TwoTowers, images: Tensor, labels: Any) -> dict[str, float]:
        chosen, _ = zero_shot.choose_concepts(self._vocabulary, labels, PROMPTS, LEAST)
        if not chosen:
            return {}
        names, opposites = [self._vocabulary.concepts[c] for c in chosen], self._vocabulary.opposites()
        scores = zero_shot.score_matrix(model, self._tokenizer, images, self._vocabulary, names, opposites, PROMPTS)
        known = ~np.isnan(labels)
        values = [auc(labels[known[:, c], c], scores[known[:, c], k]) for k, c in enumerate(chosen)]
        return {"val/auc": float(np.mean(values)), "val/concepts": float(len(chosen))}

    def _encode(
        self, model: TwoTowers, stopped: Callable[[], bool]
    ) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor] | None, tuple[Broken, ...]]:
        """Of this rank's readable images: unit feature, labels (C) with NaN, key and tokens of the caption; the broken.

        None in the place of the first where `stopped` said so.
        """
        device, world = self._device(model), gather.world_size()
        mine = Subset(self._pictures, range(gather.rank(), len(self._pictures), world))
        # Every rank runs the tower equally often, whatever it has left: ranks may share the tower's parameters.
        calls = math.ceil(math.ceil(len(self._pictures) / world) / BATCH)
        width = model.encode_text(self._tokenizer([""]).to(device)).shape[1]
        features, labels = [torch.zeros(0, width, device=device)], [self._labels([])]
        words: list[str] = []
        broken: tuple[Broken, ...] = ()
        with closing(load_pictures(mine, BATCH, workers=self._workers)) as packs:
            for _, pack in zip(range(calls), chain(packs, repeat(None)), strict=False):
                if stopped():
                    return None, ()
                broken += pack.broken if pack else ()
                if pack is None or pack.images is None:
                    side = self._wanted.image_size
                    model.encode_image(torch.zeros(1, 3, side, side, device=device))
                    continue
                shown = normalise(pack.images.to(device), self._wanted)
                features.append(F.normalize(model.encode_image(shown).float(), dim=-1))
                labels.append(self._labels(pack.metas))
                words += pack.captions
        keys = torch.tensor([text_key(text_id(CAPTION, caption)) for caption in words], dtype=torch.int64)
        tokens = self._tokenizer(words) if words else self._tokenizer([""])[:0]
        rest = (part.to(device) for part in (torch.cat(labels), keys, tokens))
        return (torch.cat(features), *rest), broken  # type: ignore[return-value]

    def _labels(self, metas: Sequence[Any]) -> Tensor:
        return torch.from_numpy(zero_shot.label_matrix(self._vocabulary, metas)).float()

    @staticmethod
    def _device(model: TwoTowers) -> torch.device:
        return next(model.parameters()).device

    def _texts(self, model: TwoTowers, tokens: Tensor) -> Tensor:
        """Unit features (K, D) of tokens (K, L) that every rank has, each encoding an equal part."""
        part = -(-len(tokens) // gather.world_size())
        rows = torch.arange(gather.rank() * part, (gather.rank() + 1) * part, device=tokens.device)
        mine = tokens[rows.clamp(max=len(tokens) - 1)]
        encoded = torch.cat([model.encode_text(piece) for piece in torch.split(mine, zero_shot.TEXTS_AT_ONCE)])
        return gather.all_gather_rows(F.normalize(encoded.float(), dim=-1))[: len(tokens)]
