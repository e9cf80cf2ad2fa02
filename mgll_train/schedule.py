"""How long a run is, and its learning rate at each step."""

from __future__ import annotations

import math

from mgll_train.errors import UserError


def total_steps(*, batch: int, dataset: int, steps: int | None, epochs: float | None, samples: int | None) -> int:
    """Number of optimiser steps of a run whose length is given as exactly one of steps, epochs or samples.

    `batch` is the number of samples a step over all ranks, `dataset` the number of samples of an epoch. Epochs and
    samples are rounded up to whole steps, so that no sample is left out. Raises UserError if none or several are
    given, or if the length is not positive.
    """
    given = {"steps": steps, "epochs": epochs, "samples": samples}
    named = [f"{name}={value}" for name, value in given.items() if value is not None]
    if len(named) != 1:
        found = " and ".join(named) if named else "none of them"
        raise UserError(f"give the length of the run as one of --steps, --epochs and --samples; found {found}")
    if steps is not None:
        wanted = float(steps)
    elif epochs is not None:
        wanted = epochs * dataset / batch
    else:
        assert samples is not None
        wanted = samples / batch
    if not wanted > 0 or math.isinf(wanted):
        raise UserError(f"the length of the run must be positive; found {named[0]}")
    # 1e-9: 3 epochs of 0.1 batches each must not become one step more by rounding.
    return max(1, math.ceil(wanted - 1e-9))


def learning_rate(step: int, total: int, warmup: int, peak: float) -> float:
    """Learning rate of step `step` (0-based) of `total`: linear from peak / warmup up to peak, then cosine to 0.

    The cosine is that of Loshchilov and Hutter, SGDR (2017), equation 5, with one period and minimum 0.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return 0.5 * peak * (1 + math.cos(math.pi * min(1.0, progress)))
