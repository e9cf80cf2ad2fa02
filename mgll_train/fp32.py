"""The fp32 island: features, losses and statistics are never computed in bf16 or fp16."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_fp32(values: Tensor) -> Tensor:
    """The same values in fp32; fp64 ones, as tests use them, stay fp64."""
    return values if values.dtype == torch.float64 else values.float()
