"""The image store: every image decoded once, its bytes in packs, its facts in the INDEX.

Images are worked on in chunks. A chunk leaves two files: a pack (encoded pictures, one after another) and an index
(one row per image, also for those that cannot be used). Both are written under another name and renamed, the index
last, so a chunk is there as a whole or not at all. Options that give other pixels live in another subfolder.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mgll_data.engine.local import OUTSIDE, Announce, run
from mgll_data.errors import ExcludedError, MgllError, RetryableError, SampleError
from mgll_data.images.process import ImageOptions, Processed, process
from mgll_data.schema import arrow_schema
from mgll_data.stage import lock, write_table, writing

_Row = dict[str, Any]
_Key = tuple[str, int, int]  # uid, file size, file mtime in nanoseconds


@dataclass(frozen=True, slots=True)
class Item:
    """One image to have in the store. image: path below `root`, with `/`. uid: unique among the items."""

    uid: str
    source: str
    image: str
    root: Path


@dataclass(frozen=True, slots=True)
class StoreUpdate:
    """table: INDEX rows in the order of the items. decoded: rows made now, by trying a file. reused: rows found."""

    table: pa.Table
    decoded: int
    reused: int


@dataclass(frozen=True, slots=True)
class _Chunk:
    folder: Path
    name: str
    options: ImageOptions
    items: tuple[tuple[Item, int, int], ...]  # with size in bytes and mtime in nanoseconds


def update_store(
    items: Sequence[Item],
    folder: Path,
    options: ImageOptions,
    *,
    workers: int = 1,
    item_seconds: float = 60.0,
    progress: Callable[[int], None] | None = None,
    retry: bool = False,
    chunk: int | None = None,
) -> StoreUpdate:
    """Bring the store up to date with the items and return their INDEX rows (schema `index`).

    An image is tried unless the store knows it for these options under the same uid, file size and mtime. Known
    failures are known too; `retry` tries those again. chunk: images per chunk, by default 64 to 512 by the size of
    the job (never by the workers: the packs must not depend on them). progress is called with the number of images
    settled since the last call. Column `pack` is a path below `folder` for `read_bytes`.
    Raises UsageError where the folder cannot be written, is full or in use by another build; RetryableError where
    reading fails for a passing reason. Finished chunks stay in all cases.
    """
    with lock(folder):
        home = folder / options.digest()
        home.mkdir(exist_ok=True)
        for leftover in home.glob("*.part"):
            leftover.unlink()
        known, next_number = _load(home)
        rows: dict[str, _Row] = {}
        reused = 0
        todo: list[tuple[Item, int, int]] = []
        for item in items:
            found = _stat(item)
            if isinstance(found, SampleError):
                rows[item.uid] = _failure(item, 0, 0, found)  # no file: nothing to decode, nothing to remember
                continue
            row = known.get((item.uid, *found))
            # A plug-in may have been installed since; to try without it costs nothing.
            if row is None or row["reason"] == "decoder_missing" or (retry and row["outcome"] != "kept"):
                todo.append((item, *found))
            else:
                rows[item.uid] = row
                reused += 1
        if progress:
            progress(len(rows))
        size = chunk or max(64, min(512, math.ceil(len(todo) / 200)))
        parts = [tuple(todo[at : at + size]) for at in range(0, len(todo), size)]
        chunks = [_Chunk(home, _name(next_number + n, part), options, part) for n, part in enumerate(parts)]
        for name in run(_decode_chunk, chunks, workers=workers, item_seconds=item_seconds):
            made = pq.read_table(home / f"{name}.parquet").to_pylist()
            rows.update((row["uid"], row) for row in made)
            if progress:
                progress(len(made))
    table = pa.Table.from_pylist([rows[item.uid] for item in items], schema=arrow_schema("index"))
    return StoreUpdate(table, len(todo), reused)


def read_bytes(folder: Path, pack: str, offset: int, length: int) -> bytes:
    """Encoded bytes of one stored picture. Raises OSError where the pack is gone, ValueError where it is too short."""
    with (folder / pack).open("rb") as file:
        file.seek(offset)
        data = file.read(length)
    if len(data) != length:
        raise ValueError(f"pack {pack} ends at byte {offset + len(data)}, {offset + length} expected")
    return data


def _decode_chunk(task: _Chunk, blamed: dict[int, str], announce: Announce) -> str:
    """Worker: decode the chunk's images, write its pack and then its index; return its name."""
    rows: list[_Row] = []
    pack = bytearray()
    for index, (item, size, mtime) in enumerate(task.items):
        if index in blamed:
            words = {"timeout": "it took longer than an image may", "decoder_crash": "the decoder died on it twice"}
            rows.append(_failure(item, size, mtime, SampleError(blamed[index], words.get(blamed[index], ""))))
            continue
        announce(index)
        try:
            made = process(item.root / item.image, task.options)
        except SampleError as error:
            rows.append(_failure(item, size, mtime, error))
        except MemoryError:
            rows.append(_failure(item, size, mtime, SampleError("too_large", "not enough memory to decode it")))
        except MgllError:
            raise
        except Exception as error:  # a decoder's surprise costs one image; the failure budget stops a run of them
            detail = f"unexpected {type(error).__name__} while it was processed"
            rows.append(_failure(item, size, mtime, SampleError("undecodable", detail)))
        else:
            rows.append(_success(item, size, mtime, made, f"{task.folder.name}/{task.name}.pack", len(pack)))
            pack += made.data
    announce(OUTSIDE)
    table = pa.Table.from_pylist(rows, schema=arrow_schema("index"))
    table = table.replace_schema_metadata({"pack_bytes": str(len(pack))})
    with writing(task.folder / f"{task.name}.pack") as part:
        part.write_bytes(pack)
    write_table(table, task.folder / f"{task.name}.parquet")
    return task.name


def _load(home: Path) -> tuple[dict[_Key, _Row], int]:
    """Rows of all whole chunks and the next free chunk number. Of two rows for one key the later chunk's wins."""
    known: dict[_Key, _Row] = {}
    number = 0
    for path in sorted(home.glob("*.parquet")):
        number = int(path.name.split("-")[0]) + 1
        table = pq.read_table(path)
        promised = int((table.schema.metadata or {}).get(b"pack_bytes", b"-1"))
        pack = path.with_suffix(".pack")
        if not pack.exists() or pack.stat().st_size != promised:
            continue  # the pack was lost or cut (a full disk after a power failure): its images are decoded again
        for row in table.to_pylist():
            known[row["uid"], row["file_size"], row["file_mtime_ns"]] = row
    return known, number


def _stat(item: Item) -> tuple[int, int] | SampleError:
    """Size and mtime of the item's file, or why it has none. Paths that leave the root are never touched."""
    parts = PurePosixPath(item.image)
    if parts.is_absolute() or ".." in parts.parts or "\\" in item.image or "\0" in item.image or not item.image:
        return SampleError("path_escape", "the path leaves the source's folder")
    try:
        found = (item.root / item.image).stat()
    except (FileNotFoundError, NotADirectoryError):
        return SampleError("missing_image", "there is no such file")
    except OSError as error:
        if isinstance(error, PermissionError):
            return SampleError("missing_image", "the file may not be read (permission denied)")
        raise RetryableError(f"{item.source}: looking for an image failed: {error.strerror}") from error
    return found.st_size, found.st_mtime_ns


def _name(number: int, part: Sequence[tuple[Item, int, int]]) -> str:
    keys = "\n".join(f"{item.uid} {size} {mtime}" for item, size, mtime in part)
    return f"{number:06d}-{hashlib.sha256(keys.encode()).hexdigest()[:16]}"


def _failure(item: Item, size: int, mtime: int, error: SampleError) -> _Row:
    outcome = "excluded" if isinstance(error, ExcludedError) else "quarantined"
    row: _Row = dict.fromkeys(arrow_schema("index").names)
    row |= {"uid": item.uid, "source": item.source, "outcome": outcome, "reason": error.reason, "detail": error.detail}
    row |= {"flags": [], "file_size": size, "file_mtime_ns": mtime}
    return row


def _success(item: Item, size: int, mtime: int, made: Processed, pack: str, offset: int) -> _Row:
    row: _Row = {field.name: getattr(made, field.name) for field in fields(made)}
    row.pop("data")
    row["flags"] = list(made.flags)
    row["crop_x0"], row["crop_y0"], row["crop_x1"], row["crop_y1"] = row.pop("crop")
    row |= {"uid": item.uid, "source": item.source, "outcome": "kept", "reason": None, "detail": None}
    row |= {"pack": pack, "offset": offset, "length": len(made.data), "file_size": size, "file_mtime_ns": mtime}
    return row
