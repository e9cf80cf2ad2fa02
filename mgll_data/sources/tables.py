"""Readers for the tables that labels come in, shared by all source adapters."""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Literal, TextIO, TypeVar

from mgll_data.errors import ExcludedError, SampleError, UsageError
from mgll_data.sources.base import RawRecord, Rejected

Row = dict[str, str]
Fields = TypeVar("Fields", Row, list[str])
Made = RawRecord | Iterable[RawRecord | Rejected]


def read_csv(
    path: Path,
    *,
    required: Sequence[str],
    encoding: str = "utf-8-sig",
    delimiter: str = ",",
    skip: int = 0,
    first: str = "",
    merged: bool = False,
) -> Iterator[tuple[int, Row | SampleError]]:
    """Rows of a table, each with the line on which it starts (the header is line 1), `.gz` opened transparently.

    skip: rows that stand above the header. first: a name for the first column where the header gives it none. merged:
    header cells of a spreadsheet were merged, so that values may stand in columns without a name; they are dropped.

    Header names and values are stripped. Unnamed columns are dropped if they are empty or the first one (a row number
    that pandas left). A row whose fields do not fit the header comes as a `SampleError` of reason `bad_row`, for the
    caller to count; rows without any value are passed over. Raises UsageError for a file that is absent, empty, not in
    `encoding`, damaged, or without one of the `required` columns (all of them reported at once).
    """
    with _table(path, encoding) as file:
        yield from _rows(path, file, required, delimiter, skip, first, merged)


def columns(path: Path, *, encoding: str = "utf-8-sig", delimiter: str = ",") -> tuple[str, ...]:
    """Names of a table's columns, stripped, without the unnamed ones. Raises UsageError as `read_csv` does."""
    with _table(path, encoding) as file:
        return tuple(name.strip() for name in next(csv.reader(file, delimiter=delimiter), []) if name.strip())


def records(path: Path, required: Sequence[str], make: Callable[[str, Row], Made]) -> Iterator[RawRecord | Rejected]:
    """`make("<file name>:<line>", row)` for every row of a table; a SampleError becomes a `Rejected`."""
    yield from made(path.name, read_csv(path, required=required), make)


def made(
    name: str, rows: Iterable[tuple[int, Fields | SampleError]], make: Callable[[str, Fields], Made]
) -> Iterator[RawRecord | Rejected]:
    """`make("<name>:<line>", row)` for every row of a reader such as `read_csv`; a SampleError becomes a `Rejected`.

    `make` returns one record, or an iterator where a row speaks of several pictures.
    """
    for line, row in rows:
        origin = f"{name}:{line}"
        try:
            if isinstance(row, SampleError):
                raise row
            result = make(origin, row)
            if isinstance(result, RawRecord):
                yield result
            else:
                yield from result
        except SampleError as error:
            yield quarantined(origin, error)


def quarantined(origin: str, error: SampleError, image: str = "") -> Rejected:
    """The row at `origin` counted for `error`: as excluded for an ExcludedError, else as quarantined.

    `image` stays empty where the name of the image may be the fault.
    """
    outcome: Literal["quarantined", "excluded"] = "excluded" if isinstance(error, ExcludedError) else "quarantined"
    return Rejected(image, origin, outcome, error.reason, error.detail)


def first_file(root: Path, *names: str) -> Path:
    """The first of `names`, or of the same names with `.gz`, below `root`. Raises UsageError if none is there."""
    for path in (root / f"{name}{end}" for name in names for end in ("", ".gz")):
        if path.is_file():
            return path
    raise UsageError(f"{root}: no file {' or '.join(names)}. Download it from the source and put it there.")


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


def _rows(
    path: Path, file: TextIO, required: Sequence[str], delimiter: str, skip: int, first: str, merged: bool
) -> Iterator[tuple[int, Row | SampleError]]:
    lines = islice(_lines(path, file, delimiter), skip, None)
    _, top = next(lines, (1, []))
    header = [name.strip() for name in top] if isinstance(top, list) else []
    if first and header and not header[0]:
        header[0] = first
    named = [name for name in header if name]
    if not named:
        raise UsageError(
            f"{path}: empty or without a header. A table with the columns {', '.join(required)} was expected."
        )
    _check_header(path, named, required, delimiter)
    plain = all(header[1:])  # pandas leaves the first column without a name
    for line, fields in lines:
        if isinstance(fields, SampleError):
            yield line, fields
        elif plain and len(fields) == len(header):
            if any(fields):
                row = dict(zip(header, map(str.strip, fields), strict=True))
                row.pop("", None)
                yield line, row
        elif any(field.strip() for field in fields):
            yield line, _fit(header, fields, merged)


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


def _fit(header: list[str], fields: list[str], merged: bool) -> Row | SampleError:
    """The row as a dict where fields are missing or left over only in unnamed columns, else what is wrong."""
    last = max(place for place, name in enumerate(header) if name)
    if len(fields) <= last:
        return SampleError("bad_row", f"{len(fields)} fields, {last + 1} expected")
    for place, field in enumerate(fields):
        if place and field.strip() and (place >= len(header) or not (merged or header[place])):
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
