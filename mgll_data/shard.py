"""Plan rows and the image store into one tar: a pure function, so equal plans give equal bytes."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from mgll_data.errors import CorruptError, UsageError
from mgll_data.images.process import VERSION as PIXELS
from mgll_data.manifest import FILE as MANIFEST
from mgll_data.schema import KEY_PATTERN
from mgll_data.stage import file_sha256, fingerprint, write_json, writing

VERSION = 1


@dataclass(frozen=True)
class Shard:
    """One finished tar: its place below the dataset folder, number of samples, size in bytes and digest."""

    file: str
    samples: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Task:
    """One shard to make: its file below the dataset folder, its plan rows in order, its fingerprint."""

    split: str
    file: str
    rows: Sequence[Mapping[str, Any]]
    key: str


def tasks(rows: Iterable[Mapping[str, Any]], digests: Mapping[str, str], images: Mapping[str, Any]) -> list[Task]:
    """The shards of a plan. digests: sha256 of each original by uid; images: the recipe's image options.

    A shard's fingerprint covers what its rows say and the pictures they point to. Places in the store are left out:
    a store that was packed in another order gives the same shard.
    """
    grouped: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        grouped.setdefault((row["split"], row["shard"]), []).append(row)
    made = []
    for (split, number), members in grouped.items():
        content = [(r["uid"], r["extension"], r["sample"], r["caption"], digests[r["uid"]]) for r in members]
        key = fingerprint(stage="shard", version=VERSION, pixels=PIXELS, rows=content, images=dict(images))
        made.append(Task(split, f"{split}/{number:06d}.tar", members, key))
    return made


def make_all(
    todo: Sequence[Task],
    read: Callable[[str, int, int], bytes],
    folder: Path,
    records: Path,
    *,
    workers: int,
    progress: Callable[[int], None],
) -> tuple[dict[str, list[Shard]], int]:
    """Make the shards that are not there yet; returns those of each split in order and the number written.

    The old manifest is deleted before the first change and tars that no task names after the last, so a folder with a
    manifest is always whole. Threads suffice: the work is reading, hashing and writing.
    """
    done = {task.file: finished(folder, records, task.file, task.key) for task in todo}
    missing = [task for task in todo if done[task.file] is None]
    present = [p for p in folder.glob("*/*") if p.relative_to(folder).as_posix() not in done and p.name != "sizes.json"]
    foreign = [p for p in present if p.suffix not in (".tar", ".part") or not p.is_file()]
    if foreign:
        raise UsageError(f"{foreign[0]}: not a file of this build; move it away, the folder is for shards only")
    splits = {task.split for task in todo}
    stale = [*present, *(p for p in folder.glob("*/sizes.json") if p.parent.name not in splits)]
    if missing or stale:
        (folder / MANIFEST).unlink(missing_ok=True)
    for path in stale:
        path.unlink()
    with ThreadPoolExecutor(max_workers=workers) as pool:
        jobs = {pool.submit(make_shard, t.rows, read, folder, records, t.file, t.key): t.file for t in missing}
        try:
            for number, job in enumerate(as_completed(jobs), 1):
                done[jobs[job]] = job.result()
                progress(len(todo) - len(missing) + number)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    made: dict[str, list[Shard]] = {}
    for task in todo:
        made.setdefault(task.split, []).append(cast(Shard, done[task.file]))
    for split, shards in made.items():
        write_json(folder / split / "sizes.json", {Path(s.file).name: s.samples for s in shards})
    return made, len(missing)


def write_shard(rows: Sequence[Mapping[str, Any]], read: Callable[[str, int, int], bytes], path: Path) -> None:
    """Write the rows' samples to a tar at `path`, in order, three adjacent members each.

    read(pack, offset, length) gives an image's bytes. Headers carry no time, owner or machine. Raises CorruptError on
    a key that WebDataset would split or merge.
    """
    with writing(path) as part, tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
        for row in rows:
            uid = row["uid"]
            if not KEY_PATTERN.match(uid):
                raise CorruptError(f"{uid!r} cannot be a WebDataset key")
            image = read(row["pack"], row["offset"], row["length"])
            _add(tar, f"{uid}.{row['extension']}", image)
            _add(tar, f"{uid}.json", row["sample"].encode())
            _add(tar, f"{uid}.txt", row["caption"].encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = 0o444
    tar.addfile(member, io.BytesIO(content))


def finished(folder: Path, records: Path, file: str, key: str) -> Shard | None:
    """The shard of this file if `records` says it was made for the fingerprint and its bytes are those; else None."""
    path, record = folder / file, _record(records, file)
    if not (path.is_file() and record.is_file()):
        return None
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except ValueError:
        return None
    if content.get("fingerprint") != key or path.stat().st_size != content["shard"]["bytes"]:
        return None
    if file_sha256(path) != content["shard"]["sha256"]:
        return None
    return Shard(**content["shard"])


def make_shard(
    rows: Sequence[Mapping[str, Any]],
    read: Callable[[str, int, int], bytes],
    folder: Path,
    records: Path,
    file: str,
    key: str,
) -> Shard:
    """Write one shard of the dataset folder and, last, its done record in the folder `records`."""
    path = folder / file
    _record(records, file).unlink(missing_ok=True)
    write_shard(rows, read, path)
    shard = Shard(file, len(rows), path.stat().st_size, file_sha256(path))
    write_json(_record(records, file), {"fingerprint": key, "shard": asdict(shard)})
    return shard


def _record(records: Path, file: str) -> Path:
    return records / f"{file.replace('/', '-')}.done.json"


def content_sha256(shards: Iterable[Shard]) -> str:
    """Digest over the shard list: identifies a dataset's content."""
    listing = "".join(f"{s.file} {s.sha256}\n" for s in sorted(shards, key=lambda s: s.file))
    return hashlib.sha256(listing.encode()).hexdigest()
