"""Layouts that many sources share: class folders, one label column, one column per label, spreadsheets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mgll_data.errors import SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected
from mgll_data.sources.files import list_images
from mgll_data.sources.tables import Row, read_csv

PICTURES = ("**/*.jpg", "**/*.jpeg", "**/*.png", "**/*.tif", "**/*.tiff", "**/*.bmp", "**/*.ppm", "**/*.webp")


def class_folders(
    root: Path,
    folders: Mapping[str, str],
    *,
    patterns: Sequence[str] = PICTURES,
    make: Callable[[str, str], RawRecord] | None = None,
) -> Iterator[RawRecord | Rejected]:
    """One record per picture below a folder that names its class; every other picture is `unlisted`.

    folders: folder below `root` (with `/`; case counts) -> raw word. The innermost listed folder wins. make(image,
    word) builds the record where more than the word is known, and may raise SampleError. The origin is the folder.
    Raises UsageError if none of the folders holds a picture.
    """
    found = False
    for image in list_images(root, patterns):
        parts = image.split("/")[:-1]
        inner = next(
            ("/".join(parts[:end]) for end in range(len(parts), 0, -1) if "/".join(parts[:end]) in folders), ""
        )
        if not inner:
            yield Rejected(image, "", "excluded", "unlisted", "no class folder holds it")
            continue
        found = True
        word = folders[inner]
        try:
            yield make(image, word) if make else RawRecord(image, f"{inner}/", labels={word: State.PRESENT})
        except SampleError as error:
            yield Rejected(image, f"{inner}/", "quarantined", error.reason, error.detail)
    if not found:
        raise UsageError(f"{root}: none of the folders {', '.join(folders)} holds a picture. Unpack the source there.")


def flags(
    row: Row, columns: Sequence[str], *, yes: Sequence[str] = ("1", "1.0"), no: Sequence[str] = ("0", "0.0")
) -> dict[str, State]:
    """One column per label as words and states; an empty cell says nothing. Raises SampleError for any other value."""
    states: dict[str, State] = {}
    for column in columns:
        value = row[column]
        if value in yes:
            states[column] = State.PRESENT
        elif value in no:
            states[column] = State.ABSENT
        elif value:
            raise SampleError("bad_row", f"{column} is none of {', '.join((*yes, *no))}")
    return states


def spreadsheet(
    path: Path, *, required: Sequence[str], sheet: str | int = 0, skip: int = 0
) -> Iterator[tuple[int, Row | SampleError]]:
    """Rows of an .xlsx sheet as `read_csv` gives those of a table, with their row number; `skip` rows stand above.

    A file of the same name that ends in .csv is read instead where it is there (saved from the sheet). Whole numbers
    lose their `.0`. Raises UsageError for a damaged file, an absent sheet or missing columns.
    """
    saved = path.with_suffix(".csv")
    if saved.is_file():
        yield from read_csv(saved, required=required)
        return
    header: list[str] = []
    for number, values in enumerate(_sheet(path, sheet), start=1):
        if number <= skip:
            continue
        cells = [_cell(value) for value in values]
        if not header:
            header = cells
            lacking = [name for name in required if name not in header]
            if lacking:
                named = ", ".join(name for name in header if name)
                raise UsageError(f"{path}: no column {', '.join(map(repr, lacking))}; the columns are {named}.")
        elif any(cells):
            yield number, {name: cell for name, cell in zip(header, cells, strict=False) if name}


def _sheet(path: Path, sheet: str | int) -> Iterator[Sequence[Any]]:
    import zipfile

    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path}: not a readable .xlsx file ({type(error).__name__}). Download it again.") from error
    try:
        names = book.sheetnames
        if isinstance(sheet, str) and sheet not in names:
            raise UsageError(f"{path}: no sheet {sheet!r}; the sheets are {', '.join(names)}.")
        yield from book[sheet if isinstance(sheet, str) else names[sheet]].iter_rows(values_only=True)
    finally:
        book.close()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def text_rows(
    path: Path, fields: int, *, separator: str | None = None
) -> Iterator[tuple[int, list[str] | SampleError]]:
    """Lines of a list without a header, split at `separator` (None: white space), each with its number.

    A line with another number of fields comes as a SampleError; blank lines are passed over. Raises UsageError for a
    file that is absent or not UTF-8.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}). Put the source's label file there.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not utf-8 (byte {error.start}). Save it in that encoding.") from error
    for number, line in enumerate(lines, start=1):
        if parts := [part.strip() for part in line.split(separator)] if line.strip() else []:
            fits = len(parts) == fields
            yield number, parts if fits else SampleError("bad_row", f"{len(parts)} fields, {fields} expected")


def read_json(path: Path) -> Any:
    """A JSON label file. Raises UsageError, with the line, where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}). Put the source's label file there.") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}, line {error.lineno}: not JSON ({error.msg}). Download the file again.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not utf-8 (byte {error.start}). Download the file again.") from error
