"""What a run trains: towers and objective as one network, on one rank or many, with optimiser and running average."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mgll_train import gather, layers, norm, objectives, optimizer, shard_model
from mgll_train.accumulate import Pieces
from mgll_train.batch import Batch
from mgll_train.build import build_model
from mgll_train.config import Config
from mgll_train.ema import Average
from mgll_train.errors import UserError
from mgll_train.model import TwoTowers

# Texts, in full length, that a tower takes at once where its calls must not vary with the batch: compiled, or shared.
FIXED_TEXTS = 64


class Network(nn.Module):
    """Towers and objective as one module, so that what averages the gradients of one averages those of both."""

    def __init__(self, model: TwoTowers, objective: objectives.Objective) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Scalars of the objective for a batch on the device, its images normalised and its texts shared."""
        scalars: dict[str, Tensor] = self.objective(self.model(batch, local=self.objective.local), batch)
        return scalars


class Training:
    """Everything that learns. `network` is called; `model` and `objective` are its parts."""

    def __init__(
        self, config: Config, levels: Sequence[str], device: torch.device, saved: Mapping[str, Any] | None = None
    ) -> None:
        """Build it all from the settings, or with the weights and states of a checkpoint (`checkpoint.load`).

        Raises UserError for settings that do not go together, and RuntimeError for a checkpoint that does not fit.
        """
        world = gather.world_size()
        torch.manual_seed(config.seed)
        self.model, self.wanted, self.tokenizer = build_model(
            config.model, config.pretrained, text=config.text_tower, empty=saved is not None
        )
        widths = partial(self.model.widths, self.wanted.image_size)
        self.objective = objectives.build(config.objective, levels, widths=widths, **config.options)
        if saved is not None:
            self.model.load_state_dict(saved["model"])
            self.objective.load_state_dict(saved["objective"])
        clip = self.model.clip
        layers.lock(clip, config.lock, config.unlocked)
        self._prepare(config, device)
        network: nn.Module = Network(self.model, self.objective).to(device)
        layers.train_mode(network)
        self._fsdp = config.fsdp and world > 1
        if self._fsdp:
            if config.precision == "fp16":
                raise UserError("fsdp and precision fp16 do not go together: use bf16")
            shard_model.shard(network, clip, self.objective.parameters(), device)
        elif world > 1:
            # Batch statistics are equal on all ranks already: nothing is sent. Newer torch has another name for that.
            names = inspect.signature(DistributedDataParallel).parameters
            unsent: Any = {"forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers": False}
            network = DistributedDataParallel(
                network, device_ids=[device.index] if device.type == "cuda" else None, **unsent
            )
        self.network = network
        self.parameters = [p for p in network.parameters() if p.requires_grad]
        self.optimizer = optimizer.build(
            clip,
            self.objective,
            decay=config.weight_decay,
            layer_decay=config.layer_decay,
            betas=(config.beta1, config.beta2),
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        self.average = Average(self.model, config.ema) if config.ema else None
        if saved is not None:
            self._restore(saved)

    def _prepare(self, config: Config, device: torch.device) -> None:
        """Set up how the towers run."""
        clip, world = self.model.clip, gather.world_size()
        if config.batch % (world * config.accumulate):
            raise UserError(
                f"a batch of {config.batch} cannot be cut into {config.accumulate} micro-batches on {world} ranks: use "
                f"a multiple of {world * config.accumulate}"
            )
        batch_norms = norm.trained(clip)
        if batch_norms and config.accumulate > 1:
            raise UserError(
                f"accumulate {config.accumulate}: model {config.model} has BatchNorm ({batch_norms[0]} and "
                f"{len(batch_norms) - 1} more), whose statistics would be a micro-batch's, and so the gradients not "
                "the batch's: use accumulate 1, a vision transformer, or lock that tower"
            )
        if world > 1 or device.type == "cpu":  # also for one process: see norm.GlobalBatchNorm on rounding
            norm.over_all_ranks(clip, cuda=device.type == "cuda")
        if config.gradient_checkpointing:
            clip.set_grad_checkpointing(True)  # type: ignore[operator]
        rows = texts = 0
        if config.compile:
            for block in layers.blocks(clip):
                block.compile(dynamic=False)
        if config.compile or config.fsdp:
            # Filling up a short batch would count the last image twice in batch statistics.
            rows = 0 if batch_norms else config.batch // (world * config.accumulate)
            texts = FIXED_TEXTS
        self.model.pieces = Pieces(config.accumulate, rows, texts)

    def clip_gradients(self, largest: float) -> Tensor:
        """Bring the norm of all gradients down to `largest` at most; the norm before."""
        if self._fsdp:
            shard_model.average_gradients(self.objective.parameters())
            return shard_model.clip_gradients(self.parameters, largest)
        return nn.utils.clip_grad_norm_(self.parameters, largest)

    @contextmanager
    def evaluated(self) -> Iterator[TwoTowers]:
        """The model in evaluation mode, with the running average of its weights where there is one.

        It may be called without its network inside. Every rank must enter.
        """
        with self.average.applied() if self.average is not None else nullcontext():
            if self._fsdp:
                self.network.unshard()  # type: ignore[operator]
            self.network.eval()
            try:
                yield self.model
            finally:
                if self._fsdp:
                    self.network.reshard()  # type: ignore[operator]
                layers.train_mode(self.network)

    def state(self) -> dict[str, Any]:
        """Weights and states for a checkpoint, whole on rank 0. Every rank must call it."""
        average = {} if self.average is None else {"average": self.average.values}
        state: dict[str, Any] = shard_model.put_together(
            {
                "model": self.model.state_dict(),
                "objective": self.objective.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                **average,
            }
        )
        return state

    def _restore(self, saved: Mapping[str, Any]) -> None:
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        # One tensor after another becomes this rank's part: moments stand whole on no device.
        states = {
            number: {
                name: shard_model.shared_like(value, parameters[number])
                if isinstance(value, Tensor) and value.shape == parameters[number].shape
                else value
                for name, value in state.items()
            }
            for number, state in saved["optimizer"]["state"].items()
        }
        self.optimizer.load_state_dict({**saved["optimizer"], "state": states})
        self.scaler.load_state_dict(saved["scaler"])
        if self.average is not None:
            self.average.load(saved["average"])
