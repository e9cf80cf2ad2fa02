"""Checks a dataset against its manifest: every digest, every member, every count."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mgll_data import shard as shards
from mgll_data.errors import UsageError
from mgll_data.manifest import Manifest, resolve
from mgll_data.schema import sample_problems
from mgll_data.stage import file_sha256


@dataclass
class Verdict:
    """Result of a validation: what was checked, and every problem found."""

    folder: Path
    id: str
    shards: int = 0
    samples: int = 0
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "id": self.id,
            "ok": not self.problems,
            "shards": self.shards,
            "samples": self.samples,
            "problems": self.problems,
        }


def load(path: Path) -> tuple[Path, Manifest]:
    """Folder and manifest of a dataset. Raises UsageError with what was found where it is none."""
    folder = resolve(path)
    try:
        return folder, Manifest.load(path)
    except FileNotFoundError:
        inside = ", ".join(sorted(p.name for p in path.iterdir())[:8]) if path.is_dir() else "no such folder"
        raise UsageError(
            f"{path}: no finished dataset (no manifest.json; found: {inside or 'nothing'}). "
            "Give the folder of a build or a published one; an unfinished build goes on with `mgll-data build`."
        ) from None
    except ValueError as error:
        raise UsageError(str(error)) from error


def validate(path: Path, *, deep: bool = False, progress: Callable[[int], None] = lambda n: None) -> Verdict:
    """Compare a build or a published folder with its manifest.

    Sizes and sha256 of every shard and the digest over the list; `deep` also reads every sample: member order and
    adjacency, contract, split, image header. `progress` is called with the number of shards done.
    """
    folder, manifest = load(path)
    verdict = Verdict(folder, manifest.id)
    listed: list[shards.Shard] = []
    for split in manifest.splits:
        for entry in manifest.shards(split):
            shard = shards.Shard(**entry)
            listed.append(shard)
            _check_shard(folder / shard.file, shard, split, deep, verdict)
            verdict.shards += 1
            progress(verdict.shards)
        total = sum(entry["samples"] for entry in manifest.shards(split))
        if total != manifest.splits[split]["samples"]:
            verdict.problems.append(
                f"{split}: {total} samples in shards, {manifest.splits[split]['samples']} in the manifest"
            )
    if shards.content_sha256(listed) != manifest.content_sha256:
        verdict.problems.append("content_sha256 does not follow from the shard list")
    known = {shard.file for shard in listed}
    for tar in sorted(folder.glob("*/*.tar")):
        if tar.relative_to(folder).as_posix() not in known:
            verdict.problems.append(f"{tar.relative_to(folder)}: not in the manifest")
    return verdict


def _check_shard(path: Path, shard: shards.Shard, split: str, deep: bool, verdict: Verdict) -> None:
    if not path.is_file():
        verdict.problems.append(f"{shard.file}: missing")
        return
    size = path.stat().st_size
    if size != shard.bytes:
        verdict.problems.append(f"{shard.file}: {size} bytes, the manifest says {shard.bytes} (truncated?)")
        return
    if file_sha256(path) != shard.sha256:
        verdict.problems.append(f"{shard.file}: sha256 differs from the manifest: its bytes have changed")
        return
    samples = _read_samples(path, shard.file, split, verdict) if deep else shard.samples
    if samples != shard.samples:
        verdict.problems.append(f"{shard.file}: {samples} samples, the manifest says {shard.samples}")
    verdict.samples += samples


_MAGIC = {"jpg": b"\xff\xd8\xff", "png": b"\x89PNG", "webp": b"RIFF"}


def _read_samples(path: Path, file: str, split: str, verdict: Verdict) -> int:
    count = 0
    with tarfile.open(path) as tar:
        members = tar.getmembers()
        for start in range(0, len(members), 3):
            names = [m.name.partition(".") for m in members[start : start + 3]]
            keys = {key for key, _, _ in names}
            kinds = [extension for _, _, extension in names]
            where = f"{file}: member {start}"
            if len(keys) != 1 or kinds[1:] != ["json", "txt"] or kinds[0] not in _MAGIC:
                verdict.problems.append(
                    f"{where}: expected one sample's image, json, txt; found {[''.join(n) for n in names]}"
                )
                continue
            content = [_content(tar, m) for m in members[start : start + 3]]
            if not content[0].startswith(_MAGIC[kinds[0]]):
                verdict.problems.append(f"{where}: the image is not {kinds[0]}")
            sample = json.loads(content[1])
            verdict.problems += [f"{where}: {problem}" for problem in sample_problems(sample)]
            if sample.get("split") != split or sample.get("uid") not in keys:
                verdict.problems.append(
                    f"{where}: the sample says split {sample.get('split')}, uid {sample.get('uid')}"
                )
            count += 1
    return count


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""
