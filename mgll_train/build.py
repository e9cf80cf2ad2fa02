"""Build a model by name or path: its architecture, its weights, what its images must look like, and its tokenizer.

Nothing is fetched from the network unless HF_HUB_OFFLINE=0 allows it: see `weights`.
"""

from __future__ import annotations

import difflib
import json
import logging
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError  # what torch.load raises for weights that are none; nothing is unpickled here
from typing import Any

from torch import nn

from mgll_train import text_towers, weights
from mgll_train.errors import DataError, UserError
from mgll_train.model import Preprocess, Tokenizer, TwoTowers

REPOSITORY = Path(__file__).resolve().parents[1]


def build_model(
    name_or_path: str, pretrained: str | Path | None = None, *, text: str | None = None, empty: bool = False
) -> tuple[TwoTowers, Preprocess, Tokenizer]:
    """Build a model with random weights, or with pretrained ones.

    name_or_path: a model of `recipes/models` (`tiny`), a model of open_clip (`ViT-B-32`), the path of an open_clip
    model config (`my.json`), a folder with `open_clip_config.json` (and perhaps weights and a tokenizer), or
    `hf-hub:OWNER/NAME`, such a folder in the Hugging Face cache.
    pretrained: weights, as `weights.checkpoint` takes them: an open_clip checkpoint, a folder that holds one, or a tag.
    text: a BERT-family text tower in place of the model's own, by name in the Hugging Face cache or folder; with its
    weights, unless `pretrained` or the model's folder has weights for all.
    empty: read no weights at all, because the caller loads a state dict.
    Returns the model, what its images must look like, and its tokenizer (list of texts to (len, L) int64).
    Raises UserError for a name that is not known, and for files that are missing or wrong.
    """
    import open_clip

    asked = str(pretrained) if pretrained is not None else None
    name, folder = source(name_or_path)
    config = architecture(name, asked, text)
    tag = weights.pretrained_tag(name, asked) if asked is not None else {}
    file = None
    if not empty:
        file = weights.checkpoint(name, asked) if asked is not None else weights.in_folder(folder) if folder else None
    text_cfg = config["text_cfg"]
    if "siglip" in name.lower() and folder is None and not (set(text_cfg) & {"hf_tokenizer_name", "hf_model_name"}):
        raise UserError(f"model {name}: its tokenizer would be downloaded, and the network is not used")
    own = folder if text is None else None
    text_cfg = text_towers.resolve(text_cfg, own, pretrained=not empty and file is None)
    hugging = bool(text_cfg.get("hf_model_name"))
    image_weights = bool(config["vision_cfg"].get("timm_model_pretrained")) and not empty and file is None
    if image_weights:
        weights.timm_checkpoint(config["vision_cfg"]["timm_model_name"])
    try:
        with _quiet(), weights.no_network():
            clip = open_clip.create_model(
                name,
                load_weights=False,
                pretrained_text=False,
                pretrained_image=image_weights,
                force_quick_gelu=bool(config.get("quick_gelu")),
                force_preprocess_cfg={key: tag[key] for key in ("mean", "std") if key in tag},
                force_custom_text=hugging,
                **({"text_cfg": text_cfg} if hugging else {}),
            ).float()
            if file is not None:
                open_clip.load_checkpoint(clip, str(file))
            if text_cfg.get("hf_tokenizer_name"):
                tokenizer = text_towers.tokenizer(text_cfg)
            else:
                tokenizer = open_clip.get_tokenizer(name)
    except (TypeError, ValueError, RuntimeError, KeyError, AssertionError, OSError, UnpicklingError) as error:
        whose = f" with weights {file}" if file is not None else ""
        raise UserError(f"model {name_or_path}: open_clip cannot build it{whose}: {error}") from error
    if hugging:
        text_towers.check_padding(clip.text, tokenizer, config["text_cfg"]["hf_model_name"])
    return TwoTowers(clip), _preprocess(clip, name_or_path), tokenizer


def trained_model(
    path: Path, state: Mapping[str, Any], *, average: bool = False
) -> tuple[TwoTowers, Preprocess, Tokenizer]:
    """The model of a checkpoint that `checkpoint.load` read from `path`, as `build_model` gives it.

    average: take the running average of the weights. Raises UserError where there is none, and DataError for weights
    that do not fit the model.
    """
    if average and "average" not in state:
        raise UserError(f"{path} holds no running average of the weights: it was trained without ema")
    config = state["config"]
    built = build_model(config["model"], config.get("pretrained"), text=config.get("text_tower"), empty=True)
    try:
        built[0].load_state_dict(state["average" if average else "model"])
    except RuntimeError as error:
        raise DataError(
            f"{path}: its weights do not fit model {config['model']}; was the model changed since? {error}"
        ) from error
    return built


def source(name_or_path: str) -> tuple[str, Path | None]:
    """The name by which open_clip finds the architecture, and the model's folder where it has one.

    Raises UserError for a name that is not known and for damaged configs.
    """
    import open_clip

    path = Path(name_or_path)
    own = _find_own(name_or_path)
    if own is not None or path.suffix == ".json":
        path = own or path
        _check_config(path)
        open_clip.add_model_config(path)
        return path.stem, None
    if name_or_path.startswith("hf-hub:"):
        path = weights.snapshot(name_or_path[7:], ["*.json", "*.txt", "*.model", "open_clip*"], f"model {name_or_path}")
        if not (path / "open_clip_config.json").is_file():
            raise UserError(f"model {name_or_path}: its files in the cache hold no open_clip_config.json")
    if (path / "open_clip_config.json").is_file():
        try:
            found = json.loads((path / "open_clip_config.json").read_text(encoding="utf-8"))["model_cfg"]["text_cfg"]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path / 'open_clip_config.json'}: not an open_clip config with model_cfg.text_cfg ({error!r})"
            ) from error
        if not isinstance(found, dict):
            raise UserError(f"{path / 'open_clip_config.json'}: model_cfg.text_cfg must be a mapping")
        return f"local-dir:{path}", path
    name = name_or_path.replace("/", "-")
    _check_name(name_or_path, name, open_clip.list_models())
    return name, None


def architecture(name: str, pretrained: str | None, text: str | None) -> dict[str, Any]:
    """The open_clip model config of a name that `source` gave, with the text tower and activations that are asked for.

    pretrained, text: as `build_model` takes them; a tag says which activation its weights were trained with.
    """
    import open_clip

    config: dict[str, Any] = open_clip.get_model_config(name)
    if text is not None:
        config["text_cfg"] = text_towers.config(text)
    if pretrained is not None and weights.pretrained_tag(name, pretrained).get("quick_gelu"):
        config["quick_gelu"] = True
    return config


def model_folders() -> list[Path]:
    """Where models of our own are looked for: the checkout's recipes, then those installed with the package."""
    installed = Path(sysconfig.get_path("data")) / "share" / "mgll" / "recipes" / "models"
    return [REPOSITORY / "recipes" / "models", installed]


def _preprocess(clip: nn.Module, name: str) -> Preprocess:
    import open_clip

    wanted = open_clip.get_model_preprocess_cfg(clip)
    size = wanted["size"]
    sides = set(size) if isinstance(size, tuple | list) else {size}
    if len(sides) != 1:
        raise UserError(f"model {name}: images must be square, this one wants {size}")
    return Preprocess(int(sides.pop()), tuple(wanted["mean"]), tuple(wanted["std"]))


def _find_own(name: str) -> Path | None:
    return next((file for folder in model_folders() if (file := folder / f"{name}.json").is_file()), None)


def _check_config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"{path}: no such model config")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not JSON ({error})") from None
    needed = {"embed_dim", "vision_cfg", "text_cfg"}
    if not isinstance(config, dict) or not needed <= set(config):
        raise UserError(f"{path}: not an open_clip model config, which has the keys {', '.join(sorted(needed))}")
    return config


def _check_name(given: str, name: str, known: list[str]) -> None:
    if name in known:
        return
    own = sorted({file.stem for folder in model_folders() for file in folder.glob("*.json")})
    names = {option.lower(): option for option in [*own, *known]}
    near = [names[match] for match in difflib.get_close_matches(name.lower(), names, n=3)]
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise UserError(
        f"model {given!r} is neither a model of ours ({', '.join(own)}), nor one of the {len(known)} of open_clip,"
        f" nor a path{hint}"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence open_clip's warning that a model without weights starts at random: here that is what was asked for."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
