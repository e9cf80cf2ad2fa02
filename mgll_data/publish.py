"""Publishes a finished dataset: a version folder that appears whole, never changes, and is named by LATEST."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mgll_data import validate as validation
from mgll_data.errors import CorruptError, UsageError
from mgll_data.manifest import FILE, LATEST, Manifest
from mgll_data.stage import disk_problem, file_sha256

PUBLIC_MARKER = "PUBLIC"


def files(folder: Path, manifest: Manifest) -> list[str]:
    """Files of a dataset to publish, manifest last: what stands at its top, `sizes.json` and shards of each split."""
    top = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name != FILE and not p.name.endswith(".part"))
    inner = [f"{split}/sizes.json" for split in manifest.splits]
    shards = [entry["file"] for split in manifest.splits for entry in manifest.shards(split)]
    return [*top, *inner, *shards, FILE]


def publish(
    path: Path,
    to: str,
    *,
    public: bool = False,
    validated: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> str:
    """Copy a finished dataset to `<to>/<name>/<id>/` and let LATEST name it; returns that place.

    `to` is a folder or an fsspec URL. A version that is already there is left as it is. Shards equal to the previous
    version's are hard-linked (local folders). Raises UsageError if a source forbids redistribution and the place is
    public (`public`, or a file PUBLIC in it), CorruptError if the dataset does not agree with its manifest.
    `validated`: the caller has just compared it with its manifest, which reads every shard. `progress` is called with
    the number of files done.
    """
    folder, manifest = validation.load(path)
    problems = [] if validated else validation.validate(path).problems
    if problems:
        raise CorruptError("not published, the dataset is not what its manifest says:\n" + "\n".join(problems))
    if "://" in to and not to.startswith("file://"):
        _check_public(manifest, to, public)
        return _publish_url(folder, manifest, to, progress)
    base = Path(to.removeprefix("file://")).expanduser()
    _check_public(manifest, to, public or (base / PUBLIC_MARKER).exists())
    try:
        return str(_publish_folder(folder, manifest, base / manifest.name, progress))
    except OSError as error:
        raise disk_problem(error, base / manifest.name / manifest.id) from error


def _check_public(manifest: Manifest, to: str, public: bool) -> None:
    held = [f"{name} ({s['licence']})" for name, s in manifest.sources.items() if not s["redistributable"]]
    if public and held:
        raise UsageError(f"{to} is public and these sources forbid redistribution: {', '.join(held)}")


def _publish_folder(folder: Path, manifest: Manifest, base: Path, progress: Callable[[int], None]) -> Path:
    base.mkdir(parents=True, exist_ok=True)
    final = base / manifest.id
    if not final.exists():
        incoming = base / f".incoming-{manifest.id}-{uuid.uuid4().hex[:8]}"
        try:
            _copy_all(folder, manifest, incoming, _previous(base), progress)
            incoming.rename(final)
        except BaseException:
            shutil.rmtree(incoming, ignore_errors=True)
            raise
        for directory in [final, *(final / split for split in manifest.splits)]:
            directory.chmod(0o555)
    else:
        _check_same(folder, final)
    pointer = base / f".{LATEST}-{uuid.uuid4().hex[:8]}"
    pointer.write_text(manifest.id + "\n", encoding="utf-8")
    pointer.replace(base / LATEST)
    return final


def _check_same(folder: Path, final: Path) -> None:
    """A version that is there must be whole and say what this one says: its id covers the shards only."""
    if validation.validate(final).problems:
        raise CorruptError(f"{final} is there and is damaged: move it away and publish again")
    ours, theirs = (Manifest.load(place).to_json() for place in (folder, final))
    for content in (ours, theirs):
        del content["created_with"]
    vocabularies = {file_sha256(place / "vocabulary.json") for place in (folder, final)}
    if ours != theirs or len(vocabularies) > 1:
        raise UsageError(
            f"{final} has the same samples but another vocabulary, recipe or counts, and a published version never "
            "changes: raise `version` in the recipe and build again"
        )


def _previous(base: Path) -> dict[str, Path]:
    """Shards of the version that LATEST names, by sha256."""
    try:
        folder, manifest = validation.load(base)
    except UsageError:
        return {}
    entries = [entry for split in manifest.splits for entry in manifest.shards(split)]
    return {entry["sha256"]: folder / entry["file"] for entry in entries}


def _copy_all(
    folder: Path, manifest: Manifest, incoming: Path, previous: dict[str, Path], progress: Callable[[int], None]
) -> None:
    digests = {e["file"]: e["sha256"] for split in manifest.splits for e in manifest.shards(split)}
    names = files(folder, manifest)
    for number, name in enumerate(names, 1):
        target = incoming / name
        target.parent.mkdir(parents=True, exist_ok=True)
        twin = previous.get(digests.get(name, ""))
        if twin is not None and twin.is_file() and twin.stat().st_size == (folder / name).stat().st_size:
            with suppress(OSError):  # not every file system links: then copy
                os.link(twin, target)
        if not target.exists():
            shutil.copyfile(folder / name, target)
            target.chmod(0o444)
        if name in digests and file_sha256(target) != digests[name]:
            raise CorruptError(f"{name}: what was published differs from the original: check the disk")
        progress(number)


def _publish_url(folder: Path, manifest: Manifest, to: str, progress: Callable[[int], None]) -> str:
    # Object stores have no rename: manifest.json goes last, and LATEST after it, so that neither names a half copy.
    import fsspec

    try:
        system, root = fsspec.core.url_to_fs(to)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{to}: {error}") from error
    base = f"{root.rstrip('/')}/{manifest.name}"
    final = f"{base}/{manifest.id}"
    if not system.exists(f"{final}/{FILE}"):
        names = files(folder, manifest)
        for number, name in enumerate(names, 1):
            system.makedirs(f"{final}/{name}".rpartition("/")[0], exist_ok=True)
            system.put_file(str(folder / name), f"{final}/{name}")
            progress(number)
    with system.open(f"{base}/{LATEST}", "w") as file:
        file.write(manifest.id + "\n")
    return f"{to.rstrip('/')}/{manifest.name}/{manifest.id}"
