"""AdamW and its parameter groups: what decays, and at which share of the learning rate it learns."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from mgll_train import layers


def build(
    clip: nn.Module,
    objective: nn.Module,
    *,
    decay: float,
    layer_decay: float,
    betas: tuple[float, float],
) -> torch.optim.AdamW:
    """AdamW over all that is trained; each group's `scale` is its factor of the step's learning rate.

    Matrices decay; gains, biases, the logit scale and all else of the objective do not. Layer d of a tower with layers
    0..n learns at layer_decay^(n - d) of the rate, the objective at the full one (Clark et al. 2020, ELECTRA).
    """
    depths = layers.depths(clip)
    last = {side: max(d for name, d in depths.items() if layers.tower(name) == side) for side in ("image", "text")}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in clip.named_parameters():
        if parameter.requires_grad:
            scale = layer_decay ** (last[layers.tower(name)] - depths[name])
            groups.setdefault((scale, decay if parameter.ndim >= 2 else 0.0), []).append(parameter)
    chosen: list[dict[str, Any]] = [
        {"params": parameters, "weight_decay": weight, "scale": scale} for (scale, weight), parameters in groups.items()
    ]
    own = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    # A group of its own: these may be plain tensors where the towers' are shared among ranks.
    chosen.append({"params": own, "weight_decay": 0.0, "scale": 1.0})
    # One pass over each parameter: some seven times faster on a CPU than a pass for every operation.
    return torch.optim.AdamW(chosen, betas=betas, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the coming step."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
