"""A trained checkpoint as a folder that open_clip loads: weights, `open_clip_config.json`, and tokenizer files."""

from __future__ import annotations

import json
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from mgll_train import checkpoint
from mgll_train.build import architecture, source, trained_model
from mgll_train.errors import UserError
from mgll_train.model import Preprocess

CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"


def export(path: Path, out: Path, *, average: bool = False) -> Path:
    """Write the towers of a checkpoint (file or run folder), with the objective's logit scale and bias, to `out`.

    `open_clip.create_model("local-dir:OUT")` and `--model OUT` load the folder. A model with a Hugging Face text tower
    names its architecture by this folder's absolute path where the run did not take it from the hub: export again
    after moving it. average: the running average of the weights. Returns `out`.
    Raises UserError if `out` holds files, and DataError for a damaged checkpoint.
    """
    out = out.resolve()
    if out == Path.cwd():
        raise UserError(f"{out}: the folder that you are in; give --out another name")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: not an empty folder; give another --out")
    path = checkpoint.resolve(path)
    state = checkpoint.load(path)
    settings = state["config"]
    model, wanted, tokenizer = trained_model(path, state, average=average)
    config = architecture(source(settings["model"])[0], settings.get("pretrained"), settings.get("text_tower"))
    towers: Any = model.clip
    # Copies: safetensors wants every tensor whole, in plain order and in memory of its own.
    whole = partial(torch.clone, memory_format=torch.contiguous_format)
    tensors = {name: whole(value) for name, value in towers.state_dict().items()}
    tensors["logit_scale"] = state["objective"]["logit_scale"].reshape(tensors["logit_scale"].shape).float()
    if settings["objective"] == "siglip":
        config["init_logit_bias"] = float(state["objective"]["bias"])
        tensors["logit_bias"] = state["objective"]["bias"].reshape(tensors["logit_scale"].shape).float()

    # Written beside its name: what a full disk or a kill leaves is no model.
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        _write(part, out, config, tokenizer, towers, wanted, tensors)
        part.replace(out)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(part, ignore_errors=True)
        raise UserError(f"{out}: the model cannot be written ({error}): make room, or give another --out") from error
    return out


def _write(
    part: Path,
    out: Path,
    config: dict[str, Any],
    tokenizer: Any,
    towers: Any,
    wanted: Preprocess,
    tensors: dict[str, torch.Tensor],
) -> None:
    text = config["text_cfg"]
    hugging = text.get("hf_model_name")
    if hugging or text.get("hf_tokenizer_name"):
        tokenizer.tokenizer.save_pretrained(part)
        text["hf_tokenizer_name"] = text.get("hf_tokenizer_name") or hugging
        text["context_length"] = tokenizer.context_length
    if hugging:
        towers.text.config.save_pretrained(part)
        text["hf_model_name"] = str(out.resolve()) if Path(hugging).expanduser().is_dir() else hugging
    preprocess = {
        "size": wanted.image_size,
        "mode": "RGB",
        "mean": list(wanted.mean),
        "std": list(wanted.std),
        "interpolation": "bicubic",
        "resize_mode": "longest",  # the whole picture in the middle of a black square, as `picture.render` has it
        "fill_color": 0,
    }
    described = json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=2)
    (part / CONFIG).write_text(described + "\n", encoding="utf-8")
    save_file(tensors, part / WEIGHTS)
    (part / WEIGHTS).chmod((part / CONFIG).stat().st_mode)  # safetensors lets nobody else read
