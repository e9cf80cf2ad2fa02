"""Gradients that are worked out by hand, once: a second derivative is refused, where it would silently be wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch


def first_order(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate the backward of an autograd Function: RuntimeError under create_graph=True."""

    @wraps(backward)
    def checked(ctx: Any, *grads: Any) -> Any:
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            raise RuntimeError("the gradient of this loss has no derivative of its own: create_graph must be False")
        return backward(ctx, *grads)

    return checked
