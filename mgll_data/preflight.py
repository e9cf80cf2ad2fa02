"""What a build can decode, known before it starts: transfer syntaxes of its DICOM files against installed decoders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mgll_data.stage import read_table, write_table


@dataclass(frozen=True)
class Syntax:
    """A transfer syntax in use. decoder: what reads it here, '' where nothing does.

    install: packages that would read it, '' where none is known.
    """

    name: str
    files: int
    decoder: str
    install: str


def scan(records: Iterable[Mapping[str, Any]], roots: Mapping[str, Path], store: Path, workers: int) -> list[Syntax]:
    """Transfer syntaxes of the records' DICOM files, the commonest first; nothing else of a header is read.

    records: RECORDS rows with `source` and `image`; roots: folder of each source. What was found is kept in
    `<store>/preflight.parquet`, so that a file is opened once for each size and mtime. Files that are not there or are
    no DICOM objects are passed over: the images stage says so.
    """
    import pyarrow as pa

    from mgll_data.images.syntaxes import Seen, decoder_of, look, name_of, report

    paths = []
    for row in records:
        relative = PurePosixPath(row["image"])
        if row["image"] and not relative.is_absolute() and ".." not in relative.parts and "\0" not in row["image"]:
            paths.append(roots[row["source"]] / relative)
    cache = store / "preflight.parquet"
    before = read_table(cache).to_pylist() if cache.is_file() else []
    known = {Path(r["path"]): Seen(r["size"], r["mtime_ns"], r["syntax"]) for r in before}
    found = look(paths, known, workers=workers)
    opened = {path: seen for path, seen in zip(paths, found, strict=True) if seen and seen.size}
    if opened != known:
        rows = [{"path": str(path), **seen._asdict()} for path, seen in opened.items()]
        schema = pa.schema([("path", "string"), ("size", "int64"), ("mtime_ns", "int64"), ("syntax", "string")])
        write_table(pa.Table.from_pylist(rows, schema=schema), cache)
    syntaxes = report(seen.syntax for seen in opened.values()).items()
    listed = [Syntax(name_of(uid), entry.files, decoder_of(uid), entry.plugin) for uid, entry in syntaxes]
    return sorted(listed, key=lambda syntax: (-syntax.files, syntax.name))


def advice(syntaxes: Iterable[Syntax]) -> list[str]:
    """A line for each syntax that cannot be decoded, saying what to do."""
    return [
        f"{syntax.files} DICOM files in {syntax.name} cannot be decoded and will be quarantined: "
        + (f"pip install {syntax.install}" if syntax.install else "no decoder is known for it")
        for syntax in syntaxes
        if not syntax.decoder
    ]
