"""Balanced soft assignment of features to prototypes: Sinkhorn iterations in the log domain, over all ranks.

As in MGCA (arXiv:2210.06044) and SwAV (arXiv:2006.09882). exp(cosine / 0.05) overflows half precision and the
linear form divides by sums that underflow; logarithms do neither.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mgll_train import gather


@torch.no_grad()
def sinkhorn(scores: Tensor, *, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    """Codes (n, K), rows summing to 1, from cosines (n, K) of this rank's samples and the K prototypes.

    With more iterations every prototype gets an equal share of the samples of all ranks. The sums over samples run over
    the global batch: K numbers a rank are exchanged an iteration. No gradient passes (the codes are targets). fp32 or
    fp64. A rank without samples takes part in the exchange.
    """
    log_codes = scores / epsilon
    for _ in range(iterations):
        # Over the samples of all ranks, for each prototype; then over the prototypes, for each sample.
        mine = torch.logsumexp(log_codes, 0, keepdim=True)  # minus infinity from a rank without samples
        log_codes = log_codes - torch.logsumexp(gather.all_gather_rows(mine, [1] * gather.world_size()), 0)
        log_codes = log_codes - torch.logsumexp(log_codes, 1, keepdim=True)
    return log_codes.exp()


def swapped_prediction(
    image: Tensor, text: Tensor, prototypes: Tensor, *, temperature: float = 0.2, epsilon: float = 0.05
) -> Tensor:
    """Each side predicts the other's code: -(q_image log p_text + q_text log p_image) / 2, mean over all samples.

    image, text (n, D) and prototypes (K, D) are unit vectors, fp32 or fp64. Returns this rank's share, whose mean over
    ranks is the global value. MGCA's cross-modal prototype alignment.
    """
    image_scores, text_scores = image @ prototypes.T, text @ prototypes.T
    image_code, text_code = sinkhorn(image_scores, epsilon=epsilon), sinkhorn(text_scores, epsilon=epsilon)
    log_image = torch.log_softmax(image_scores / temperature, 1)
    log_text = torch.log_softmax(text_scores / temperature, 1)
    total = gather.all_reduce_sum(torch.tensor(float(len(image)), dtype=image.dtype, device=image.device))
    loss = -(image_code * log_text + text_code * log_image).sum() / 2
    return gather.world_size() * loss / total.clamp_min(1)
