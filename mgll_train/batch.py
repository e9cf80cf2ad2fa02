"""Samples to a batch: images, and for every level the batch's unique texts with targets.

A text that many images share stands once in the batch, in the order of its id, so that a global batch is the same
whatever the number of ranks. `share_texts` gives every rank the texts of the global batch.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from mgll_data.schema import LEVELS, MODALITIES, TEXT_ID_PATTERN, text_id
from mgll_train import gather
from mgll_train.errors import DataError, UserError
from mgll_train.targets import Unknown, carried, match
from mgll_train.vocabulary import Vocabulary

# The sample's own `.txt` member, as a level: one text an image that holds for the images that carry it alone.
CAPTION = "caption"
KNOWN_LEVELS = frozenset(level for levels in LEVELS.values() for level in levels) | {CAPTION}

Tokenizer = Callable[[list[str]], Tensor]

NO_TEXT = -(1 << 63)  # fills the rows of images with fewer texts than others
_BITS = 62  # flags in one int64


@dataclass(frozen=True)
class Sample:
    """One decoded sample: image, its JSON (contract version 1) and its caption.

    image: (3, H, W), or (1, H, W) if grey, of any dtype. place: how many samples the run read before it, a number that
    the drawing of texts follows.
    """

    image: Tensor
    meta: Mapping[str, Any]
    caption: str
    place: int = 0


@dataclass(frozen=True)
class LevelBatch:
    """The unique texts of one level, K of them in ascending order of id, and their targets for n images."""

    text_ids: Tensor  # (K,) int64
    tokens: Tensor  # (K, L) int64
    concepts: Tensor  # (K, C) bool: the concepts that the text asserts
    about: Tensor  # (K, C) bool: the concepts of which it says more or less than presence
    own: Tensor  # (n, K) bool: the image carries the text
    Y: Tensor  # (n, K) float32: 1 where the text holds for the image
    valid: Tensor  # (n, K) bool: whether it is known if the text holds


@dataclass(frozen=True)
class Batch:
    """Images (n, 3 or 1, H, W) as the samples hold them, uids, concept flags (n, C) bool, and every level's texts.

    held: for each level the ids (n, M) int64 of all texts that the images carry, whether the batch brings them or not.
    """

    images: Tensor
    uids: tuple[str, ...]
    present: Tensor
    absent: Tensor  # concepts of other modalities included
    levels: dict[str, LevelBatch]
    unknown: Unknown
    shared: bool = False  # whether the texts are those of the global batch
    modality: Tensor | None = None  # (n,) int64: place in schema.MODALITIES; None where all images are of one
    held: Mapping[str, Tensor] = field(default_factory=dict)

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory."""
        return self.map(lambda tensor: tensor.pin_memory())

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same batch on another device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def map(self, change: Callable[[Tensor], Any]) -> Batch:
        """The same batch with every tensor changed."""
        levels = {
            name: LevelBatch(**{part.name: change(getattr(level, part.name)) for part in fields(level)})
            for name, level in self.levels.items()
        }
        images, present, absent = (change(tensor) for tensor in (self.images, self.present, self.absent))
        modality = None if self.modality is None else change(self.modality)
        held = {name: change(ids) for name, ids in self.held.items()}
        return replace(self, images=images, present=present, absent=absent, levels=levels, modality=modality, held=held)


def stack_images(images: Sequence[Tensor]) -> Tensor:
    """Images (3, H, W), and grey ones (1, H, W), as one tensor: (n, 1, H, W) where all are grey, else (n, 3, H, W).

    Radiographs so take a third of the room on their way to the device.
    """
    planes = max(len(image) for image in images)
    return torch.stack([image.expand(planes, -1, -1) for image in images])


@lru_cache(maxsize=100_000)
def text_key(identifier: str) -> int:
    """A text id `t-<16 hex>` as a signed 64-bit number. Raises DataError for anything else."""
    if not TEXT_ID_PATTERN.match(identifier):
        raise DataError(f"text id {identifier!r} is not t-<16 hex digits>")
    value = int(identifier[2:], 16)
    return value - (1 << 64) if value >= 1 << 63 else value


def collate(
    samples: Sequence[Sample],
    levels: Iterable[str],
    vocabulary: Vocabulary,
    tokenizer: Tokenizer,
    unknown: Unknown = "mask",
    texts_per_level: int | None = None,
    seed: int = 0,
    drawn: Container[str] | None = None,
) -> Batch:
    """Stack samples and gather the unique texts of every level, with targets by `targets.match`.

    levels: levels of the contract, and "caption" for the `.txt` member. A level that no sample has gives K = 0.
    tokenizer: list of texts to (len, L) int64.
    unknown: "mask" leaves unknown pairs out (`valid` False), "negative" counts them as negatives.
    texts_per_level: keep at most so many of a sample's own texts at a level, drawn by (seed, place, uid). A dropped
    text is still a positive of its sample where another sample of the batch brings it.
    drawn: the levels whose texts the batch brings (None: all); the others have K = 0.
    Raises UserError for an unknown level, DataError for concepts and text ids that break the contract.
    """
    if not samples:
        raise ValueError("cannot collate a batch without samples")
    metas = [_with_caption(sample) for sample in samples]
    present, absent, _ = vocabulary.image_states(metas)
    absent = absent | vocabulary.other_modalities(metas)
    batch: dict[str, LevelBatch] = {}
    held: dict[str, Tensor] = {}
    for level in levels:
        if level not in KNOWN_LEVELS:
            raise UserError(f"unknown level {level!r}; known: {', '.join(sorted(KNOWN_LEVELS))}")
        drawing = [f"{seed}/{sample.place}" for sample in samples]
        texts = _unique_texts(metas, level, texts_per_level, drawing) if drawn is None or level in drawn else []
        tokens = tokenizer([text["text"] for text in texts]) if texts else tokenizer([""])[:0]
        concepts, about = vocabulary.text_concepts(texts), vocabulary.text_about(texts)
        ids = torch.tensor([text_key(text["id"]) for text in texts], dtype=torch.int64)
        held[level] = _held(metas, level)
        own = carried(held[level], ids)
        targets, valid = match(present, absent, concepts, about, own, unknown)
        batch[level] = LevelBatch(ids, tokens.to(torch.int64), concepts, about, own, targets, valid)
    images = stack_images([sample.image for sample in samples])
    modality = torch.tensor([MODALITIES.index(meta["modality"]) for meta in metas], dtype=torch.int64)
    uids = tuple(meta["uid"] for meta in metas)
    return Batch(images, uids, present, absent, batch, unknown, modality=modality, held=held)


def share_texts(batch: Batch) -> Batch:
    """The batch with the unique texts of all ranks' batches at every level, in the order of their ids.

    Every rank must call it, with the same levels in the same order and the same vocabulary. The images stay where they
    are; targets are worked out anew, because a text of another rank may hold for an image of this one.
    With one process the batch is only marked as shared.
    """
    if batch.shared or gather.world_size() == 1:
        return replace(batch, shared=True)
    return replace(batch, levels={name: _share(name, batch) for name in batch.levels}, shared=True)


def _share(name: str, batch: Batch) -> LevelBatch:
    level = batch.levels[name]
    width, size = level.tokens.shape[1], level.concepts.shape[1]
    packed = torch.cat([level.text_ids[:, None], level.tokens, _pack(torch.cat([level.concepts, level.about], 1))], 1)
    everyone = gather.all_gather_rows(packed)
    ids, place = torch.unique(everyone[:, 0], return_inverse=True)
    rows = torch.arange(len(everyone), device=place.device)
    first = torch.full_like(ids, len(everyone)).scatter_reduce(0, place, rows, "amin")
    tokens, flags = everyone[first, 1 : 1 + width], _unpack(everyone[first, 1 + width :], 2 * size)
    concepts, about = flags[:, :size], flags[:, size:]
    own = carried(batch.held[name], ids)
    targets, valid = match(batch.present, batch.absent, concepts, about, own, batch.unknown)
    return LevelBatch(ids, tokens, concepts, about, own, targets, valid)


def _pack(flags: Tensor) -> Tensor:
    """(K, C) bool as the bits of (K, ceil(C / 62)) int64: what the ranks send shrinks by as much."""
    words = -(-flags.shape[1] // _BITS)
    padded = torch.zeros(len(flags), words * _BITS, dtype=torch.int64, device=flags.device)
    padded[:, : flags.shape[1]] = flags
    bits = padded.reshape(len(flags), words, _BITS) << torch.arange(_BITS, device=flags.device)
    return bits.sum(2)


def _unpack(words: Tensor, size: int) -> Tensor:
    """The first `size` columns of what `_pack` packed, bool."""
    return ((words[:, :, None] >> torch.arange(_BITS, device=words.device)) & 1).flatten(1)[:, :size] > 0


def _with_caption(sample: Sample) -> Mapping[str, Any]:
    caption = {"id": text_id(CAPTION, sample.caption), "text": sample.caption, "concepts": []}
    return {**sample.meta, "texts": {**sample.meta["texts"], CAPTION: [caption]}}


def _held(metas: Sequence[Mapping[str, Any]], level: str) -> Tensor:
    rows = [[text_key(text["id"]) for text in meta["texts"].get(level, ())] for meta in metas]
    most = max(map(len, rows))
    return torch.tensor([row + [NO_TEXT] * (most - len(row)) for row in rows], dtype=torch.int64).view(len(rows), most)


def _draw(texts: Iterable[dict[str, Any]], limit: int, key: str) -> list[dict[str, Any]]:
    return sorted(texts, key=lambda text: text_id(key, text["id"]))[:limit]


def _unique_texts(
    metas: Sequence[Mapping[str, Any]], level: str, limit: int | None, drawing: Sequence[str]
) -> list[dict[str, Any]]:
    """Distinct texts of a level over the samples, in ascending order of their 64-bit ids."""
    found: dict[str, dict[str, Any]] = {}
    for meta, draw in zip(metas, drawing, strict=True):
        texts = meta["texts"].get(level, ())
        if limit is not None and len(texts) > limit:
            texts = _draw(texts, limit, f"{draw}/{meta['uid']}")
        found.update((text["id"], text) for text in texts)
    return sorted(found.values(), key=lambda text: text_key(text["id"]))
