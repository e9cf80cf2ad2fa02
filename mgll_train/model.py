"""An open_clip model as two towers: images and the batch's unique texts to features that are not yet normalised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from mgll_train import gather, lengths, parts
from mgll_train.accumulate import Out, Pieces, in_pieces
from mgll_train.batch import CAPTION, Batch, LevelBatch
from mgll_train.fp32 import at_least_fp32

Tokenizer = Callable[[list[str]], Tensor]


@dataclass(frozen=True)
class Local:
    """Parts of each image and of the caption it carries: patches (n, P, Dv), words (n, L, Dt), and which words exist.

    mask (n, L) bool is False for padding and for the tokens that mark a text's start and end.
    """

    patches: Tensor
    words: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Features:
    """Image features (n, D) and, for every level, text features (K, D), as the towers give them: not normalised."""

    image: Tensor
    text: dict[str, Tensor]
    local: Local | None = None


@dataclass(frozen=True)
class Widths:
    """Number of channels of the pooled features (both towers), of a patch and of a word."""

    pooled: int
    patch: int
    word: int


@dataclass(frozen=True)
class Preprocess:
    """What the image tower wants: square side in pixels, and mean and standard deviation per RGB channel in [0, 1]."""

    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class TwoTowers(nn.Module):
    """Image and text tower of an open_clip model (`clip`), which keeps its own state dict and can be exported as it is.

    The logit scale and bias of `clip` are not trained: those of the objective are. `pieces` says how the rows of a
    batch are cut on their way through `forward`.
    """

    def __init__(self, clip: nn.Module) -> None:
        super().__init__()
        # Convolutions run about 1.4 times faster on a CPU with the channels last.
        self.clip: nn.Module = clip.to(memory_format=torch.channels_last)
        # Parameters that no feature depends on would make DistributedDataParallel wait for their gradients.
        for name in ("logit_scale", "logit_bias", "text_decoder"):
            part = getattr(clip, name, None)
            if part is not None:
                part.requires_grad_(False)
        self._trims = parts.trims(clip)
        self.pieces = Pieces()

    def encode_image(self, images: Tensor) -> Tensor:
        """Features (n, D) of images (n, 3, H, W), in the tower's dtype."""
        features: Tensor = self.clip.encode_image(images.contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
        return features

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Features (K, D) of tokens (K, L) int64, in the tower's dtype: each row once, without most of its padding."""
        if self._trims and not self.pieces.texts and len(tokens):
            worth = lengths.WORTH.get(tokens.device.type, lengths.WORTH_ELSEWHERE)
            found = lengths.groups(parts.lengths(self.clip, tokens).tolist(), worth)
            if len(found) == 1:
                return parts.words(self.clip, tokens)[0]
            order = torch.tensor([place for group in found for place in group], device=tokens.device)
            groups = torch.split(tokens[order], [len(group) for group in found])
            return torch.cat([parts.words(self.clip, rows)[0] for rows in groups])[order.argsort()]
        features: Tensor = self.clip.encode_text(tokens)  # type: ignore[operator]
        return features

    @torch.no_grad()
    def widths(self, image_size: int) -> Widths:
        """Channels of the features, measured on one black picture and one short text."""
        training = self.training
        self.eval()
        try:
            place = next(self.parameters())
            pooled, grid = parts.patches(self._visual, place.new_zeros(1, 3, image_size, image_size))
            _, words, _ = parts.words(self.clip, parts.any_text(self.clip).to(place.device))
        finally:
            self.train(training)
        return Widths(pooled.shape[-1], grid.shape[-1], words.shape[-1])

    @property
    def _visual(self) -> nn.Module:
        visual: nn.Module = self.clip.visual  # type: ignore[assignment]
        return visual

    def forward(self, batch: Batch, *, local: bool = False) -> Features:
        """Features of a batch whose texts are shared: every rank encodes its images and an equal part of the texts.

        The batch's images must be as `encode_image` takes them: floating and normalised. The texts of all levels go
        through the tower together, each once. With `local` the patches of the images come too, and the words of the
        captions, which every rank then encodes for its own images. Raises ValueError for a batch that did not go
        through `batch.share_texts` while there is more than one rank.
        """
        world = gather.world_size()
        if world > 1 and not batch.shared:
            raise ValueError("with several ranks a batch must go through batch.share_texts before the model")
        if not local:
            return Features(self._cut(self.encode_image, batch.images), self._encode_levels(batch.levels))
        images = batch.images.contiguous(memory_format=torch.channels_last)
        image, patches = self._cut(partial(parts.patches, self._visual), images)
        rest = {name: level for name, level in batch.levels.items() if name != CAPTION}
        texts = self._encode_levels(rest) if rest else {}
        texts[CAPTION], words, mask = self._encode_captions(batch.levels[CAPTION].tokens, batch.levels[CAPTION].own)
        return Features(image, texts, Local(patches, words, mask))

    def _cut(self, encode: Callable[[Tensor], Out], rows: Tensor) -> Out:
        """What `encode` gives for rows that belong to this rank's images."""
        cut = self.pieces
        return in_pieces(
            encode, rows, number=cut.number, size=cut.rows, again=cut.number > 1 and torch.is_grad_enabled()
        )

    def _encode_levels(self, levels: Mapping[str, LevelBatch]) -> dict[str, Tensor]:
        """Features of the texts of all levels, which the ranks encode in equal parts and exchange."""
        if not levels:
            return {}
        world = gather.world_size()
        tokens = torch.cat([level.tokens for level in levels.values()])
        total = len(tokens)
        # Equal parts, the last text repeated to fill them, and at least one row: every rank's text tower takes part in
        # the backward whatever the batch holds.
        part = max(-(-total // world), 1)
        if total == 0:
            tokens = parts.any_text(self.clip, tokens.shape[1]).to(tokens.device)
        rows = torch.arange(gather.rank() * part, (gather.rank() + 1) * part, device=tokens.device)
        rows, cut = tokens[rows.clamp(max=len(tokens) - 1)], self.pieces
        again = cut.number > 1 and torch.is_grad_enabled()
        number = 1 if cut.texts else cut.number
        encoded = in_pieces(self.encode_text, rows, number=number, size=cut.texts, again=again)
        encoded = gather.all_gather_rows(at_least_fp32(encoded), [part] * world)
        if total == 0:
            encoded = encoded[:total] + encoded.sum()
        sizes = [len(level.text_ids) for level in levels.values()]
        return dict(zip(levels, torch.split(encoded[:total], sizes), strict=True))

    def _encode_captions(self, tokens: Tensor, own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features (K, D) of all captions, and for this rank's images the words (n, L, Dt) and masks (n, L) of theirs.

        tokens (K, L) and own (n, K) of the level `caption`, where every image carries one. A caption that images of two
        ranks carry is encoded by both; the first one's feature is taken.
        """
        mine = own.any(0).nonzero()[:, 0]
        pooled, words, mask = self._cut(partial(parts.words, self.clip, trim=not self.pieces.texts), tokens[mine])
        pooled = at_least_fp32(pooled)
        counts = gather.row_counts(mine)
        everyone, encoded = gather.all_gather_rows(mine, counts), gather.all_gather_rows(pooled, counts)
        rows = torch.arange(len(everyone), device=mine.device)
        first = torch.full((len(tokens),), len(everyone) - 1, device=mine.device)
        first = first.scatter_reduce(0, everyone, rows, "amin")
        which = own[:, mine].to(torch.int8).argmax(1)
        return encoded[first], words[which], mask[which]
