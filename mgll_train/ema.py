"""The running average of the weights, which often ranks images better than the weights of the last step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mgll_train.shard_model import shared_like


class Average:
    """Exponential moving average of a module's state dict: parameters are averaged, buffers copied.

    After step t the average moves by 1 - min(decay, (1 + t) / (10 + t)) towards the weights: the first steps, which say
    little, are forgotten sooner (as TensorFlow's ExponentialMovingAverage does with `num_updates`).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._module, self._decay = module, decay
        self.values = {name: value.detach().clone() for name, value in module.state_dict().items()}
        self._averaged = {name for name, _ in module.named_parameters()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after `step` steps (1, 2, ...)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        for name, value in self._module.state_dict().items():
            if name in self._averaged:
                self.values[name].lerp_(value, 1 - decay)
            else:
                self.values[name].copy_(value)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Go on from a saved average."""
        for name, value in values.items():
            self.values[name].copy_(shared_like(value, self.values[name]))

    @contextmanager
    @torch.no_grad()
    def applied(self) -> Iterator[None]:
        """The module with the average as its weights; its own come back at the end."""
        state = self._module.state_dict()
        own = {name: value.clone() for name, value in state.items()}
        try:
            for name, value in state.items():
                value.copy_(self.values[name])
            yield
        finally:
            for name, value in state.items():
                value.copy_(own[name])
