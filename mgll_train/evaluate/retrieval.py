"""Image-text retrieval: how often an image finds its text, and a text one of its images, among the first k.

Texts are unique: a text that several images carry stands once, and each of these images is a right answer to it. So
equal reports, which a chest data set has by the thousand, neither count as errors nor fill the first places twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

CUTS = (1, 5, 10)
_ROWS = 1024


def recall(images: Tensor, texts: Tensor, own: Tensor, cuts: Sequence[int] = CUTS) -> dict[str, float]:
    """`image_to_text_r<k>`, mean over images, and `text_to_image_r<k>`, mean over texts, in [0, 1].

    images (n, D) and texts (K, D) are unit features, own (n,) int64 says which text each image carries; every text is
    carried by some image. Ties count against the model: one that gives all the same feature finds nothing.
    """
    best = torch.full((len(texts),), -torch.inf, dtype=images.dtype, device=images.device)
    before = []
    for rows in torch.split(torch.arange(len(images), device=images.device), _ROWS):
        cosines = images[rows] @ texts.T
        mine = cosines.gather(1, own[rows, None])
        before.append((cosines >= mine).sum(1) - 1)
        best = best.scatter_reduce(0, own[rows], mine[:, 0], "amax")
    ahead = torch.zeros(len(texts), dtype=torch.int64, device=images.device)
    for rows in torch.split(torch.arange(len(images), device=images.device), _ROWS):
        others = own[rows, None] != torch.arange(len(texts), device=images.device)
        ahead += ((images[rows] @ texts.T >= best) & others).sum(0)
    found = {"image_to_text": torch.cat(before), "text_to_image": ahead}
    return {f"{side}_r{k}": float((places < k).float().mean()) for side, places in found.items() for k in cuts}
