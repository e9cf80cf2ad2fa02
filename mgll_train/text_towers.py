"""BERT-family text towers from the Hugging Face hub's files, as open_clip text configs, with the mean over real tokens.

The mean leaves padding out and so does attention: a text's feature does not depend on the texts beside it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from mgll_train import weights
from mgll_train.errors import UserError

FILES = ("*.json", "*.txt", "*.model", "*.safetensors", "pytorch_model*.bin")
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")
WEIGHT_FILES = tuple(file + end for file in ("model.safetensors", "pytorch_model.bin") for end in ("", ".index.json"))
LONGEST = 256  # tokens of a text, where a config does not say; texts are trimmed to the batch's longest


def config(name_or_path: str) -> dict[str, Any]:
    """The open_clip text config of a Hugging Face tower: masked mean of the last layer, then a linear projection."""
    return {
        "hf_model_name": name_or_path,
        "hf_tokenizer_name": name_or_path,
        "hf_pooler_type": "mean_pooler",
        "hf_proj_type": "linear",
        "context_length": LONGEST,
    }


def resolve(text: dict[str, Any], own: Path | None, *, pretrained: bool) -> dict[str, Any]:
    """The text config with folders on this machine in place of names.

    own: the model's folder, whose files win where it has them. pretrained: read the tower's weights.
    Raises UserError for files that are not there, for kinds of model that open_clip does not take, and where
    transformers is not installed.
    """
    text = dict(text)
    name = text.get("hf_model_name")
    if name:
        _need_transformers(name)
        folder = own if own is not None and (own / "config.json").is_file() else _folder(name)
        kind = _read(folder, name)
        text["hf_model_name"] = str(folder)
        text["hf_model_pretrained"] = pretrained
        if pretrained and not any((folder / file).is_file() for file in WEIGHT_FILES):
            raise UserError(f"text tower {name}: no weights in {folder}; looked for {', '.join(WEIGHT_FILES)}")
        text.setdefault("context_length", LONGEST)
        # RoBERTa counts its positions from the padding id on.
        room = kind.get("max_position_embeddings", 10**9) - (2 if "roberta" in kind["model_type"] else 0)
        text["context_length"] = min(text["context_length"], room)
    tokenizer = text.get("hf_tokenizer_name") or name
    if tokenizer:
        _need_transformers(tokenizer)
        folder = own if own is not None and _has_tokenizer(own) else _folder(tokenizer)
        if not _has_tokenizer(folder):
            raise UserError(f"tokenizer {tokenizer}: none in {folder}; looked for {', '.join(TOKENIZER_FILES)}")
        text["hf_tokenizer_name"] = str(folder)
    return text


def tokenizer(text: dict[str, Any]) -> Any:
    """open_clip's tokenizer of a resolved text config: list of texts to (len, context_length) int64, padded right."""
    from open_clip.tokenizer import HFTokenizer

    # Tokenizers run in loader processes, which must not start threads of their own.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    made = HFTokenizer(
        text["hf_tokenizer_name"],
        context_length=text.get("context_length", 77),
        tokenizer_mode=text.get("tokenizer_mode"),
        **text.get("tokenizer_kwargs", {}),
    )
    made.tokenizer.padding_side = "right"
    return made


def check_padding(tower: Any, made: Any, name: str) -> None:
    """Raise UserError if the tower would not know the tokenizer's padding, and so would read it as words."""
    expected, found = getattr(getattr(tower, "config", None), "pad_token_id", None), made.tokenizer.pad_token_id
    if expected is None or expected != found:
        raise UserError(
            f"text tower {name}: its padding is token {expected}, its tokenizer's is {found}; set pad_token_id in the"
            " tower's config.json to the tokenizer's"
        )


def _folder(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    return weights.snapshot(name, FILES, f"text tower {name}")


def _read(folder: Path, name: str) -> dict[str, Any]:
    from open_clip.hf_configs import arch_dict

    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"text tower {name}: {folder} holds no config.json") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"text tower {name}: {folder / 'config.json'} is not JSON ({error})") from None
    if not isinstance(found, dict) or found.get("model_type") not in arch_dict:
        kind = found.get("model_type") if isinstance(found, dict) else None
        raise UserError(
            f"text tower {name}: {folder / 'config.json'} is of model_type {kind!r}; open_clip takes"
            f" {', '.join(sorted(arch_dict))}"
        )
    return found


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / file).is_file() for file in TOKENIZER_FILES)


def _need_transformers(name: str) -> None:
    from importlib.util import find_spec

    if find_spec("transformers") is None:
        raise UserError(f"text tower {name}: needs transformers; install it with `pip install 'mgll[hf]'`")
