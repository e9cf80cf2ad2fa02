"""The layers of both towers, from the input to the output: what is locked, learns slower, is compiled or sharded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from torch import nn

from mgll_train.errors import UserError

# Blocks of open_clip's transformers and ResNets, of timm's towers and of Hugging Face's BERT family.
_BLOCK = re.compile(r"(?:resblocks|blocks|stages|layers?)\.?(\d+)(?=\.|$)")
_STEM = re.compile(
    r"(?:^|\.)(?:conv\d|bn\d|stem|ln_pre|norm_pre|patch_embed|embeddings|\w*embedding|\w*_token|pos_embed)\b"
)
_HEAD = re.compile(r"attn_?pool")  # has position embeddings of its own


def tower(name: str) -> str:
    """`image` or `text`: the tower that a parameter of an open_clip model belongs to, by its name."""
    return "image" if name.startswith("visual.") else "text"


def depths(clip: nn.Module) -> dict[str, int]:
    """Layer of every parameter in its tower: 0 for the embeddings, 1.. for the blocks, then one for all behind them."""
    found: dict[str, int] = {}
    for side in ("image", "text"):
        names = [name for name, _ in clip.named_parameters() if tower(name) == side]
        numbers = sorted({number for name in names if (number := _block(name)) is not None})
        for name in names:
            number = _block(name)
            if number is not None:
                found[name] = 1 + numbers.index(number)
            else:
                stem = _STEM.search(name) and not _HEAD.search(name)
                found[name] = 0 if stem else 1 + len(numbers)
    return found


def lock(clip: nn.Module, side: str, unlocked: int = 0) -> None:
    """Train only the last `unlocked` layers (as `depths` counts them) of the tower `side`: image or text; none: all.

    Raises UserError if no layer of the tower would be locked.
    """
    if side == "none":
        if unlocked:
            raise UserError("unlocked counts the layers that stay trainable in a locked tower: set lock: image or text")
        return
    layers = {name: depth for name, depth in depths(clip).items() if tower(name) == side}
    last = max(layers.values())
    if unlocked > last:
        raise UserError(f"the {side} tower has {last + 1} layers: unlocked {unlocked} would lock none of them")
    for name, depth in layers.items():
        if depth <= last - unlocked:
            clip.get_parameter(name).requires_grad_(False)


def train_mode(network: nn.Module) -> None:
    """Training mode for what is trained; what is locked keeps its batch statistics and drops nothing out."""
    network.train()
    for module in network.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def blocks(clip: nn.Module) -> Iterator[nn.Module]:
    """The outermost blocks of both towers."""
    inside: str | None = None
    for name, module in clip.named_modules():
        if inside is not None and name.startswith(inside):
            continue
        found = _BLOCK.search(name)
        if found and found.end() == len(name):
            inside = name + "."
            yield module


def _block(name: str) -> int | None:
    found = _BLOCK.search(name)
    return int(found.group(1)) if found else None
