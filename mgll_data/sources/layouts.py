"""Layouts that many sources share: class folders, one label column, one column per label, spreadsheets."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

from mgll_data.errors import ExcludedError, SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected
from mgll_data.sources.files import list_images
from mgll_data.sources.tables import Row, quarantined, read_csv

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
            yield quarantined(f"{inner}/", error, image)
    if not found:
        raise UsageError(f"{root}: none of the folders {', '.join(folders)} holds a picture. Unpack the source there.")


def by_name(
    root: Path, patterns: Sequence[str], make: Callable[[str], RawRecord | None]
) -> Iterator[RawRecord | Rejected]:
    """`make(path)` for every picture: for sources that label in file names. None: the name says nothing (`unlisted`).

    make may raise SampleError or ExcludedError. Raises UsageError if no picture has a name that says something.
    """
    found = False
    for image in list_images(root, patterns):
        try:
            record = make(image)
        except SampleError as error:
            yield quarantined("", error, image)
            found = True
            continue
        found |= record is not None
        yield record or Rejected(image, "", "excluded", "unlisted", "its name holds no label of this source")
    if not found:
        raise UsageError(
            f"{root}: no picture named as in this source ({', '.join(patterns)}). Unpack the source there."
        )


def part_folder(root: Path, name: str) -> str:
    """Prefix, with its `/`, of the folder `name` below the root, which may be URL-quoted; empty if the root is it."""
    names = sorted(path.name for path in root.iterdir() if path.is_dir() and unquote(path.name) == name)
    return f"{names[0]}/" if names else ""


def stem(path: str) -> str:
    """File name without folder and suffix, lower-cased: the look-up key where tables name pictures by their stem."""
    name = path.rpartition("/")[2]
    return (name.rpartition(".")[0] or name).lower()


def eye(text: str) -> str | None:
    """left, right or None from OD, OS, R, L or the words (`oi`: Spanish for the left eye)."""
    return {"od": "right", "r": "right", "right": "right", "os": "left", "oi": "left", "l": "left", "left": "left"}.get(
        text.strip().lower()
    )


def numbers(**cells: str) -> dict[str, str | float]:
    """Cells with a finite number as attributes; what is empty or no number is left out."""
    found: dict[str, str | float] = {}
    for name, text in cells.items():
        try:
            value = float(text)
        except ValueError:
            continue
        if math.isfinite(value):
            found[name] = value
    return found


def graded(row: Row, *columns: str) -> dict[str, State]:
    """Grade columns as words `<column>=<value>`, whole numbers without `.0`; an empty cell says nothing.

    Raises ExcludedError `no_label` where all of them are empty.
    """
    words = [f"{column}={value.removesuffix('.0')}" for column in columns if (value := row[column])]
    if not words:
        raise ExcludedError("no_label", f"nothing in {' or '.join(columns)}")
    return dict.fromkeys(words, State.PRESENT)


def flags(
    row: Row,
    columns: Sequence[str],
    *,
    yes: Sequence[str] = ("1", "1.0"),
    no: Sequence[str] = ("0", "0.0"),
    unsure: Sequence[str] = (),
) -> dict[str, State]:
    """One column per label as words and states; an empty cell says nothing. Raises SampleError for any other value."""
    states: dict[str, State] = {}
    for column in columns:
        value = row[column]
        if not value:
            continue
        if value in yes:
            states[column] = State.PRESENT
        elif value in no:
            states[column] = State.ABSENT
        elif value in unsure:
            states[column] = State.UNCERTAIN
        else:
            raise SampleError("bad_row", f"{column} is none of {', '.join((*yes, *no, *unsure))}")
    return states


def spreadsheet(
    path: Path, *, required: Sequence[str], sheet: str | int = 0, skip: int = 0, first: str = ""
) -> Iterator[tuple[int, Row | SampleError]]:
    """Rows of an .xlsx sheet as `read_csv` gives those of a table, with their row number; `skip` rows stand above.

    first: a name for the first column where the sheet gives it none.

    A file of the same name that ends in .csv is read instead of the first sheet where it is there (saved from it).
    Whole numbers lose their `.0`. Raises UsageError for a damaged file, an absent or empty sheet or missing columns.
    """
    saved = path.with_suffix(".csv")
    if sheet == 0 and saved.is_file():
        yield from read_csv(saved, required=required, skip=skip, first=first, merged=True)
        return
    header: list[str] = []
    for number, values in enumerate(_sheet(path, sheet), start=1):
        if number <= skip:
            continue
        cells = [_cell(value) for value in values]
        if not header:
            header = [cells[0] or first, *cells[1:]] if cells else [first]
            lacking = [name for name in required if name not in header]
            if lacking:
                named = ", ".join(name for name in header if name)
                raise UsageError(f"{path}: no column {', '.join(map(repr, lacking))}; the columns are {named}.")
        elif any(cells):
            # A row ends with its last filled cell, so it may be shorter than the header.
            cells += [""] * (len(header) - len(cells))
            yield number, {name: cell for name, cell in zip(header, cells, strict=False) if name}
    if not header:
        raise UsageError(f"{path}: an empty sheet. One with the columns {', '.join(required)} was expected.")


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


def text_rows(path: Path, *fields: int, separator: str | None = None) -> Iterator[tuple[int, list[str] | SampleError]]:
    """Lines of a list without a header, split at `separator` (None: white space), each with its number.

    fields: how many a line may have. A line with another number of fields comes as a SampleError; blank lines are
    passed over. Raises UsageError for a file that is absent or not UTF-8.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}). Put the source's label file there.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not utf-8 (byte {error.start}). Save it in that encoding.") from error
    for number, line in enumerate(lines, start=1):
        if parts := [part.strip() for part in line.split(separator)] if line.strip() else []:
            wanted = " or ".join(map(str, fields))
            fits = len(parts) in fields
            yield number, parts if fits else SampleError("bad_row", f"{len(parts)} fields, {wanted} expected")


def corner_box(values: Sequence[object]) -> tuple[float, float, float, float]:
    """Box from x0, y0, x1, y1 as numbers or their text. Raises SampleError `bad_row` if it is none with an area."""
    try:
        x0, y0, x1, y1 = (float(str(value)) for value in values)
    except ValueError as error:
        raise SampleError("bad_row", "a box whose numbers cannot be read") from error
    if not (x0 < x1 and y0 < y1 and math.isfinite(x0 + y0 + x1 + y1)):
        raise SampleError("bad_row", "a box without an area")
    return x0, y0, x1, y1


def read_xml(path: Path) -> ElementTree.Element:
    """Root of an XML annotation. Raises SampleError `bad_row` where it cannot be read: one picture's file, not all.

    A document type of its own is refused: it keeps out entities that expand without end.
    """
    try:
        data = path.read_bytes()
        if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
            raise SampleError("bad_row", "an annotation with a document type of its own")
        return ElementTree.fromstring(data)
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise SampleError("bad_row", f"an annotation that is no XML ({type(error).__name__})") from error


def voc_boxes(path: Path) -> tuple[RawRegion, ...]:
    """Boxes of an annotation in the Pascal VOC format, under their own names. Raises SampleError `bad_row`."""
    boxes = []
    for item in read_xml(path).iter("object"):
        x0, y0, x1, y1 = (item.findtext(f"bndbox/{corner}", "").strip() for corner in ("xmin", "ymin", "xmax", "ymax"))
        try:
            boxes.append(RawRegion(item.findtext("name", "").strip(), (float(x0), float(y0), float(x1), float(y1))))
        except ValueError as error:
            raise SampleError("bad_row", "a box whose corners cannot be read") from error
    return tuple(boxes)


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
