"""Patches of an image tower and words of a text tower, beside their pooled features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mgll_train.errors import UserError


def patches(visual: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Pooled features (n, D) and patches (n, P, Dv), before the projection, of an open_clip image tower.

    Knows its vision transformers, its ResNets (a patch is a cell of the last feature map) and its timm towers. Raises
    UserError for any other.
    """
    tower: Any = visual
    kind = type(visual).__name__
    if kind == "VisionTransformer":
        before, tower.output_tokens = tower.output_tokens, True
        try:
            pooled, tokens = tower(images)
        finally:
            tower.output_tokens = before
        return pooled, tokens
    if kind == "ModifiedResNet":
        grid = tower.layer4(tower.layer3(tower.layer2(tower.layer1(tower.stem(images)))))
        return tower.attnpool(grid), grid.flatten(2).transpose(1, 2)
    if kind == "TimmModel":
        found = tower.trunk.forward_features(images)
        pooled = tower.head(tower.trunk.forward_head(found))
        if found.ndim == 3:
            return pooled, found[:, getattr(tower.trunk, "num_prefix_tokens", 0) :]
        channels_last = getattr(tower.trunk, "output_fmt", "NCHW") == "NHWC"
        return pooled, found.flatten(1, 2) if channels_last else found.flatten(2).transpose(1, 2)
    raise UserError(f"an image tower of type {kind} gives no patches: take a ViT, a ResNet or a timm tower")


def trims(clip: nn.Module) -> bool:
    """Whether `words` gives the features of `encode_text` while it leaves out columns that are padding in all rows.

    So it is for CLIP's causal tower, read off at the end of the text, and for a Hugging Face one, which masks padding.
    """
    if type(getattr(clip, "text", None)).__name__ == "HFTextEncoder":
        return True
    return getattr(clip, "text_pool_type", None) == "argmax" and getattr(clip, "attn_mask", None) is not None


def lengths(clip: nn.Module, tokens: Tensor) -> Tensor:
    """Number of columns (K,) that each of the texts (K, L) fills, for a model that `trims`."""
    tower: Any = getattr(clip, "text", None)
    if type(tower).__name__ == "HFTextEncoder":
        padding = int(tower.config.pad_token_id)
        return (tokens != padding).sum(1)
    return tokens.argmax(-1) + 1


def any_text(clip: nn.Module, length: int = 8) -> Tensor:
    """Tokens (1, length) int64 that every text tower takes: none of them is padding, all of which has no mean."""
    padding = getattr(getattr(getattr(clip, "text", None), "config", None), "pad_token_id", 0)
    return torch.full((1, length), 1 if padding != 1 else 2)


def words(clip: nn.Module, tokens: Tensor, *, trim: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Features (K, D), words (K, L', Dt) and mask (K, L') bool of tokens (K, L) int64 of an open_clip text tower.

    L' is that of the longest text where padding has no part in the features, else L, as it is without `trim`. The mask
    leaves out padding and the first and last token of every text, which stand for no word. In CLIP's own tower a word
    has seen only the words before it. Raises UserError for towers whose tokens do not say where a text ends.
    """
    tower: Any = getattr(clip, "text", clip)
    if type(tower).__name__ == "HFTextEncoder":
        return _masked_words(tower, tokens, trim)
    pool = getattr(tower, "text_pool_type", getattr(tower, "pool_type", None))
    if pool != "argmax" or getattr(tower, "cls_emb", None) is not None:
        raise UserError(
            f"a text tower of type {type(tower).__name__} gives no words: take CLIP's or a Hugging Face one"
        )
    ends = tokens.argmax(-1)
    causal = tower.attn_mask
    length = int(ends.max()) + 1 if trim and causal is not None and len(tokens) else tokens.shape[1]
    dtype = tower.transformer.get_cast_dtype()
    hidden = tower.token_embedding(tokens[:, :length]).to(dtype) + tower.positional_embedding[:length].to(dtype)
    hidden = tower.transformer(hidden, attn_mask=None if causal is None else causal[:length, :length])
    hidden = tower.ln_final(hidden)
    pooled = hidden[torch.arange(len(tokens), device=tokens.device), ends]
    projection = tower.text_projection
    if projection is not None:
        pooled = projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection
    place = torch.arange(length, device=tokens.device)
    return pooled, hidden, (place > 0) & (place < ends[:, None])


def _masked_words(tower: Any, tokens: Tensor, trim: bool) -> tuple[Tensor, Tensor, Tensor]:
    """`words` of a tower that masks padding, in attention and in its mean."""
    counts = (tokens != tower.config.pad_token_id).sum(1, keepdim=True)
    length = max(int(counts.max()), 1) if trim and len(tokens) else tokens.shape[1]
    before, tower.output_tokens = tower.output_tokens, True
    try:
        pooled, hidden = tower(tokens[:, :length])
    finally:
        tower.output_tokens = before
    place = torch.arange(length, device=tokens.device)
    first = length - hidden.shape[1]  # a CLS pooler leaves its own token out
    return pooled, hidden, ((place > 0) & (place < counts - 1))[:, first:]
