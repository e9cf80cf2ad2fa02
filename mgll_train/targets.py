"""What counts as a positive: concept states of images against the concepts that a text names.

A label's silence is unknown, never absent. So a pair of image and text has three answers: the text holds, it does not
hold, or nobody has looked. All of it is matrix products over concepts; nothing loops over pairs.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from mgll_train.losses.masks import as_number

Unknown = Literal["mask", "negative"]


def carried(held: Tensor, ids: Tensor) -> Tensor:
    """(n, K) bool: whether an image carries a text, by its own ids held (n, M) and the texts' (K,) int64, ascending."""
    own = torch.zeros(len(held), len(ids) + 1, dtype=torch.bool, device=held.device)
    if len(ids):
        place = torch.searchsorted(ids, held).clamp_max_(len(ids) - 1)
        # Texts that are not among them fall into a column that is cut off.
        own.scatter_(1, torch.where(ids[place] == held, place, len(ids)), True)
    return own[:, :-1].contiguous()


def match(
    present: Tensor, absent: Tensor, concepts: Tensor, about: Tensor, own: Tensor, unknown: Unknown
) -> tuple[Tensor, Tensor]:
    """Targets Y (n, K) float32 and valid (n, K) bool from flags of images and texts.

    present, absent (n, C) bool, concepts of other modalities counted as absent; concepts (K, C) bool, those that the
    text asserts; about (K, C) bool, those of which it says more or less than presence ("left pleural effusion",
    "possible pneumonia"); own (n, K) bool, the image carries the text.
    Positive: own, or the text asserts concepts, all are present, and it is about none. Negative: a concept of either
    kind is absent, or there is none. Anything else is unknown: valid is False under "mask", and a negative under
    "negative".
    """
    if unknown not in ("mask", "negative"):
        raise ValueError(f"unknown must be 'mask' or 'negative', not {unknown!r}")
    spoken = (concepts | about).any(1)
    positive, negative = own, torch.ones_like(own)
    if spoken.any():  # free text names no concept and needs no product
        asserted, named = as_number(concepts, torch.float32), as_number(concepts | about, torch.float32)
        size = asserted.sum(1)
        # Sums of 0/1 products below 256 are exact in every float type, so == is safe.
        fits = as_number(present, torch.float32) @ asserted.T == size
        positive = own | (fits & ((size > 0) & ~about.any(1)))
        negative = (as_number(absent, torch.float32) @ named.T > 0) | ~spoken
    valid = positive | negative if unknown == "mask" else torch.ones_like(positive)
    return as_number(positive, torch.float32), valid
