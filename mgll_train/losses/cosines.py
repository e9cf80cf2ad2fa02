"""Cosines of images and unit texts, without a normalised copy of the images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mgll_train.first_order import first_order

_SHORTEST = 1e-12


def cosines(image: Tensor, texts: Tensor) -> Tensor:
    """Cosines (n, K) of image features (n, D) of any length and unit text features (K, D), fp32 or fp64.

    The product is divided by the images' lengths, n x K numbers in place of n x D, and the gradient takes one pass over
    the features beside its two products.
    """
    result: Tensor = _Cosines.apply(image, texts)
    return result


class _Cosines(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, texts: Tensor) -> Tensor:
        lengths = torch.linalg.vector_norm(image, dim=1, keepdim=True)
        result = (image @ texts.T).div_(lengths.clamp_min(_SHORTEST))
        ctx.save_for_backward(image, texts, lengths, result)
        return result

    @staticmethod
    @first_order
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        image, texts, lengths, result = ctx.saved_tensors
        shrunk = grads[0] / lengths.clamp_min(_SHORTEST)
        # Along itself an image feature has no gradient. One shorter than the shortest is divided by a constant.
        along = (shrunk * result).sum(1, keepdim=True) / lengths.clamp_min(_SHORTEST) * (lengths > _SHORTEST)
        return (shrunk @ texts).addcmul_(image, along, value=-1), shrunk.T @ image
