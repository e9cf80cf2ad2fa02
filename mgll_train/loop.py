"""Pretraining, top to bottom: where it runs, what it reads, what it trains, and the steps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
import yaml
from torch import Tensor

from mgll_train import checkpoint, gather, objectives, ranks, shards
from mgll_train.agree import exchange, news, verify
from mgll_train.batch import Batch, share_texts
from mgll_train.budget import Budget
from mgll_train.cache import Cache
from mgll_train.config import Config
from mgll_train.deaths import deaths_told
from mgll_train.errors import DataError, InterruptedRun, NonFiniteError, UserError
from mgll_train.evaluate.during import Validation, val_shards
from mgll_train.interrupt import stop_on_signal
from mgll_train.lock import alone
from mgll_train.log import Log
from mgll_train.memory import explained
from mgll_train.model import Preprocess
from mgll_train.optimizer import set_rate
from mgll_train.order import Cursor, describe
from mgll_train.picture import View
from mgll_train.schedule import learning_rate, total_steps
from mgll_train.stream import Plan, Steps, normalise
from mgll_train.training import Training
from mgll_train.workers import cores, load_steps, worker_count


def pretrain(config: Config, patterns: Sequence[str], out: Path, *, resume: bool = False) -> Path:
    """Pretrain on the train split of the datasets that `patterns` name and return the last checkpoint.

    Writes `out/checkpoints`, `out/tensorboard` and `out/config.yaml`. With `resume` it goes on from the newest whole
    checkpoint of `out`, to the bit on a CPU; without, a folder that holds checkpoints is refused. Under torchrun every
    rank calls it and `config.batch` is shared by the ranks.
    Raises UserError for input that cannot work or needs too much memory, DataError for damaged shards or too many
    broken samples, NonFiniteError, and InterruptedRun after SIGTERM or SIGINT, when a checkpoint has been written.
    """
    with ranks.joined() as device, explained(config, gather.rank()), alone(out, device) as log_lines:
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
        listed = shards.split_shards(datasets, "train")
        watched = val_shards(datasets) if config.evaluate_every else []
        if config.verify:
            verify(listed, device, cores())
        cache = Cache(config.cache, int(config.cache_gb * 1e9), [*listed, *watched])
        reader = shards.Reader(listed, cache.path)
        vocabulary = shards.vocabulary(datasets)
        total = total_steps(
            batch=config.batch,
            dataset=len(reader),
            steps=config.steps,
            epochs=config.epochs,
            samples=config.samples,
        )
        warmup = round(config.warmup * total)

        # From where
        first = 0
        state = None
        saved = checkpoint.newest(out / "checkpoints")
        seen = exchange(saved[0].name if saved else "none", device)
        if len(set(seen)) > 1:
            raise UserError(
                f"{out}: the ranks see different newest checkpoints ({', '.join(seen)}): --out must be one folder that "
                "all nodes share"
            )
        if saved is not None:
            path, state, damaged = saved
            log_lines += damaged
            if not resume:
                raise UserError(
                    f"{out} holds a run (at step {state['step']}): --resume auto goes on, or give another --out"
                )
            checkpoint.refuse_other_run(path, state, config.identity(), identity)
            if rank == 0:
                checkpoint.remove_parts(out / "checkpoints")
            first = state["step"]
            log_lines.append(f"resumed from {path.name}")

        # What is trained
        try:
            training = Training(config, shards.levels(datasets, config.levels), device, state)
        except RuntimeError as error:
            if saved is None or isinstance(error, torch.OutOfMemoryError):
                raise
            raise UserError(
                f"{saved[0]}: its weights do not fit model {config.model}; was the model file changed since? {error}"
            ) from error
        objective, optimizer, scaler = training.objective, training.optimizer, training.scaler
        if world > 1:
            torch.manual_seed(config.seed + rank)  # dropout differs between ranks
        if state is not None:
            checkpoint.restore_rng(state["rng"], rank, device)
        elif rank == 0:
            settings = {**config.identity(), "datasets": list(identity)}
            (out / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")

        steps = Steps(
            reader,
            Plan(
                config.seed,
                config.batch,
                config.shuffle,
                identity,
                rank,
                world,
                config.weights,
                config.texts_per_level or None,
                config.levels_per_step == "one",
            ),
            View(training.wanted.image_size, config.crop, config.jitter, config.reduced),
            levels=objective.levels,
            vocabulary=vocabulary,
            tokenizer=training.tokenizer,
            unknown=config.unknown,
            notes=cache.notes,
        )
        budget = Budget(config.broken, len(reader), state.get("broken", ()) if state else ())
        validation = Validation(
            shards.Reader(watched, cache.path),
            vocabulary,
            training.wanted,
            training.tokenizer,
            workers=workers,
            broken=config.broken,
        )

        def save(step: int) -> Path:
            rng, learnt, failed = checkpoint.rng_state(device), training.state(), None
            path = out / "checkpoints" / f"step-{step:08d}.pt"
            if rank == 0:
                cursor = Cursor.at(step, config.batch, len(reader))
                state = {
                    "v": checkpoint.VERSION,
                    **learnt,
                    "step": step,
                    "cursor": {"epoch": cursor.epoch, "consumed": cursor.consumed},
                    "rng": rng,
                    "config": config.identity(),
                    "manifests": list(identity),
                    "broken": budget.numbers,
                }
                try:
                    path = checkpoint.save(out / "checkpoints", state, config.keep)
                except UserError as error:
                    failed = error
            # A rank that ended before the file is whole would make its launcher end them all.
            if gather.all_reduce_sum(torch.tensor(float(failed is not None), device=device)).item():
                raise failed or UserError("rank 0 could not write a checkpoint")
            return path

        last = out / "checkpoints" / f"step-{first:08d}.pt"
        log = Log(
            out / "tensorboard",
            first=first,
            total=total,
            batch=config.batch,
            speaks=rank == 0,
            wandb=config.wandb,
            settings=config.identity(),
        )
        if config.levels_per_step == "one" and config.objective == "mgll":
            log_lines.append("note   levels_per_step: one leaves out the smooth KL term, which compares levels")
        if config.weights:
            log_lines.append(f"mix    {describe(steps.mix)}")
        for line in [*log_lines, *_where(config, datasets, reader, training, device, workers, out)]:
            log.say(line)
        if first >= total:
            log.say(f"nothing to do: the run is at step {first} of {total}")
            return last

        infinite = 0
        batches = load_steps(steps, first, total, workers=workers, cuda=device.type == "cuda")
        with stop_on_signal() as stop, log, closing(batches), deaths_told():
            for step, loaded in enumerate(batches, start=first + 1):
                said = news(loaded, device)
                for message in [*(f"left out: {line}" for line in budget.spend(said.broken)), *said.notes]:
                    log.say(message)
                if loaded.batch is None or said.empty:
                    raise DataError(f"every sample of step {step} is broken, the last one: {said.broken[-1].message}")
                batch = _on_device(loaded.batch, training.wanted, device)
                rate = learning_rate(step - 1, total, warmup, config.lr)
                set_rate(optimizer, rate)
                # Forward
                objective.progress = (step - 1) / total
                logged = step % config.log_every == 0 or step == total
                objective.detailed = logged
                with torch.autocast(device.type, _HALF.get(config.precision), enabled=config.precision in _HALF):
                    scalars: dict[str, Tensor] = training.network(batch)
                _check_finite(scalars, step, batch)
                # Backward
                optimizer.zero_grad(set_to_none=True)
                scaler.scale(scalars["loss"]).backward()  # type: ignore[no-untyped-call]
                scaler.unscale_(optimizer)
                norm = training.clip_gradients(config.clip)
                # The scaler of fp16 leaves out steps whose gradients are infinite and lowers its scale: a few, not all.
                infinite = 0 if norm.isfinite() else infinite + 1
                if infinite > (_SCALINGS if scaler.is_enabled() else 0):
                    _check_finite({"gradient_norm": norm}, step, batch)
                scaler.step(optimizer)
                scaler.update()
                objective.clamp_()
                if training.average is not None:
                    training.average.update(step)

                log.step(step)
                if logged:
                    values = {name: value.item() for name, value in scalars.items()}
                    epochs = step * config.batch / len(reader)
                    extra = {"lr": rate, "gradient_norm": norm.item(), "epoch": epochs, "broken_samples": len(budget)}
                    log.scalars(step, {**values, **extra})
                if config.evaluate_every and (step % config.evaluate_every == 0 or step == total):
                    with log.paused(), training.evaluated() as model:
                        figures = validation.figures(model, partial(stop.requested, device))
                    for message in figures.left_out:
                        log.say(f"left out of val: {message}")
                    log.evaluated(step, figures.values)
                stopping = stop.requested(device)
                if stopping or step == total or step % config.checkpoint_every == 0:
                    last = save(step)
                if stopping and step < total:
                    raise InterruptedRun(f"stopped at step {step} of {total}: {last} is written; --resume auto goes on")
        log.say(f"done: {last}")
        return last


_SCALINGS = 20  # steps in a row that the scaler of fp16 may leave out
_HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


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
    training: Training,
    device: torch.device,
    workers: int,
    out: Path,
) -> list[str]:
    size = sum(p.numel() for p in training.model.parameters()) / 1e6
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    ranks = f", {gather.world_size()} ranks" if gather.world_size() > 1 else ""
    names = ", ".join(f"{d.manifest.name} {d.manifest.id}" for d in datasets)
    return [
        f"data   {len(reader):,} samples in {len(reader.shards)} shards: {names}",
        f"model  {config.model}, {size:.1f} million parameters; objective {config.objective} on "
        f"{', '.join(training.objective.levels)}",
        f"where  {place}{ranks}, {workers} loader workers, precision {config.precision}",
        f"out    {out} (curves: tensorboard --logdir {out})",
    ]
