"""What the released MGLL code computes in a training step, said again in our words: the baseline to beat, and no more.

After HUANGLIZI/MGLL at commit 9ad5c2f, `models/pretrain.py`, module MultiGranularModule: features as the towers give
them, not normalised; every image brings its own copy of each text, so that the text tower runs N times a level; which
texts are equal is found by comparing strings in Python, pair by pair; the same fractional targets (rows divided by
their sum) serve the cross entropy and the binary cross entropy; the divergence takes the logarithm of raw logits, which
is NaN wherever one of them is negative, and a term that is not finite is dropped without a word. (The later commit
6a6549e takes the divergence of probabilities instead, and stops where it is not finite.) Left out, in favour of that
code: its accuracy on every step, and its tokenising within the step. Nothing in the package imports this.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def equality_targets(labels: Sequence[str]) -> Tensor:
    """(N, N): 1 where two labels are the same string, each row divided by its sum; N x N comparisons in Python."""
    equal = np.array([[one == other for other in labels] for one in labels], dtype=np.float32)
    return torch.from_numpy(equal / equal.sum(1, keepdims=True))


def level_loss(image: Tensor, text: Tensor, targets: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Loss of one level and its logits (N, N), from raw features (N, D) of the images and their own texts."""
    logits = scale * image @ text.T
    image_to_text, text_to_image = F.cross_entropy(logits, targets), F.cross_entropy(logits.T, targets)
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
    return total + 0.5 * extra if extra.isfinite() else total
