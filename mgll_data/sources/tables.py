"""Readers for the layouts that label files and picture folders come in, shared by all source adapters."""

from __future__ import annotations

import csv
import gzip
import math
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from mgll_data.errors import SampleError, UsageError
from mgll_data.sources.base import RawRecord, Rejected

Row = dict[str, str]


def read_csv(
    path: Path, *, required: Sequence[str], encoding: str = "utf-8-sig", delimiter: str = ","
) -> Iterator[tuple[int, Row | SampleError]]:
    """Rows of a table, each with the line on which it starts (the header is line 1), `.gz` opened transparently.

    Header names and values are stripped. Unnamed columns are dropped if they are empty or the first one (a row number
    that pandas left). A row whose fields do not fit the header comes as a `SampleError` of reason `bad_row`, for the
    caller to count; rows without any value are passed over. Raises UsageError for a file that is absent, empty, not in
    `encoding`, damaged, or without one of the `required` columns (all of them reported at once).
    """
    with _table(path, encoding) as file:
        yield from _rows(path, file, required, delimiter)


def columns(path: Path, *, encoding: str = "utf-8-sig", delimiter: str = ",") -> tuple[str, ...]:
    """Names of a table's columns, stripped, without the unnamed ones. Raises UsageError as `read_csv` does."""
    with _table(path, encoding) as file:
        return tuple(name.strip() for name in next(csv.reader(file, delimiter=delimiter), []) if name.strip())


def records(
    path: Path, required: Sequence[str], make: Callable[[str, Row], RawRecord]
) -> Iterator[RawRecord | Rejected]:
    """`make("<file name>:<line>", row)` for every row of a table; a SampleError becomes a quarantined `Rejected`."""
    name = path.name
    for line, row in read_csv(path, required=required):
        origin = f"{name}:{line}"
        try:
            if isinstance(row, SampleError):
                raise row
            result: RawRecord | Rejected = make(origin, row)
        except SampleError as error:
            result = quarantined(origin, error)
        yield result


def quarantined(origin: str, error: SampleError) -> Rejected:
    """The row at `origin` counted as quarantined for `error`. No image is named: its name may be the fault."""
    return Rejected("", origin, "quarantined", error.reason, error.detail)


def first_file(root: Path, *names: str) -> Path:
    """The first of `names`, or of the same names with `.gz`, below `root`. Raises UsageError if none is there."""
    for path in (root / f"{name}{end}" for name in names for end in ("", ".gz")):
        if path.is_file():
            return path
    raise UsageError(f"{root}: no file {' or '.join(names)}. Download it from the source and put it there.")


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
    out = _links_out(root, "/".join(parts[:-1]))
    if out is None or parts[-1] in out:
        raise SampleError("path_escape", "a symbolic link out of the source's folder")
    return "/".join(parts)


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

    `key` makes the look-up key of a path (without it: the file's name). Of two paths with one key the first counts.
    """

    def __init__(self, root: Path, patterns: Sequence[str], key: Callable[[str], str] | None = None) -> None:
        self._root = root
        self._paths: dict[str, list[str]] = {}
        self._named: set[str] = set()
        for path in list_images(root, patterns):
            self._paths.setdefault(key(path) if key else path.rpartition("/")[2], []).append(path)

    def __contains__(self, key: object) -> bool:
        return key in self._paths

    def take(self, key: str, expected: str) -> str:
        """Path below the root of the picture `key`, or `expected`, normalised, where it is not on disk.

        Raises SampleError: `bad_row` for no name or a key that an earlier row took, `path_escape` as `inside` does.
        """
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


@lru_cache(maxsize=1024)
def age_in_years(text: str) -> float | None:
    """Age from `58`, or from a DICOM age string such as `058Y`, `018M`, `003W`, `010D`; None outside 0 to 120 years."""
    if not (match := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([YMWD]?)", text.strip().upper())):
        return None
    age = float(match[1]) / {"": 1, "Y": 1, "M": 12, "W": 52.18, "D": 365.25}[match[2]]
    return age if age <= 120 else None


@lru_cache(maxsize=64)
def sex(text: str) -> str | None:
    """F, M or None from an English or German word or letter (`w`: weiblich)."""
    return {"f": "F", "female": "F", "w": "F", "m": "M", "male": "M"}.get(text.strip().lower())


def corners(x: str, y: str, width: str, height: str) -> tuple[float, float, float, float]:
    """Box as x0, y0, x1, y1 from its upper left corner and size. Raises SampleError `bad_row` if it is not a box."""
    try:
        x0, y0, w, h = (float(value) for value in (x, y, width, height))
    except ValueError as error:
        raise SampleError("bad_row", "a box whose numbers cannot be read") from error
    if not (w > 0 and h > 0 and math.isfinite(x0 + y0 + w + h)):
        raise SampleError("bad_row", "a box without an area")
    return x0, y0, x0 + w, y0 + h


def _open(path: Path, encoding: str, errors: str = "strict") -> TextIO:
    # newline="": the csv module must see line ends as they are to keep those inside quotes.
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding=encoding, errors=errors, newline="")
    return path.open(encoding=encoding, errors=errors, newline="")


@contextmanager
def _table(path: Path, encoding: str) -> Iterator[TextIO]:
    """The open table; what goes wrong while it is read is raised as a UsageError that says what to do."""
    try:
        with _open(path, encoding) as file:
            yield file
    except UnicodeDecodeError as error:
        raise UsageError(_wrong_byte(path, encoding)) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UsageError(f"{path}: damaged gzip file ({error}). Download it again.") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}). Put the source's label file there.") from error


def _rows(path: Path, file: TextIO, required: Sequence[str], delimiter: str) -> Iterator[tuple[int, Row | SampleError]]:
    lines = _lines(path, file, delimiter)
    _, first = next(lines, (1, []))
    header = [name.strip() for name in first] if isinstance(first, list) else []
    named = [name for name in header if name]
    if not named:
        raise UsageError(
            f"{path}: empty or without a header. A table with the columns {', '.join(required)} was expected."
        )
    _check_header(path, named, required, delimiter)
    plain = len(named) == len(header)
    for line, fields in lines:
        if isinstance(fields, SampleError):
            yield line, fields
        elif plain and len(fields) == len(header):
            if any(fields):
                yield line, dict(zip(header, map(str.strip, fields), strict=True))
        elif any(field.strip() for field in fields):
            yield line, _fit(header, fields)


def _lines(path: Path, file: TextIO, delimiter: str) -> Iterator[tuple[int, list[str] | SampleError]]:
    # strict: a quote that is never closed is an error here, not one field that swallows the rest of the file.
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error) or "field limit" in str(error):
                raise UsageError(
                    f"{path}, line {line}: a quote opens here and does not close, so the rows below cannot be told "
                    'apart. Close it, or double it ("") if it belongs to the text.'
                ) from error
            yield line, SampleError("bad_row", f"{reader.line_num - line + 1} lines that make no row: {error}")
        else:
            yield line, fields


def _fit(header: list[str], fields: list[str]) -> Row | SampleError:
    """The row as a dict where fields are missing or left over only in unnamed columns, else what is wrong."""
    last = max(place for place, name in enumerate(header) if name)
    if len(fields) <= last:
        return SampleError("bad_row", f"{len(fields)} fields, {last + 1} expected")
    for place, field in enumerate(fields):
        if place and field.strip() and (place >= len(header) or not header[place]):
            return SampleError("bad_row", f"a value in field {place + 1}, which has no name: an unquoted comma?")
    return {name: field.strip() for name, field in zip(header, fields, strict=False) if name}


def _check_header(path: Path, named: list[str], required: Sequence[str], delimiter: str) -> None:
    twice = [name for name in dict.fromkeys(named) if named.count(name) > 1]
    problems = [f"{path}: column {name!r} occurs twice. Rename one of them." for name in twice]
    for name in (name for name in required if name not in named):
        near = get_close_matches(name, named, n=1)
        hint = f"The nearest is {near[0]!r}: rename it, or download" if near else "Download"
        problems.append(f"{path}: no column {name!r}; the columns are {', '.join(named)}. {hint} the file again.")
    other = [mark for mark in ";\t|," if mark != delimiter and mark in named[0]]
    if problems and other and len(named) == 1:
        problems.append(f"{path}: columns are separated by {other[0]!r}. Save it with {delimiter!r} between them.")
    if problems:
        raise UsageError(problems)


def _wrong_byte(path: Path, encoding: str) -> str:
    name, plain = encoding.removesuffix("-sig"), path.name.removesuffix(".gz")
    # Bytes that cannot be decoded come back as lone surrogates, so the lines are counted as the reader counts them.
    with _open(path, encoding, errors="surrogateescape") as file:
        for number, line in enumerate(file, start=1):
            if wrong := re.search("[\udc80-\udcff]", line):
                return (
                    f"{path}, line {number}: byte 0x{ord(wrong[0]) - 0xDC00:02x} is not {name}. If the file (unpacked) "
                    f"is in Latin-1, run: iconv -f latin1 -t {name} '{plain}' > fixed && mv fixed '{plain}'"
                )
    return f"{path}: not {name}. Save it in that encoding."
