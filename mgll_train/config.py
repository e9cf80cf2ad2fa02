"""Settings of a pretraining run: a locked YAML file as a frozen dataclass, overridden from the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_type_hints

import yaml

from mgll_train.errors import UserError
from mgll_train.typed import typed

# Settings that change how a run is carried out, not what it computes: a resumed run may change them.
_FREE = {"identity": False}


@dataclass(frozen=True)
class Config:
    """Every setting of a pretraining run. The length of the run is exactly one of steps, epochs and samples.

    What is trained. model: an open_clip model name, a path, or `tiny`. pretrained: its weights, an open_clip checkpoint
    file, folder or tag on this machine. text_tower: a BERT-family tower in place of the model's own. objective and
    options: a module of `mgll_train.objectives` and its keyword arguments. levels: the texts' granularities, coarse to
    fine; empty for all that the datasets hold. unknown: whether a text that nothing is known of is masked or counts as
    a negative. lock: the tower that keeps its weights, but for its last `unlocked` layers.

    The data. texts_per_level: most texts of a sample at a level in a step, drawn anew each time; 0 for all.
    levels_per_step: all levels in every step, or one drawn for each step. weights: shares of the datasets in an epoch,
    one each; empty for their sizes. batch: samples a step over all ranks. shuffle: samples shuffled together. crop:
    smallest area of a random crop, as a share of the picture. jitter: largest change of brightness and contrast, as a
    share of the grey range. reduced: decode a JPEG at half size or less when that is still larger than the model needs
    (slightly other pixels, faster). broken: share of the samples that may be unreadable before the run stops. cache:
    folder on the node's own disk for copies of the shards, at most cache_gb (10^9 bytes). verify: check the SHA-256 of
    every shard before the first step. workers: loader processes, -1 to choose.

    The steps. lr: peak learning rate. layer_decay: factor of the rate from one layer to the one before it, in each
    tower. warmup: share of the steps. clip: largest gradient norm. ema: decay of the running average of the weights, 0
    for none. threads: CPU threads for the model, 0 to choose.

    What it costs, with the same gradients. accumulate: micro-batches of a step (GradCache). gradient_checkpointing:
    keep only what passes between blocks. compile: compile the towers' blocks. fsdp: share parameters, gradients and
    optimiser state among the ranks (FSDP2).

    What is told. evaluate_every: steps between evaluations on the split val, 0 for none. wandb: a project of Weights &
    Biases to log to as well, which stays on this machine unless WANDB_MODE=online.
    """

    model: str = "tiny"
    pretrained: str | None = None
    text_tower: str | None = None
    objective: str = "mgll"
    options: dict[str, Any] = field(default_factory=dict)
    levels: tuple[str, ...] = ()
    unknown: Literal["mask", "negative"] = "mask"
    lock: Literal["none", "image", "text"] = "none"
    unlocked: int = 0
    texts_per_level: int = 0
    levels_per_step: Literal["all", "one"] = "all"
    weights: tuple[float, ...] = ()
    seed: int = 17
    steps: int | None = None
    epochs: float | None = None
    samples: int | None = None
    batch: int = 128
    shuffle: int = 8192
    crop: float = 0.6
    jitter: float = 0.1
    reduced: bool = True
    broken: float = 0.001
    lr: float = 5e-4
    layer_decay: float = 1.0
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.98
    warmup: float = 0.05
    clip: float = 1.0
    ema: float = 0.0
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    accumulate: int = field(default=1, metadata=_FREE)
    gradient_checkpointing: bool = field(default=False, metadata=_FREE)
    compile: bool = field(default=False, metadata=_FREE)
    fsdp: bool = field(default=False, metadata=_FREE)
    evaluate_every: int = field(default=0, metadata=_FREE)
    wandb: str | None = field(default=None, metadata=_FREE)
    checkpoint_every: int = field(default=500, metadata=_FREE)
    keep: int = field(default=2, metadata=_FREE)
    log_every: int = field(default=10, metadata=_FREE)
    cache: str | None = field(default=None, metadata=_FREE)
    cache_gb: float = field(default=500.0, metadata=_FREE)
    verify: bool = field(default=False, metadata=_FREE)
    workers: int = field(default=-1, metadata=_FREE)
    threads: int = field(default=0, metadata=_FREE)

    def identity(self) -> dict[str, Any]:
        """The settings that decide what the run computes: plain values, what a checkpoint is compared by."""
        kept = {f.name for f in fields(self) if f.metadata.get("identity", True)}
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
            if key in kept
        }


DURATION = ("steps", "epochs", "samples")


def load(path: Path | None, overrides: Mapping[str, Any] | None = None, pairs: Sequence[str] = ()) -> Config:
    """Read a settings file (None: the defaults), and put the overrides that are not None and `KEY=VALUE` pairs over it.

    A length of the run among the latter replaces the file's, whichever of the three that was. Raises UserError with
    every problem found, each with its line; unknown keys come with the nearest known one.
    """
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    problems: list[str] = []
    for key, line, value in _read(path) if path is not None else ():
        place = f"{path}:{line}"
        if key in values:
            problems.append(f"{place}: key {key!r} is given twice")
        values[key] = value
        places[key] = place
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    options = {key: "--" + key.replace("_", "-") for key in given}
    problems += _assign(pairs, given, options)
    if any(key in given for key in DURATION):
        for key in DURATION:
            values.pop(key, None)
    values |= given
    places |= options
    hints = get_type_hints(Config)
    known = [f.name for f in fields(Config)]
    right: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            near = get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            problems.append(f"{places[key]}: unknown key {key!r} ({hint})")
        else:
            as_typed, wrong = typed(hints[key], value)
            if wrong:
                problems.append(f"{places[key]}: {key} is {wrong}")
            else:
                right[key] = as_typed
    problems += _out_of_range(right, places)
    if problems:
        raise UserError(problems)
    return Config(**right)


def _assign(pairs: Sequence[str], given: dict[str, Any], places: dict[str, str]) -> list[str]:
    """Add `KEY=VALUE` pairs, values read as YAML, to what is given, and their places; the problems found."""
    problems: list[str] = []
    for pair in pairs:
        key, sign, text = pair.partition("=")
        key = key.strip().replace("-", "_")
        if not sign or not key:
            problems.append(f"--set {pair}: write KEY=VALUE, such as --set ema=0.999")
        elif key in given:
            problems.append(f"--set {pair}: {key} is given twice")
        else:
            try:
                given[key], places[key] = yaml.safe_load(text), f"--set {pair}"
            except yaml.YAMLError:
                problems.append(f"--set {pair}: {text!r} is not a value as YAML writes it, such as 0.5 or [2, 1]")
    return problems


def _read(path: Path) -> list[tuple[str, int, Any]]:
    """(key, line, value) of each entry of a YAML mapping. Raises UserError if the file is absent or is none."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}): save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): --config takes a file of settings") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise UserError(f"{path}:{line}: not YAML: {getattr(error, 'problem', None) or error}") from error
    if node is None:
        return []
    if not isinstance(node, yaml.MappingNode):
        raise UserError(f"{path}:1: the file must be a mapping of settings, such as `batch: 128`")
    strange = [key.start_mark.line + 1 for key, _ in node.value if not isinstance(key, yaml.ScalarNode)]
    if strange:
        raise UserError([f"{path}:{line}: a key must be the name of a setting" for line in strange])
    return [
        (str(key.value), key.start_mark.line + 1, yaml.safe_load(yaml.serialize(child))) for key, child in node.value
    ]


_RANGES: dict[str, tuple[float, float]] = {
    "seed": (0, 2**63 - 1),
    "steps": (1, 10**9),
    "epochs": (1e-9, 10**6),
    "samples": (1, 10**15),
    "texts_per_level": (0, 1000),
    "cache_gb": (0, 10**9),
    "unlocked": (0, 1000),
    "batch": (1, 2**24),
    "shuffle": (1, 2**31),
    "crop": (0.3, 1),
    "jitter": (0, 0.5),
    "broken": (0, 1),
    "lr": (0, 10),
    "layer_decay": (0.01, 1),
    "weight_decay": (0, 10),
    "beta1": (0, 0.99999),
    "beta2": (0, 0.999999),
    "warmup": (0, 1),
    "clip": (1e-6, 1e6),
    "ema": (0, 0.999999),
    "accumulate": (1, 2**20),
    "evaluate_every": (0, 10**9),
    "checkpoint_every": (1, 10**9),
    "keep": (1, 10**6),
    "log_every": (1, 10**9),
    "workers": (-1, 256),
    "threads": (0, 1024),
}


def _out_of_range(values: Mapping[str, Any], places: Mapping[str, str]) -> list[str]:
    return [
        f"{places[key]}: {key} is {value}, which is not between {low:g} and {high:g}"
        for key, (low, high) in _RANGES.items()
        if (value := values.get(key)) is not None and not low <= value <= high
    ]
