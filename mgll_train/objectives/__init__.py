"""Pretraining objectives, one a module: the module `mgll` holds the class `Mgll`, and is built by its name.

An objective maps features and a batch to named scalars. It owns the logit scale, biases, heads and prototypes as its
parameters, which belong in an optimiser group without weight decay.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import math
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mgll_train import gather
from mgll_train.batch import Batch
from mgll_train.errors import UserError
from mgll_train.fp32 import at_least_fp32
from mgll_train.losses.cosines import cosines
from mgll_train.model import Features, Widths
from mgll_train.typed import typed

LARGEST_LOG_SCALE = math.log(100)
# Ranges of options: least, greatest, in words.
ABOVE_ZERO = (1e-6, 1e6, "a number above 0")
FROM_ZERO = (0.0, 1e6, "a number >= 0")
FINITE = (-1e6, 1e6, "a number")


class Objective(nn.Module):
    """Base of the objectives. `levels`: the levels whose texts the batch must hold, as `batch.collate` takes them.

    local: whether it reads patch and word features (`Features.local`). progress: the share of the run that is done, in
    [0, 1], which the loop sets before every step, for objectives that change on the way. detailed: whether scalars that
    serve only to be looked at, and cost time, are worked out; the loop sets it for the steps that it logs.
    """

    levels: tuple[str, ...]
    local = False
    progress = 0.0
    detailed = True

    def __init__(self, levels: Sequence[str], temperature: float) -> None:
        super().__init__()
        if not 0.01 <= temperature <= 1:
            raise UserError(f"temperature must lie in [0.01, 1], found {temperature}")
        if not levels:
            raise UserError("an objective needs at least one level of texts")
        self.levels = tuple(levels)
        self.logit_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def forward(self, features: Features, batch: Batch) -> dict[str, Tensor]:
        """Scalars by name: `loss` (the only one that carries gradients), every term, `floor/...` and diagnostics.

        `loss` has the value of the global batch on every rank, and gradients whose mean over ranks is the global
        gradient. Everything is computed in fp32 (fp64 features stay fp64), inside autocast too. A term that is not
        finite makes `loss` not finite: nothing is dropped here. Raises ValueError where there is more than one rank and
        the batch did not go through `batch.share_texts`.
        """
        if gather.world_size() > 1 and not batch.shared:
            raise ValueError("with several ranks a batch must go through batch.share_texts before the objective")
        with torch.autocast(features.image.device.type, enabled=False):
            loss, shares = self.shares(features, batch)
            names = list(shares)
            values = torch.stack([loss, *(shares[name].to(loss) for name in names)])
            means = gather.all_reduce_sum(values) / gather.world_size()
            results = dict(zip(names, means[1:], strict=True))
            return {"loss": loss + (means[0] - loss).detach(), **results}

    def shares(self, features: Features, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """This rank's share of the loss and of every scalar to report; by default `terms` of the cosines."""
        texts = torch.cat([unit(features.text[level]) for level in self.levels])  # one product for all levels
        found = cosines(at_least_fp32(features.image), texts)
        parts = torch.split(found, [len(features.text[level]) for level in self.levels], 1)
        return self.terms({level: part.contiguous() for level, part in zip(self.levels, parts, strict=True)}, batch)

    def terms(self, cosines: Mapping[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """This rank's share of the loss, and of every scalar to report, from cosines (n, K) of every level."""
        raise NotImplementedError

    def diagnostics(self, level: str, batch: Batch) -> dict[str, Tensor]:
        """If `detailed`, this rank's shares of a level's `positives_per_row`, `unknown_share` and number of texts."""
        if not self.detailed:
            return {}
        targets = batch.levels[level]
        images, texts = targets.Y.shape
        rows = torch.tensor(float(images), dtype=torch.float64, device=targets.Y.device)
        total = gather.all_reduce_sum(rows) / gather.world_size()
        return {
            f"positives_per_row/{level}": (targets.Y > 0).sum() / total,
            f"unknown_share/{level}": (~targets.valid).sum() / total / max(texts, 1),
            f"texts/{level}": torch.tensor(float(texts), device=targets.Y.device),
        }

    def clamp_(self) -> None:
        """Bring the logit scale back into [1, 100]; call it after every optimiser step."""
        with torch.no_grad():
            self.logit_scale.clamp_(0, LARGEST_LOG_SCALE)


def names() -> list[str]:
    """Names of the objectives: the modules of this package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def build(
    name: str, levels: Sequence[str] = (), widths: Callable[[], Widths] | None = None, **options: Any
) -> Objective:
    """Build an objective by its module's name. Raises UserError for an unknown name or option, with the nearest.

    levels: the levels of texts to train on, coarse to fine; all but `mgll` train on the samples' captions instead.
    widths: gives the features' widths, which an objective with heads of its own needs.
    """
    if name not in names():
        raise UserError(_wrong("objective", name, names()))
    module = importlib.import_module(f"{__name__}.{name}")
    kind: type[Objective] = getattr(module, name.capitalize())
    takes = inspect.signature(kind).parameters
    known = [option for option in takes if option not in ("levels", "widths")]
    wrong = [_wrong(f"option of objective {name}", str(option), known) for option in options if option not in known]
    if wrong:
        raise UserError(wrong)
    hints = get_type_hints(kind.__init__)
    for option, value in options.items():
        options[option], fault = typed(hints[option], value)
        wrong += [f"{option} is {fault}"] if fault else []
    if wrong:
        raise UserError([f"options of objective {name}: {problem}" for problem in wrong])
    if "widths" in takes:
        options["widths"] = widths() if widths else None
    try:
        return kind(levels, **options)
    except UserError as error:
        raise UserError([f"options of objective {name}: {problem}" for problem in error.problems]) from error


def three_weights(weights: Sequence[float]) -> tuple[float, float, float]:
    """Weights of three terms. Raises UserError unless all are finite and >= 0, and one is not 0."""
    if len(weights) != 3 or not all(0 <= weight < math.inf for weight in weights) or max(weights) == 0:
        raise UserError(f"weights must be three numbers >= 0, not all 0; found {list(weights)}")
    one, two, three = map(float, weights)
    return one, two, three


def in_range(**options: tuple[Any, tuple[float, float, str]]) -> None:
    """Raise UserError for every option (value, range) whose value is not in its range. None is not looked at."""
    wrong = [
        f"{name} must be {words}, found {value!r}"
        for name, (value, (least, greatest, words)) in options.items()
        if value is not None and not least <= float(value) <= greatest
    ]
    if wrong:
        raise UserError(wrong)


def non_finite(scalars: Mapping[str, Tensor]) -> list[str]:
    """Names of the scalars that are NaN or infinite."""
    finite = torch.stack([value.detach().isfinite().all() for value in scalars.values()]).tolist()
    return [name for name, fine in zip(scalars, finite, strict=True) if not fine]


def unit(features: Tensor) -> Tensor:
    """Features divided by their length along the last dimension, at least in fp32."""
    return F.normalize(at_least_fp32(features), dim=-1)


def _wrong(what: str, given: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {what} {given!r}{hint} (known: {', '.join(known)})"
