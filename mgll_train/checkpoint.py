"""Checkpoints: written beside their name and renamed, pruned, and loaded without running any code from the file."""

from __future__ import annotations

import errno
import os
import re
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from mgll_train import deaths, gather, memory
from mgll_train.errors import DataError, UserError

VERSION = 1
_NAME = re.compile(r"^step-(\d{8})\.pt$")
# What a run that goes on may have changed: it only decides when a run stops.
_MAY_CHANGE = ("broken",)
_KEYS = ("v", "model", "objective", "optimizer", "scaler", "step", "cursor", "rng", "config", "manifests")


def save(folder: Path, state: Mapping[str, Any], keep: int) -> Path:
    """Write `folder/step-<8 digits>.pt` and remove all but the newest `keep` checkpoints. Returns its path.

    `state` holds tensors and plain values only, under the keys of `_KEYS` and perhaps `average` and `broken`,
    so that `weights_only=True` can read it. Raises UserError where it cannot be written.
    A kill at any moment leaves the old checkpoints whole: the new one gets its name only when it is on the disk.
    """
    path = folder / f"step-{int(state['step']):08d}.pt"
    part = path.with_suffix(".pt.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            torch.save(dict(state), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, RuntimeError) as error:  # torch says of a full disk that a position is unexpected
        part.unlink(missing_ok=True)  # before the room is told
        if deaths.is_death(error):  # it is raised wherever the main thread is
            raise
        left = f"{shutil.disk_usage(folder).free / 1e6:,.0f} MB free there" if folder.is_dir() else "no such folder"
        reason = error.strerror if isinstance(error, OSError) else "is the disk full?"
        raise UserError(
            f"{path}: cannot be written ({reason}; {left}); older checkpoints are whole. Make room, and go on with the "
            "same command and --resume auto"
        ) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    # A damaged checkpoint of a later step must not push out the one just written.
    for old in [other for other in found(folder) if other != path][max(1, keep) - 1 :]:
        old.unlink()
    return path


def found(folder: Path) -> list[Path]:
    """The checkpoints of a folder, newest step first."""
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if _NAME.match(path.name)), key=lambda p: p.name, reverse=True)


def remove_parts(folder: Path) -> None:
    """Remove what a run that was killed while it wrote has left; no other run may be writing."""
    for part in folder.glob("step-*.pt.part"):
        part.unlink()


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU. Raises DataError if it is damaged or was not written by this program."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such checkpoint") from None
    except Exception as error:  # the faults of a torn file have no common base class
        if memory.ran_out(error):
            raise
        # The file may be whole. (Torch seeks in a torn one to where nothing can be: EINVAL.)
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise UserError(f"{path}: cannot be read ({error.strerror or error}); try again") from error
        raise DataError(
            f"{path}: not a whole checkpoint ({path.stat().st_size:,} bytes, {type(error).__name__}): remove it, and "
            "--resume auto takes the one before"
        ) from error
    missing = [key for key in _KEYS if not isinstance(state, dict) or key not in state]
    if missing:
        raise DataError(f"{path}: not a checkpoint of mgll-train (it lacks {', '.join(missing)})")
    if state["v"] != VERSION:
        raise DataError(f"{path}: checkpoint version {state['v']}, this program reads {VERSION}")
    return dict(state)


def newest(folder: Path) -> tuple[Path, dict[str, Any], list[str]] | None:
    """The newest checkpoint of a folder that can be read, and a line for each newer one that cannot.

    None if there is no checkpoint at all. Raises DataError if there are some and none can be read.
    """
    problems: list[str] = []
    for path in found(folder):
        try:
            return path, load(path), problems
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("no checkpoint can be read:\n" + "\n".join(problems))
    return None


def resolve(path: Path) -> Path:
    """The checkpoint that a person means: the file itself, or the newest one of a run folder that is not cut short."""
    if path.is_dir():
        for folder in (path / "checkpoints", path):
            if listed := found(folder):
                return next((file for file in listed if zipfile.is_zipfile(file)), listed[0])
        raise UserError(f"{path}: no checkpoint (step-00000000.pt) in this folder or in its folder checkpoints/")
    if not path.is_file():
        raise UserError(f"{path}: there is no such checkpoint; give CHECKPOINT first, a file or the folder of a run")
    return path


def refuse_other_run(path: Path, state: Mapping[str, Any], config: Mapping[str, Any], manifests: Sequence[str]) -> None:
    """Raise UserError naming every difference between a checkpoint's settings and datasets and those of this run."""
    old = state["config"]
    problems = [
        f"{key}: the checkpoint has {old.get(key, 'nothing')!r}, this run {config.get(key, 'nothing')!r}"
        for key in sorted({*old, *config})
        if key not in _MAY_CHANGE and old.get(key) != config.get(key)
    ]
    if list(state["manifests"]) != list(manifests):
        before, now = ", ".join(state["manifests"]), ", ".join(manifests)
        problems.append(f"datasets: the checkpoint was trained on {before}, this run reads {now}")
    if problems:
        raise UserError(
            [f"{path} is of another run and cannot be resumed:"]
            + [f"  {problem}" for problem in problems]
            + ["use the same settings and shards, or another --out for a new run"]
        )


def rng_state(device: torch.device) -> dict[str, Any]:
    """States of torch's generators, one row a rank: `cpu`, and `cuda` where that is the device. Every rank calls it.

    Data order and augmentation need none: they are functions of the seed and the cursor.
    """
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return {name: gather.all_gather_rows(state[None].to(device)).cpu() for name, state in states.items()}


def restore_rng(states: Mapping[str, torch.Tensor], rank: int, device: torch.device) -> None:
    """Put this rank's generators back; where the run had fewer ranks or another device they stay as they are."""
    if rank < len(states["cpu"]):
        torch.set_rng_state(states["cpu"][rank].clone())
    if device.type == "cuda" and rank < len(states.get("cuda", ())):
        torch.cuda.set_rng_state(states["cuda"][rank].clone(), device)
