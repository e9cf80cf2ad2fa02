"""What one rank learns of its data, all ranks know: they stop at the same step, for the same reason, and none waits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from mgll_train import gather
from mgll_train.budget import Broken
from mgll_train.cache import PIECE, damaged
from mgll_train.errors import DataError
from mgll_train.loaded import Loaded
from mgll_train.shards import Shard


@dataclass(frozen=True)
class News:
    """What the loaders of all ranks say of a step. empty: ranks without a usable sample."""

    broken: tuple[Broken, ...]
    notes: tuple[str, ...]
    empty: int


def news(loaded: Loaded, device: torch.device | str) -> News:
    """What all ranks' loaders say of the step. Every rank must call it; it costs one small sum where all is well."""
    mine = torch.tensor([len(loaded.broken) + len(loaded.notes), loaded.batch is None], dtype=torch.int64)
    said, empty = (int(count) for count in gather.all_reduce_sum(mine.to(device)).tolist())
    if not said:
        return News((), (), empty)
    entry = [[[b.number, b.message, b.fatal] for b in loaded.broken], list(loaded.notes)]
    everyone = exchange(entry, device)
    broken = tuple(Broken(*fields) for entries, _ in everyone for fields in entries)
    return News(broken, tuple(dict.fromkeys(note for _, notes in everyone for note in notes)), empty)


def exchange(value: Any, device: torch.device | str) -> list[Any]:
    """Every rank's value, in rank order; plain values that JSON can hold. Every rank must call it."""
    data = torch.frombuffer(bytearray(json.dumps(value).encode() + b"\n"), dtype=torch.uint8)
    rows = gather.all_gather_rows(data.to(device)).cpu()
    return [json.loads(line) for line in bytes(rows.tolist()).splitlines()]


def verify(shards: Sequence[Shard], device: torch.device | str, threads: int) -> None:
    """Check the SHA-256 of every shard, each by one rank. Every rank must call it.

    Raises DataError on all ranks, naming the shards that are not what their manifest says.
    """
    with ThreadPoolExecutor(max(1, threads)) as pool:
        found = pool.map(_problem, shards[gather.rank() :: gather.world_size()])
        mine = [problem for problem in found if problem]
    problems = [problem for rank in exchange(mine, device) for problem in rank]
    if problems:
        raise DataError("\n".join(problems[:10] + ([f"and {len(problems) - 10} more"] if len(problems) > 10 else [])))


def _problem(shard: Shard) -> str:
    digest = hashlib.sha256()
    try:
        with shard.path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
    except OSError as error:
        return f"{shard.path}: cannot be read ({error.strerror})"
    return "" if digest.hexdigest() == shard.sha256 else damaged(shard)
