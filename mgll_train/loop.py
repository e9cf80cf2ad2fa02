"""Pretraining, top to bottom: where it runs, what it reads, what it trains, and the steps."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import yaml
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mgll_train import checkpoint, gather, objectives, shards
from mgll_train.batch import Batch, share_texts
from mgll_train.build import build_model
from mgll_train.config import Config
from mgll_train.errors import DataError, InterruptedRun, NonFiniteError, UserError
from mgll_train.interrupt import stop_on_signal
from mgll_train.log import Log
from mgll_train.model import Preprocess, TwoTowers
from mgll_train.picture import View
from mgll_train.schedule import learning_rate, total_steps
from mgll_train.stream import Budget, Plan, Steps, load_steps, normalise, worker_count


def pretrain(config: Config, patterns: Sequence[str], out: Path, *, resume: bool = False) -> Path:
    """Pretrain on the train split of the datasets that `patterns` name and return the last checkpoint.

    Writes `out/checkpoints`, `out/tensorboard` and `out/config.yaml`. With `resume` it goes on from the newest whole
    checkpoint of `out`, to the bit on a CPU; without, a folder that holds checkpoints is refused. Under torchrun every
    rank calls it and `config.batch` is shared by the ranks.
    Raises UserError for input that cannot work, DataError for damaged shards or too many broken samples,
    NonFiniteError, and InterruptedRun after SIGTERM or SIGINT, when a checkpoint has been written.
    """
    with _ranks() as device:
        rank, world = gather.rank(), gather.world_size()
        workers = worker_count(config.workers, cuda=device.type == "cuda")
        if device.type == "cpu":
            torch.set_num_threads(
                config.threads or max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
            )
        if config.precision == "fp16" and device.type != "cuda":
            raise UserError("precision fp16 needs a CUDA device: use bf16 or fp32 on a CPU")

        # What is read
        datasets = shards.find(patterns)
        identity = shards.identity(datasets)
        reader = shards.Reader(shards.split_shards(datasets, "train"))
        vocabulary = shards.vocabulary(datasets)
        total = total_steps(
            batch=config.batch,
            dataset=len(reader),
            steps=config.steps,
            epochs=config.epochs,
            samples=config.samples,
        )
        warmup = round(config.warmup * total)

        # What is trained
        torch.manual_seed(config.seed)
        model, wanted, tokenizer = build_model(config.model)
        levels = shards.levels(datasets, config.levels)
        widths = partial(model.widths, wanted.image_size)
        objective = objectives.build(config.objective, levels, widths=widths, **config.options)
        network: nn.Module = _Network(model, objective).to(device)
        optimizer = torch.optim.AdamW(
            _groups(model, objective, config.weight_decay), betas=(config.beta1, config.beta2)
        )
        scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        if world > 1:
            network = DistributedDataParallel(network, device_ids=[device.index] if device.type == "cuda" else None)
            torch.manual_seed(config.seed + rank)  # dropout differs between ranks
        parameters = [p for p in network.parameters() if p.requires_grad]

        # From where
        first = 0
        log_lines: list[str] = []
        saved = checkpoint.newest(out / "checkpoints")
        if saved is not None:
            path, state, log_lines = saved
            if not resume:
                raise UserError(
                    f"{out} holds a run (at step {state['step']}): --resume auto goes on, or give another --out"
                )
            checkpoint.refuse_other_run(path, state, config.identity(), identity)
            try:
                model.load_state_dict(state["model"])
                objective.load_state_dict(state["objective"])
            except RuntimeError as error:
                raise UserError(
                    f"{path}: its weights do not fit model {config.model}; was the model file changed since? {error}"
                ) from error
            optimizer.load_state_dict(state["optimizer"])
            scaler.load_state_dict(state["scaler"])
            checkpoint.restore_rng(state["rng"], rank, device)
            first = state["step"]
            log_lines.append(f"resumed from {path.name}")
        elif rank == 0:
            out.mkdir(parents=True, exist_ok=True)
            settings = {**config.identity(), "datasets": list(identity)}
            (out / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")

        steps = Steps(
            reader,
            Plan(config.seed, config.batch, config.shuffle, identity, rank, world),
            View(wanted.image_size, config.crop, config.jitter, config.reduced),
            levels=objective.levels,
            vocabulary=vocabulary,
            tokenizer=tokenizer,
            unknown=config.unknown,
        )
        budget = Budget(config.broken, len(reader))

        def save(step: int) -> Path:
            rng = checkpoint.rng_state(device)
            path = out / "checkpoints" / f"step-{step:08d}.pt"
            if rank == 0:
                cursor = shards.Cursor.at(step, config.batch, len(reader))
                state = {
                    "v": checkpoint.VERSION,
                    "model": model.state_dict(),
                    "objective": objective.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "scaler": scaler.state_dict(),
                    "step": step,
                    "cursor": {"epoch": cursor.epoch, "consumed": cursor.consumed},
                    "rng": rng,
                    "config": config.identity(),
                    "manifests": list(identity),
                }
                path = checkpoint.save(out / "checkpoints", state, config.keep)
            return path

        last = out / "checkpoints" / f"step-{first:08d}.pt"
        log = Log(out / "tensorboard", first=first, total=total, batch=config.batch, speaks=rank == 0)
        for line in [*log_lines, *_where(config, datasets, reader, model, objective, device, workers, out)]:
            log.say(line)
        if first >= total:
            log.say(f"nothing to do: the run is at step {first} of {total}")
            return last

        with stop_on_signal() as stop, log:
            batches = load_steps(steps, first, total, workers=workers, cuda=device.type == "cuda")
            for step, loaded in enumerate(batches, start=first + 1):
                for message in budget.spend(loaded.broken):
                    log.say(f"left out: {message}")
                if loaded.batch is None:
                    raise DataError(f"every sample of step {step} is broken, the last one: {loaded.broken[-1].message}")
                batch = _on_device(loaded.batch, wanted, device)
                rate = learning_rate(step - 1, total, warmup, config.lr)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                # Forward
                objective.progress = (step - 1) / total
                logged = step % config.log_every == 0 or step == total
                objective.detailed = logged
                with torch.autocast(device.type, _HALF.get(config.precision), enabled=config.precision in _HALF):
                    scalars: dict[str, Tensor] = network(batch)
                _check_finite(scalars, step, batch)
                # Backward
                optimizer.zero_grad(set_to_none=True)
                scaler.scale(scalars["loss"]).backward()  # type: ignore[no-untyped-call]
                scaler.unscale_(optimizer)
                norm = nn.utils.clip_grad_norm_(parameters, config.clip)
                if not scaler.is_enabled():
                    _check_finite({"gradient_norm": norm}, step, batch)
                scaler.step(optimizer)
                scaler.update()
                objective.clamp_()

                log.step(step)
                if logged:
                    values = {name: value.item() for name, value in scalars.items()}
                    epochs = step * config.batch / len(reader)
                    extra = {"lr": rate, "gradient_norm": norm.item(), "epoch": epochs, "broken_samples": len(budget)}
                    log.scalars(step, {**values, **extra})
                stopping = stop.requested(device)
                if stopping or step == total or step % config.checkpoint_every == 0:
                    last = save(step)
                if stopping and step < total:
                    raise InterruptedRun(f"stopped at step {step} of {total}: {last} is written; --resume auto goes on")
        log.say(f"done: {last}")
        return last


_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


class _Network(nn.Module):
    """Towers and objective as one module, so that DistributedDataParallel averages the gradients of both."""

    def __init__(self, model: TwoTowers, objective: objectives.Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        scalars: dict[str, Tensor] = self.objective(self.model(batch, local=self.objective.local), batch)
        return scalars


@contextmanager
def _ranks() -> Iterator[torch.device]:
    """The device of this process; under torchrun also the process group (NCCL on CUDA, gloo on CPU)."""
    local = int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def _groups(model: nn.Module, objective: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Parameter groups: matrices decay; gains, biases, the logit scale and all else of the objective do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": decay},
        {"params": [*(p for p in trained if p.ndim < 2), *objective.parameters()], "weight_decay": 0.0},
    ]


def _on_device(batch: Batch, wanted: Preprocess, device: torch.device) -> Batch:
    """The batch on the device, its uint8 images normalised to float32, its texts shared by all ranks."""
    batch = batch.to(device, non_blocking=True)
    return share_texts(replace(batch, images=normalise(batch.images, wanted)))


def _check_finite(scalars: dict[str, Tensor], step: int, batch: Batch) -> None:
    wrong = objectives.non_finite(scalars)
    if wrong:
        raise NonFiniteError(
            f"step {step}: {', '.join(wrong)} not finite; no checkpoint was written after this. "
            f"A lower --lr or precision fp32 may help. The samples of the batch: {' '.join(batch.uids)}"
        )


def _where(
    config: Config,
    datasets: Sequence[shards.Dataset],
    reader: shards.Reader,
    model: nn.Module,
    objective: objectives.Objective,
    device: torch.device,
    workers: int,
    out: Path,
) -> list[str]:
    size = sum(p.numel() for p in model.parameters()) / 1e6
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    ranks = f", {gather.world_size()} ranks" if gather.world_size() > 1 else ""
    names = ", ".join(f"{d.manifest.name} {d.manifest.id}" for d in datasets)
    return [
        f"data   {len(reader):,} samples in {len(reader.shards)} shards: {names}",
        f"model  {config.model}, {size:.1f} million parameters; objective {config.objective} on "
        f"{', '.join(objective.levels)}",
        f"where  {place}{ranks}, {workers} loader workers, precision {config.precision}",
        f"out    {out} (curves: tensorboard --logdir {out})",
    ]
