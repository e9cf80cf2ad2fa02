"""What the released MGLL code computes in a training step, said again in our words: the baseline to beat, and no more.

After HUANGLIZI/MGLL at commit 9ad5c2f, `models/pretrain.py`, module MultiGranularModule: features as the towers give
them, not normalised; every image brings its own copy of each text, so that the text tower runs N times a level; which
texts are equal is found by comparing strings in Python, pair by pair; the same fractional targets (rows divided by
their sum) serve the cross entropy and the binary cross entropy; the divergence takes the logarithm of raw logits, which
is NaN wherever one of them is negative, and a NaN term is dropped without a word. Nothing in the package imports this.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def equality_targets(labels: Sequence[str]) -> Tensor:
    """(N, N): 1 where two labels are the same string, each row divided by its sum."""
    count = len(labels)
    equal = torch.zeros(count, count)
    for row in range(count):
        for column in range(count):
            if labels[row] == labels[column]:
                equal[row, column] = 1.0
    return equal / equal.sum(1, keepdim=True)


def level_loss(image: Tensor, text: Tensor, targets: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Loss of one level and its logits (N, N), from raw features (N, D) of the images and their own texts."""
    logits = scale * image @ text.T
    image_to_text = -(targets * F.log_softmax(logits, 1)).sum(1).mean()
    text_to_image = -(targets * F.log_softmax(logits.T, 1)).sum(1).mean()
    binary = F.binary_cross_entropy_with_logits(logits, targets)
    return (image_to_text + text_to_image) / 4 + binary, logits


def divergence(logits: Sequence[Tensor]) -> Tensor:
    """Mean over levels of KL(mean || level), on raw logits as the code has it."""
    middle = torch.stack(list(logits)).mean(0)
    terms = [F.kl_div(one.log(), middle, reduction="batchmean") for one in logits]
    return torch.stack(terms).mean()


def step_loss(image: Tensor, texts: Sequence[Tensor], labels: Sequence[Sequence[str]], scale: Tensor) -> Tensor:
    """The loss of a batch. texts: (N, D) a level, one row an image; labels: N strings a level."""
    total = image.new_zeros(())
    every = []
    for text, words in zip(texts, labels, strict=True):
        loss, logits = level_loss(image, text, equality_targets(words).to(image.device), scale)
        total, every = total + loss, [*every, logits]
    extra = divergence(every)
    return total if extra.isnan() else total + 0.5 * extra
