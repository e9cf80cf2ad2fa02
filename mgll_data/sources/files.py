"""The pictures of a source on disk: found without leaving its folder, taken once each, the rest counted."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from mgll_data.errors import SampleError, UsageError
from mgll_data.sources.base import Rejected


def inside(root: Path, relative: str) -> str:
    """`relative` normalised: with `/`, without `.` and empty parts. The file need not exist.

    Raises SampleError of reason `path_escape` for an absolute path, for `..`, and for a symbolic link that leaves
    `root`; of reason `bad_row` for a name that no file can have.
    """
    text = relative.replace("\\", "/")
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if not parts or "\0" in text or max(map(len, parts)) > 255:
        raise SampleError("bad_row", "names no file that can exist")
    if text.startswith("/") or text[1:2] == ":":
        raise SampleError("path_escape", "an absolute path")
    if ".." in parts:
        raise SampleError("path_escape", "a path with '..'")
    folder = "/".join(parts[:-1])
    out = frozenset() if _absent(root, folder) else _links_out(root, folder)
    if out is None or parts[-1] in out:
        raise SampleError("path_escape", "a symbolic link out of the source's folder")
    return "/".join(parts)


@lru_cache(maxsize=4096)
def _absent(root: Path, folder: str) -> bool:
    """Whether a folder is not there, so that nothing in it links anywhere; one below an absent folder is not asked for.

    A set that is not downloaded yet has as many absent folders as studies.
    """
    above = folder.rpartition("/")[0]
    return bool(folder) and ((bool(above) and _absent(root, above)) or not os.path.lexists(root / folder))


@lru_cache(maxsize=4096)
def _links_out(root: Path, folder: str) -> frozenset[str] | None:
    """Names in a folder that link out of `root`; None if the folder itself lies outside. Cached: files are many."""
    home, place = root.resolve(), root / folder
    if _leaves(place, home):
        return None
    entries = os.scandir(place) if place.is_dir() else ()
    return frozenset(entry.name for entry in entries if entry.is_symlink() and _leaves(Path(entry.path), home))


def _leaves(path: Path, home: Path) -> bool:
    try:
        return not path.resolve().is_relative_to(home)
    except (OSError, RuntimeError):  # a circle of links
        return True


def list_images(root: Path, patterns: Sequence[str]) -> list[str]:
    """Files below `root` that match one of the glob `patterns`, in their order, then by path; each file once.

    Knows `*`, `?`, `**`; case does not count. Hidden files, linked folders and links that leave `root` are left out:
    every path returned is safe to open. Raises UsageError where a folder cannot be read.
    """
    try:
        paths = sorted(_walk(str(root), "", root.resolve()))
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be listed ({error.strerror}).") from error
    tests = [re.compile(_regex(pattern), re.IGNORECASE) for pattern in patterns]
    return list(dict.fromkeys(path for test in tests for path in paths if test.fullmatch(path)))


def _regex(pattern: str) -> str:
    parts = [re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") for part in pattern.split("/")]
    return "/".join(parts).replace("[^/]*[^/]*/", "(?:.*/)?")


def _walk(folder: str, prefix: str, home: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "__MACOSX":
                continue  # what macOS leaves in archives looks like a picture and is none
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{prefix}{entry.name}/", home)
            elif not entry.is_symlink() or (not _leaves(Path(entry.path), home) and entry.is_file()):
                yield prefix + entry.name


class Images:
    """The pictures of a source on disk, and which of them its label file has named; found by `list_images`.

    `key` makes the look-up key of a path (without it: the file's name); a key that no path has is that of the only
    path which differs from it in case (`.JPG` for `.jpg`). Of two paths with one key the first counts.
    """

    def __init__(self, root: Path, patterns: Sequence[str], key: Callable[[str], str] | None = None) -> None:
        self._root = root
        self._paths: dict[str, list[str]] = {}
        self._named: set[str] = set()
        for path in list_images(root, patterns):
            self._paths.setdefault(key(path) if key else path.rpartition("/")[2], []).append(path)
        folded = Counter(name.lower() for name in self._paths)
        self._other_case = {name.lower(): name for name in self._paths if folded[name.lower()] == 1}

    def __contains__(self, key: str) -> bool:
        return self._own(key) in self._paths

    def _own(self, key: str) -> str:
        return key if key in self._paths else self._other_case.get(key.lower(), key)

    def take(self, key: str, expected: str) -> str:
        """Path below the root of the picture `key`, or `expected`, normalised, where it is not on disk.

        Raises SampleError: `bad_row` for no name or a key that an earlier row took, `path_escape` as `inside` does.
        """
        key = self._own(key)
        if paths := self._paths.get(key):
            path = paths[0]
        elif expected.endswith("/") or (path := inside(self._root, expected)).rpartition("/")[2].startswith("."):
            raise SampleError("bad_row", "names no image")
        if key in self._named:
            raise SampleError("bad_row", "names an image that an earlier row named")
        self._named.add(key)
        return path

    def unlisted(self) -> Iterator[Rejected]:
        """A `Rejected` for every picture on disk that no row took, copies of taken ones aside."""
        for path in (path for key, paths in self._paths.items() if key not in self._named for path in paths):
            yield Rejected(path, "", "excluded", "unlisted", "no row of the label files names it")
