"""Shards of a slow filesystem, copied to a fast folder of the node when they are first read.

All ranks and loader processes of a node share the folder, and so do later runs: a copy is named by its SHA-256, checked
while it is written, and gets its name only when it is whole. Whatever goes wrong with the folder (no space, no rights),
the shard is read where it lies, and the run is told once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from mgll_train.errors import DataError
from mgll_train.lock import free, locked
from mgll_train.shards import Shard

PIECE = 1 << 22
SPARE = 10**9  # bytes that other programs of the node keep on its disk


class Cache:
    """A folder on the node's own disk for at most `limit` bytes of shards; None: shards are read where they lie.

    shards: those of this run. When there is no room, copies of others go, the oldest first. `notes` holds what the run
    should be told, each thing once a process. Picklable.
    """

    def __init__(self, folder: Path | str | None, limit: int, shards: Iterable[Shard]) -> None:
        self.folder, self.limit = Path(folder or ""), limit
        self._used = frozenset(shard.sha256 for shard in shards)
        self.notes: list[str] = []
        self._off, self._gave_up = folder is None, False

    def path(self, shard: Shard) -> Path:
        """Where to read the shard: its copy, made now if need be, or its own place.

        Raises DataError if the shard's content is not what its manifest says.
        """
        copy = self.folder / f"{shard.sha256}.tar"
        if self._off:
            return shard.path
        try:
            if not _whole(copy, shard):
                if self._gave_up:
                    return shard.path
                self.folder.mkdir(parents=True, exist_ok=True)
                # Others that want the same shard wait here, and find it.
                with locked(self.folder / f"{shard.sha256}.lock"):
                    if not _whole(copy, shard) and not self._copy(shard, copy):
                        return shard.path
            os.utime(copy)
            return copy
        except OSError as error:
            self._give_up(f"{error.strerror or error}")
            return shard.path

    def _copy(self, shard: Shard, copy: Path) -> bool:
        part = copy.with_suffix(".part")
        try:
            with part.open("wb") as file:
                with locked(self.folder / "room.lock"):
                    if not self._make_room(shard.bytes, part):
                        self._give_up(f"its limit of {self.limit / 1e9:g} GB is reached")
                        return False
                    if shutil.disk_usage(self.folder).free < shard.bytes + SPARE:
                        self._give_up(f"less than {SPARE / 1e9:g} GB of its disk would be left")
                        return False
                    # The space is taken before the copy: a full disk shows now, and others count it.
                    os.posix_fallocate(file.fileno(), 0, shard.bytes)
                digest = hashlib.sha256()
                with shard.path.open("rb") as source:
                    while piece := source.read(PIECE):
                        digest.update(piece)
                        file.write(piece)
            if digest.hexdigest() != shard.sha256:
                raise DataError(damaged(shard))
            part.replace(copy)
            return True
        finally:
            part.unlink(missing_ok=True)

    def _make_room(self, wanted: int, part: Path) -> bool:
        held = {path: path.stat() for path in self.folder.iterdir() if path.suffix in (".tar", ".part")}
        total = sum(stat.st_size for path, stat in held.items() if path != part)
        for path in sorted(held, key=lambda path: held[path].st_mtime):
            if total + wanted <= self.limit:
                break
            # A copy that another run is writing stays; one that a killed run has left goes.
            if path.stem not in self._used and (path.suffix == ".tar" or free(path.with_suffix(".lock"))):
                path.unlink(missing_ok=True)
                total -= held[path].st_size
        return total + wanted <= self.limit

    def _give_up(self, reason: str) -> None:
        if not self._gave_up:
            self.notes.append(f"cache {self.folder}: {reason}; shards that are not there yet are read where they lie")
        self._gave_up = True


def damaged(shard: Shard) -> str:
    """What to tell of a shard whose content is not the manifest's."""
    return (
        f"{shard.path}: its SHA-256 is not the one in the manifest of {shard.dataset}: the file was damaged or changed "
        "after the build. Copy it again, or build the dataset again (`mgll-data build` writes the shard anew once the "
        "file is removed)"
    )


def _whole(copy: Path, shard: Shard) -> bool:
    try:
        return copy.stat().st_size == shard.bytes
    except FileNotFoundError:
        return False
