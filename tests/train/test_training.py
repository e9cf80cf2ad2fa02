"""What is locked, what learns slower, the running average, and what is refused before a run starts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from torch import nn

from mgll_train import checkpoint, layers, loop, optimizer
from mgll_train.config import Config
from mgll_train.ema import Average
from mgll_train.errors import UserError
from mgll_train.memory import explained
from mgll_train.training import Training
from tests.train.test_loop import settings

Make = Callable[..., Path]
CPU = torch.device("cpu")


def clip_of(image_layers: Any = 3, text_layers: int = 2) -> nn.Module:
    vision = open_clip.CLIPVisionCfg(image_size=32, patch_size=8, layers=image_layers, width=32, head_width=16)
    text = open_clip.CLIPTextCfg(context_length=9, vocab_size=99, width=16, heads=2, layers=text_layers)
    return open_clip.CLIP(8, vision, text)


@pytest.mark.parametrize("image_layers", [3, (1, 1, 1, 1)])
def test_layers_are_counted_from_the_input_to_the_output(image_layers: Any) -> None:
    depths = layers.depths(clip_of(image_layers))
    blocks = 3 if image_layers == 3 else 4
    image = {name: depth for name, depth in depths.items() if layers.tower(name) == "image"}
    assert set(image.values()) == set(range(blocks + 2))
    assert image["visual.conv1.weight"] == 0
    head = "visual.proj" if image_layers == 3 else "visual.attnpool.c_proj.weight"
    assert image[head] == blocks + 1
    assert depths["token_embedding.weight"] == depths["positional_embedding"] == 0
    assert depths["transformer.resblocks.1.mlp.c_fc.weight"] == 2
    assert depths["text_projection"] == depths["ln_final.weight"] == 3


def test_layers_of_timm_and_hugging_face_names() -> None:
    network = nn.Module()
    for name in (
        "visual.trunk.patch_embed.proj.weight",
        "visual.trunk.blocks.0.attn.weight",
        "visual.trunk.blocks.11.attn.weight",
        "visual.trunk.norm.weight",
        "text.transformer.embeddings.word_embeddings.weight",
        "text.transformer.encoder.layer.0.attention.weight",
        "text.transformer.encoder.layer.5.output.dense.weight",
        "text.proj.weight",
    ):
        place = network
        *path, last = name.split(".")
        for part in path:
            if part not in dict(place.named_children()):
                place.add_module(part, nn.Module())
            place = place.get_submodule(part)
        place.register_parameter(last, nn.Parameter(torch.zeros(2, 2)))
    assert list(layers.depths(network).values()) == [0, 1, 2, 3, 0, 1, 2, 3]


def trained(clip: nn.Module, side: str) -> set[int]:
    depths = layers.depths(clip)
    return {
        depths[name]
        for name, parameter in clip.named_parameters()
        if parameter.requires_grad and layers.tower(name) == side
    }


@pytest.mark.parametrize("side, unlocked, left", [("image", 0, set()), ("image", 2, {3, 4}), ("text", 1, {3})])
def test_lock_leaves_the_last_layers(side: str, unlocked: int, left: set[int]) -> None:
    clip = clip_of()
    before = {other: trained(clip, other) for other in ("image", "text")}
    layers.lock(clip, side, unlocked)
    assert trained(clip, side) == left
    other = "text" if side == "image" else "image"
    assert trained(clip, other) == before[other]


@pytest.mark.parametrize("side, unlocked, words", [("image", 5, "5 layers"), ("none", 1, "set lock")])
def test_lock_that_locks_nothing_is_refused(side: str, unlocked: int, words: str) -> None:
    with pytest.raises(UserError, match=words):
        layers.lock(clip_of(), side, unlocked)


def test_a_locked_tower_keeps_weights_and_batch_statistics(make_dataset: Make, tmp_path: Path) -> None:
    """And BatchNorm that is locked does not stand in the way of micro-batches."""
    config = settings("tiny", steps=2, lock="image", accumulate=2)
    torch.manual_seed(config.seed)
    before = Training(config, ["diagnostic"], CPU).model.state_dict()
    after = checkpoint.load(loop.pretrain(config, [str(make_dataset())], tmp_path / "run"))["model"]
    image = [name for name in before if name.startswith("clip.visual.")]
    assert any("running_mean" in name for name in image)
    assert all(torch.equal(before[name], after[name]) for name in image)
    assert not torch.equal(before["clip.text_projection"], after["clip.text_projection"])


def test_learning_rate_falls_from_layer_to_layer_and_gains_do_not_decay() -> None:
    clip, objective = clip_of(), nn.Linear(2, 2)
    built = optimizer.build(clip, objective, decay=0.1, layer_decay=0.5, betas=(0.9, 0.98))
    optimizer.set_rate(built, 1.0)
    rates = {id(p): (g["lr"], g["weight_decay"]) for g in built.param_groups for p in g["params"]}
    named = {name: rates[id(p)] for name, p in clip.named_parameters()}
    assert named["visual.conv1.weight"] == (0.5**4, 0.1)
    assert named["visual.transformer.resblocks.2.ln_1.weight"] == (0.5, 0.0)
    assert named["visual.proj"] == (1.0, 0.1) == named["text_projection"]
    assert named["token_embedding.weight"] == (0.5**3, 0.1)
    assert rates[id(objective.weight)] == (1.0, 0.0)
    assert sum(len(g["params"]) for g in built.param_groups) == len(rates) == len([*clip.parameters()]) + 2


def test_average_follows_its_recursion_and_comes_and_goes() -> None:
    torch.manual_seed(0)
    layer = nn.BatchNorm1d(3)
    average, expected = Average(layer, 0.9), layer.weight.detach().clone()
    for step in range(1, 30):
        with torch.no_grad():
            layer.weight.normal_()
        layer(torch.randn(4, 3))
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * layer.weight.detach()
    torch.testing.assert_close(average.values["weight"], expected)
    assert torch.equal(average.values["running_mean"], layer.running_mean)
    own = layer.weight.detach().clone()
    with pytest.raises(ZeroDivisionError), average.applied():
        assert torch.equal(layer.weight, average.values["weight"])
        raise ZeroDivisionError
    assert torch.equal(layer.weight, own)


def test_average_is_saved_and_scored_on_request(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    from mgll_train.evaluate import zero_shot

    data = [str(make_dataset())]
    path = loop.pretrain(settings(small_model, steps=3, ema=0.99, lr=1e-2), data, tmp_path / "run")
    state = checkpoint.load(path)
    assert state["average"].keys() == state["model"].keys()
    assert not torch.equal(state["average"]["clip.visual.proj"], state["model"]["clip.visual.proj"])
    options: dict[str, Any] = {"min_count": 2, "draws": 2, "workers": 0}
    one, other = (zero_shot.evaluate(path, data, average=average, **options) for average in (False, True))
    assert not one["average"] and other["average"]
    assert [c["auc"] for c in one["concepts"].values()] != [c["auc"] for c in other["concepts"].values()]
    plain = loop.pretrain(settings(small_model, steps=1), data, tmp_path / "plain")
    with pytest.raises(UserError, match="holds no running average"):
        zero_shot.evaluate(plain, data, average=True, **options)


def test_micro_batches_are_refused_with_batch_norm_and_where_they_do_not_divide(small_model: str) -> None:
    with pytest.raises(UserError, match=r"accumulate 2: model tiny has BatchNorm \(visual.bn1 and \d+ more\)"):
        Training(settings("tiny", accumulate=2), ["diagnostic"], CPU)
    with pytest.raises(
        UserError, match="a batch of 8 cannot be cut into 3 micro-batches on 1 ranks: use a multiple of 3"
    ):
        Training(settings(small_model, accumulate=3), ["diagnostic"], CPU)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: not enough memory: you tried to allocate"
        ),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_out_of_memory_tells_what_helps(error: Exception) -> None:
    with pytest.raises(UserError) as told, explained(Config(batch=64, accumulate=2), 3):
        raise error
    words = str(told.value)
    assert "out of memory on rank 3" in words and str(error).splitlines()[0][:30] in words
    for way in ("accumulate (now 2: 32 samples", "gradient_checkpointing: true", "bf16", "a smaller batch (now 64)"):
        assert way in words
    with pytest.raises(RuntimeError, match="shapes"), explained(Config(), 0):
        raise RuntimeError("shapes do not match")


def test_a_tensor_that_is_too_large_for_the_machine_is_explained() -> None:
    with pytest.raises(UserError, match=re.escape("out of memory on rank 0")), explained(Config(), 0):
        torch.empty(1 << 55)
