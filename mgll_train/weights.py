"""Files of pretrained models: a path on this machine, or the Hugging Face cache; the network only where it is allowed.

It is not, unless the environment says HF_HUB_OFFLINE=0. What is missing is named, with the command that fetches it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mgll_train.errors import UserError

# As open_clip looks for them in a folder, the safe format first.
CHECKPOINT_NAMES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "model.safetensors",
    "pytorch_model.bin",
)


def offline() -> bool:
    """Whether nothing may be fetched: always, unless HF_HUB_OFFLINE is set to 0, false, no or off."""
    return os.environ.get("HF_HUB_OFFLINE", "1").strip().lower() not in ("0", "false", "no", "off")


@contextmanager
def no_network() -> Iterator[None]:
    """Keep every library that asks the Hugging Face hub from doing so, unless `offline()` says that it may."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = offline()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def snapshot(repository: str, patterns: Sequence[str], what: str) -> Path:
    """Folder of a repository of the Hugging Face hub in the local cache; fetched first where that is allowed.

    patterns: the files wanted. Raises UserError, which names `what` needs it, where there is none.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        with no_network():
            return Path(snapshot_download(repository, local_files_only=offline(), allow_patterns=list(patterns)))
    except HFValidationError:
        raise UserError(
            f"{what}: {repository!r} is neither a folder nor the name of a repository (OWNER/NAME)"
        ) from None
    except (LocalEntryNotFoundError, HfHubHTTPError) as error:
        raise UserError(
            f"{what}: {repository!r} is neither a folder here nor in the Hugging Face cache"
            f" ({constants.HF_HUB_CACHE}), and {_network(error)}. Fetch it where there is a network with"
            f" `hf download {repository}` (before huggingface_hub 1.0: `huggingface-cli download {repository}`),"
            " then copy the cache, or give the path of a folder with its files"
        ) from None


def cached_file(repository: str, names: Sequence[str], what: str) -> Path:
    """The first of the named files of a hub repository that the local cache holds; fetched where that is allowed.

    Raises UserError with the command that fetches it.
    """
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    problem: Exception | None = None
    for name in names:
        try:
            with no_network():
                return Path(hf_hub_download(repository, name, local_files_only=offline()))
        except (EntryNotFoundError, HfHubHTTPError) as error:  # LocalEntryNotFoundError is one of the first
            problem = error
    raise UserError(
        f"{what}: {repository}/{names[0]} is not in the Hugging Face cache ({constants.HF_HUB_CACHE}), and"
        f" {_network(problem)}. Fetch it where there is a network with `hf download {repository} {names[0]}`"
        f" (before huggingface_hub 1.0: `huggingface-cli download {repository} {names[0]}`), then copy the cache"
    )


def in_folder(folder: Path) -> Path | None:
    """The open_clip checkpoint of a folder, or None."""
    return next((folder / name for name in CHECKPOINT_NAMES if (folder / name).is_file()), None)


def pretrained_tag(model: str, given: str) -> dict[str, Any]:
    """What open_clip knows of a tag such as `laion2b_s34b_b79k` for a model: where it lies, what images it wants.

    Empty where `given` is no tag of that model.
    """
    import open_clip

    return dict(open_clip.get_pretrained_cfg(model, given) or {})


def checkpoint(model: str, given: str) -> Path:
    """The checkpoint that `given` means for an open_clip model: a file, a folder that holds one, or a tag in the cache.

    Raises UserError with what was looked for and how to fetch it.
    """
    import open_clip

    path = Path(given)
    if path.is_dir():
        found = in_folder(path)
        if found is None:
            raise UserError(f"weights {given}: the folder holds none of {', '.join(CHECKPOINT_NAMES)}")
        return found
    if path.is_file():
        return path
    tag = pretrained_tag(model, given)
    if not tag:
        tags = open_clip.list_pretrained_tags_by_model(model)
        known = f"; its tags: {', '.join(tags)}" if tags else ", which has no tags"
        raise UserError(f"weights {given}: neither a file nor a folder nor a pretrained tag of model {model}{known}")
    what = f"weights {given} of model {model}"
    if tag.get("hf_hub"):
        repository, name = os.path.split(str(tag["hf_hub"]))
        default = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
        return cached_file(repository, (Path(name).with_suffix(".safetensors").name, name) if name else default, what)
    url = str(tag["url"])
    kept = Path.home() / ".cache" / "clip" / url.rpartition("/")[2]
    if not kept.is_file():
        raise UserError(f"{what}: not on this machine; fetch it with `curl -L --create-dirs -o {kept} {url}`")
    return kept


def timm_checkpoint(name: str) -> Path:
    """The file in the local cache that timm would load for an image tower. Raises UserError where there is none."""
    import timm

    known = timm.get_pretrained_cfg(name)
    if known is None or not known.hf_hub_id:
        raise UserError(f"image tower {name}: timm has no weights for it; set timm_model_pretrained to false")
    names = ("model.safetensors", known.hf_hub_filename or "pytorch_model.bin")
    return cached_file(known.hf_hub_id, names, f"image tower {name}")


def _network(error: Exception | None) -> str:
    if offline():
        return "the network is not used (HF_HUB_OFFLINE=0 allows it)"
    return f"fetching it failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
