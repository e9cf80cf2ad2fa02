"""An open_clip model as two towers: images and the batch's unique texts to features that are not yet normalised.

Nothing is fetched from the network: architectures come by name from open_clip or from a JSON file, weights from a file.
"""

from __future__ import annotations

import difflib
import json
import logging
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mgll_train import gather, parts
from mgll_train.batch import CAPTION, Batch, LevelBatch
from mgll_train.errors import UserError

Tokenizer = Callable[[list[str]], Tensor]
REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Local:
    """Parts of each image and of the caption it carries: patches (n, P, Dv), words (n, L, Dt), and which words exist.

    mask (n, L) bool is False for padding and for the tokens that mark a text's start and end.
    """

    patches: Tensor
    words: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Features:
    """Image features (n, D) and, for every level, text features (K, D), as the towers give them: not normalised."""

    image: Tensor
    text: dict[str, Tensor]
    local: Local | None = None


@dataclass(frozen=True)
class Widths:
    """Number of channels of the pooled features (both towers), of a patch and of a word."""

    pooled: int
    patch: int
    word: int


@dataclass(frozen=True)
class Preprocess:
    """What the image tower wants: square side in pixels, and mean and standard deviation per RGB channel in [0, 1]."""

    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class TwoTowers(nn.Module):
    """Image and text tower of an open_clip model (`clip`), which keeps its own state dict and can be exported as it is.

    The logit scale and bias of `clip` are not trained: those of the objective are.
    """

    def __init__(self, clip: nn.Module) -> None:
        super().__init__()
        # Convolutions run about 1.4 times faster on a CPU with the channels last.
        self.clip: nn.Module = clip.to(memory_format=torch.channels_last)
        # Parameters that no feature depends on would make DistributedDataParallel wait for their gradients.
        for name in ("logit_scale", "logit_bias", "text_decoder"):
            part = getattr(clip, name, None)
            if part is not None:
                part.requires_grad_(False)
        # A causal tower that reads off the end-of-text token gives the same feature whatever padding follows it.
        self._trims = getattr(clip, "text_pool_type", None) == "argmax" and getattr(clip, "attn_mask", None) is not None

    def encode_image(self, images: Tensor) -> Tensor:
        """Features (n, D) of images (n, 3, H, W), in the tower's dtype."""
        features: Tensor = self.clip.encode_image(images.contiguous(memory_format=torch.channels_last))  # type: ignore[operator]
        return features

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Features (K, D) of tokens (K, L) int64, in the tower's dtype."""
        if self._trims:
            return parts.words(self.clip, tokens)[0]
        features: Tensor = self.clip.encode_text(tokens)  # type: ignore[operator]
        return features

    @torch.no_grad()
    def widths(self, image_size: int) -> Widths:
        """Channels of the features, measured on one black picture and one empty text."""
        training = self.training
        self.eval()
        try:
            place = next(self.parameters())
            pooled, grid = parts.patches(self._visual, place.new_zeros(1, 3, image_size, image_size))
            context = int(getattr(self.clip, "context_length", 77))
            _, words, _ = parts.words(self.clip, torch.ones(1, context, dtype=torch.int64, device=place.device))
        finally:
            self.train(training)
        return Widths(pooled.shape[-1], grid.shape[-1], words.shape[-1])

    @property
    def _visual(self) -> nn.Module:
        visual: nn.Module = self.clip.visual  # type: ignore[assignment]
        return visual

    def forward(self, batch: Batch, *, local: bool = False) -> Features:
        """Features of a batch whose texts are shared: every rank encodes its images and an equal part of the texts.

        The batch's images must be as `encode_image` takes them: floating and normalised. The texts of all levels go
        through the tower together, each once. With `local` the patches of the images come too, and the words of the
        captions, which every rank then encodes for its own images. Raises ValueError for a batch that did not go
        through `batch.share_texts` while there is more than one rank.
        """
        world = gather.world_size()
        if world > 1 and not batch.shared:
            raise ValueError("with several ranks a batch must go through batch.share_texts before the model")
        if not local:
            return Features(self.encode_image(batch.images), self._encode_levels(batch.levels))
        images = batch.images.contiguous(memory_format=torch.channels_last)
        image, patches = parts.patches(self._visual, images)
        rest = {name: level for name, level in batch.levels.items() if name != CAPTION}
        texts = self._encode_levels(rest) if rest else {}
        texts[CAPTION], words, mask = self._encode_captions(batch.levels[CAPTION].tokens, batch.levels[CAPTION].own)
        return Features(image, texts, Local(patches, words, mask))

    def _encode_levels(self, levels: Mapping[str, LevelBatch]) -> dict[str, Tensor]:
        """Features of the texts of all levels, which the ranks encode in equal parts and exchange."""
        if not levels:
            return {}
        world = gather.world_size()
        tokens = torch.cat([level.tokens for level in levels.values()])
        total = len(tokens)
        # Equal parts, the last text repeated to fill them, and at least one row: every rank's text tower takes part in
        # the backward whatever the batch holds.
        part = max(-(-total // world), 1)
        if total == 0:
            tokens = tokens.new_zeros(1, tokens.shape[1])
        rows = torch.arange(gather.rank() * part, (gather.rank() + 1) * part, device=tokens.device)
        encoded = self.encode_text(tokens[rows.clamp(max=len(tokens) - 1)])
        encoded = gather.all_gather_rows(encoded if encoded.dtype == torch.float64 else encoded.float())
        if total == 0:
            encoded = encoded[:total] + encoded.sum()
        sizes = [len(level.text_ids) for level in levels.values()]
        return dict(zip(levels, torch.split(encoded[:total], sizes), strict=True))

    def _encode_captions(self, tokens: Tensor, own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features (K, D) of all captions, and for this rank's images the words (n, L, Dt) and masks (n, L) of theirs.

        tokens (K, L) and own (n, K) of the level `caption`, where every image carries one. A caption that images of two
        ranks carry is encoded by both; the first one's feature is taken.
        """
        mine = own.any(0).nonzero()[:, 0]
        pooled, words, mask = parts.words(self.clip, tokens[mine])
        everyone = gather.all_gather_rows(mine)
        encoded = gather.all_gather_rows(pooled if pooled.dtype == torch.float64 else pooled.float())
        rows = torch.arange(len(everyone), device=mine.device)
        first = torch.full((len(tokens),), len(everyone) - 1, device=mine.device)
        first = first.scatter_reduce(0, everyone, rows, "amin")
        which = own[:, mine].to(torch.int8).argmax(1)
        return encoded[first], words[which], mask[which]


def build_model(name_or_path: str, weights: str | Path | None = None) -> tuple[TwoTowers, Preprocess, Tokenizer]:
    """Build a model with random weights, or with those of a file.

    name_or_path: a model of `recipes/models` (`tiny`), a model of open_clip (`ViT-B-32`), the path of an open_clip
    model config (`my.json`), or a folder with `open_clip_config.json` (and perhaps weights and a tokenizer).
    weights: an open_clip checkpoint on this machine.
    Returns the model, what its images must look like, and its tokenizer (list of texts to (len, L) int64).
    Raises UserError for a name that is not known, files that are missing or wrong, and models that need a download.
    """
    import open_clip

    path = Path(name_or_path)
    own = _find_own(name_or_path)
    if own is not None or path.suffix == ".json":
        path = own or path
        _check_config(path)
        open_clip.add_model_config(path)
        name = path.stem
    elif (path / "open_clip_config.json").is_file():
        name = f"local-dir:{path}"
    else:
        name = name_or_path.replace("/", "-")
        _check_name(name_or_path, name, open_clip.list_models())
    if not name.startswith("local-dir:"):
        _refuse_downloads(name, open_clip.get_model_config(name))
    if weights is not None and not Path(weights).is_file():
        raise UserError(
            f"weights {weights!s}: no such file. Pretrained weights are not downloaded: give the path of an open_clip"
            " checkpoint on this machine"
        )
    try:
        with _quiet():
            source = str(weights) if weights is not None else None
            clip = open_clip.create_model(name, pretrained=source, pretrained_text=False)
            tokenizer = open_clip.get_tokenizer(name)
    except (TypeError, ValueError, RuntimeError, KeyError) as error:
        raise UserError(f"model {name_or_path}: open_clip cannot build it: {error}") from error
    wanted = open_clip.get_model_preprocess_cfg(clip)
    size = wanted["size"]
    sides = set(size) if isinstance(size, tuple | list) else {size}
    if len(sides) != 1:
        raise UserError(f"model {name_or_path}: images must be square, this one wants {size}")
    preprocess = Preprocess(int(sides.pop()), tuple(wanted["mean"]), tuple(wanted["std"]))
    return TwoTowers(clip), preprocess, tokenizer


def model_folders() -> list[Path]:
    """Where models of our own are looked for: the checkout's recipes, then those installed with the package."""
    installed = Path(sysconfig.get_path("data")) / "share" / "mgll" / "recipes" / "models"
    return [REPOSITORY / "recipes" / "models", installed]


def _find_own(name: str) -> Path | None:
    return next((file for folder in model_folders() if (file := folder / f"{name}.json").is_file()), None)


def _check_config(path: Path) -> None:
    if not path.is_file():
        raise UserError(f"{path}: no such model config")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not JSON ({error})") from None
    needed = {"embed_dim", "vision_cfg", "text_cfg"}
    if not isinstance(config, dict) or not needed <= set(config):
        raise UserError(f"{path}: not an open_clip model config, which has the keys {', '.join(sorted(needed))}")


def _check_name(given: str, name: str, known: list[str]) -> None:
    if given.startswith("hf-hub:"):
        raise UserError(f"model {given}: the network is not used; download it and give the folder's path")
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


def _refuse_downloads(name: str, config: dict[str, Any]) -> None:
    text = config["text_cfg"]
    for key in ("hf_model_name", "hf_tokenizer_name"):
        remote = text.get(key)
        if remote and not Path(remote).is_dir():
            raise UserError(
                f"model {name}: its text tower needs {remote!r} from the Hugging Face hub, and the network is not used;"
                f" copy the config, set text_cfg.{key} to a local folder, and give the path of the copy"
            )
    if "siglip" in name.lower() and not text.get("hf_tokenizer_name"):
        raise UserError(f"model {name}: its tokenizer would be downloaded, and the network is not used")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence open_clip's warning that a model without weights starts at random: here that is what was asked for."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
