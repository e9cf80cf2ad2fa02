"""Parameters, gradients and optimiser state shared among the ranks: torch's FSDP2 over the blocks of both towers.

Each rank holds its part of every parameter, and a block's parameters are put together while the block runs. The
objective's own parameters are few, some of them single numbers, which FSDP2 does not take: every rank keeps them whole
and their gradients are averaged here. Checkpoints hold whole tensors, so that any number of ranks can go on from one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mgll_train import gather, layers
from mgll_train.errors import UserError


def shard(network: nn.Module, clip: nn.Module, whole: Iterable[nn.Parameter], device: torch.device) -> None:
    """Share the parameters of `network`, in place, but for those of `whole`. Every rank must call it, equally set up.

    clip: the open_clip model within, whose blocks are units of their own. Raises UserError where torch is too old.
    """
    try:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard
    except ImportError as error:
        raise UserError(f"fsdp needs torch 2.6 or newer, this is {torch.__version__}: set fsdp: false") from error
    mesh = init_device_mesh(device.type, (gather.world_size(),))
    kept = {*whole, *(p for p in network.parameters() if p.ndim == 0)}
    for parameter in network.parameters():
        parameter.data = parameter.data.contiguous()  # convolutions have their channels last, which FSDP2 does not take
    for block in layers.blocks(clip):
        fully_shard(block, mesh=mesh)
    # The rest stays together from forward to backward: the objective reads it after the towers have run.
    fully_shard(network, mesh=mesh, reshard_after_forward=False, ignored_params=kept)


def average_gradients(whole: Iterable[nn.Parameter]) -> None:
    """Average over the ranks the gradients of parameters that every rank holds whole, as FSDP2 does for its own."""
    gradients = [p.grad for p in whole if p.grad is not None]
    if gradients:
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        flat = gather.all_reduce_sum(flat) / gather.world_size()
        for gradient, part in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))


@torch.no_grad()
def clip_gradients(parameters: Iterable[nn.Parameter], largest: float) -> Tensor:
    """Scale all gradients so that their common norm is at most `largest`; the norm before, as every rank sees it."""
    squares = torch.zeros(2, dtype=torch.float64)
    parts: list[Tensor] = []
    for parameter in parameters:
        if parameter.grad is not None:
            local = _local(parameter.grad)
            parts.append(local)
            squares = squares.to(local.device)
            squares[int(local is parameter.grad)] += local.double().square().sum()
    norm = (gather.all_reduce_sum(squares[:1])[0] + squares[1]).sqrt()
    # As torch.nn.utils.clip_grad_norm_: a norm of 0 divides by 1e-6, and nothing is scaled up.
    factor = (largest / (norm + 1e-6)).clamp(max=1.0)
    for part in parts:
        part.mul_(factor.to(part.dtype))
    return norm.float()


def put_together(state: Any) -> Any:
    """The state with whole tensors in place of shared ones, on the CPU of rank 0; None for them on other ranks.

    One tensor after another is whole on the device. Every rank must call it.
    """
    if isinstance(state, Mapping):
        return {key: put_together(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(put_together(value) for value in state)
    if not hasattr(state, "full_tensor"):
        return state
    whole = state.full_tensor()
    return whole.cpu() if gather.rank() == 0 else None


def shared_like(whole: Tensor, example: Any) -> Tensor:
    """A whole tensor, equal on all ranks, shared as the tensor `example` is, or stored in its order where it is not.

    The fused optimiser goes through parameter and moments side by side as they lie in memory: moments of a run that
    shared its parameters lie by rows, the weights of a convolution by channels.
    """
    if not hasattr(example, "full_tensor"):
        return torch.empty_like(example, dtype=whole.dtype, device=whole.device).copy_(whole)
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(whole.to(example.device), example.device_mesh, example.placements)


def _local(tensor: Any) -> Tensor:
    part: Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return part
