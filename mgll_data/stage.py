"""A stage: a table made once for a fingerprint, reused while the fingerprint stays the same.

Every table is a Parquet file with `<file>.done.json` beside it (fingerprint, rows, sha256, seconds), written last.
Nothing is ever written under its final name.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mgll_data.errors import CorruptError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Done:
    """What `<file>.done.json` says of a finished table."""

    fingerprint: str
    rows: int
    sha256: str
    seconds: float


def fingerprint(**parts: Any) -> str:
    """Digest of everything a stage depends on (values that JSON can hold), 64 hex digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Digest of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A `.part` path to write to; renamed to `path` on success, deleted on any error.

    Raises UsageError where the folder cannot be written or the disk is full.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise disk_problem(error, path) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def disk_problem(error: OSError, path: Path) -> UsageError | OSError:
    """The error a user can act on, where the disk is full or the place is not writable; else the error itself."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UsageError(
            f"{path.parent}: the disk is full. Free some space and run the same command again: it resumes."
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UsageError(f"{path.parent}: not writable. Choose another folder or change its permissions.")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return UsageError(f"{path.parent}: a file stands where a folder is needed.")
    return error


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically: indented, UTF-8, a newline at the end."""
    with writing(path) as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def done(path: Path) -> Done | None:
    """The done record of a table, or None where the table or its record is missing or unreadable."""
    record = path.with_name(path.name + ".done.json")
    if not (path.is_file() and record.is_file()):
        return None
    try:
        return Done(**json.loads(record.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        return None


def read_table(path: Path) -> pa.Table:
    """Read a stage's table whole."""
    import pyarrow.parquet as pq

    return pq.read_table(path)


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet, atomically."""
    import pyarrow.parquet as pq

    with writing(path) as part:
        pq.write_table(table, part, compression="zstd")


def run(path: Path, key: str, make: Callable[[], pa.Table]) -> tuple[pa.Table, bool]:
    """The table at `path` for the fingerprint `key`: read back where it is done, else made and written.

    Returns the table and whether it was reused. Raises CorruptError where a finished table's bytes have changed.
    """
    before = done(path)
    if before is not None and before.fingerprint == key:
        if file_sha256(path) != before.sha256:
            raise CorruptError(f"{path.name} is not what was written (sha256 differs): delete it and build again")
        return read_table(path), True
    started = time.monotonic()
    table = make()
    path.with_name(path.name + ".done.json").unlink(missing_ok=True)
    write_table(table, path)
    record = Done(key, table.num_rows, file_sha256(path), round(time.monotonic() - started, 3))
    write_json(path.with_name(path.name + ".done.json"), record.__dict__)
    return table, False


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold the folder for one build: a second one is refused with UsageError instead of mixing files."""
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("a+")
    except OSError as error:
        raise disk_problem(error, folder / "lock") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            other = file.read().strip() or "?"
            raise UsageError(
                f"another build (process {other}) is at work in {folder}: wait for it to end, or use another --work"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
