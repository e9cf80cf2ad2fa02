"""Datasets on disk: from folders to shards, to bytes by offset."""

from __future__ import annotations

import glob
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mgll_data.manifest import Manifest
from mgll_data.schema import LEVELS
from mgll_train.errors import DataError, UserError
from mgll_train.vocabulary import Vocabulary

IMAGE_EXTENSIONS = ("jpg", "png", "webp")
_OPEN_FILES = 128
_READ = 16384  # bytes: a sample's JSON and caption, and the header of the next image
_AGAIN = "it was damaged, cut or not fully copied: copy or build it again"


@dataclass(frozen=True)
class Dataset:
    """One finished dataset: the folder of its manifest, and the manifest."""

    folder: Path
    manifest: Manifest


@dataclass(frozen=True)
class Shard:
    """One tar: its path, what its manifest promises (samples, bytes, SHA-256), and `<name>/<id>` of that manifest."""

    path: Path
    samples: int
    dataset: str
    bytes: int
    sha256: str


def find(patterns: Sequence[str]) -> list[Dataset]:
    """The datasets that paths and globs name, in the order given, each once.

    A path is a folder with `manifest.json`, or a published folder whose `LATEST` names one. Raises UserError with
    every path that is neither.
    """
    problems: list[str] = []
    folders: list[Path] = []
    for pattern in patterns:
        # Path.glob takes no absolute pattern, and a shell would have expanded this one the same way.
        matches = sorted(glob.glob(pattern)) if glob.has_magic(pattern) and not Path(pattern).exists() else [pattern]  # noqa: PTH207
        if not matches:
            problems.append(f"{pattern}: no path matches this pattern")
        for match in matches:
            folder, problem = _resolve(Path(match))
            if folder is None:
                problems.append(problem)
            elif folder.resolve() not in [known.resolve() for known in folders]:
                folders.append(folder)
    if not patterns:
        problems.append("no dataset given: --shards build/<name>, or a published folder")
    if problems:
        raise UserError(problems)
    datasets = [Dataset(folder, _manifest(folder)) for folder in folders]
    held: dict[str, Path] = {}
    for name, dataset in zip(identity(datasets), datasets, strict=True):
        if name in held:
            raise UserError(f"{held[name]} and {dataset.folder} are the same dataset {name}; --weights repeats one")
        held[name] = dataset.folder
    return datasets


def _manifest(folder: Path) -> Manifest:
    try:
        return Manifest.load(folder)
    except (ValueError, OSError) as error:  # json's errors are ValueErrors
        raise DataError(f"{folder}/manifest.json cannot be used: {error}") from error


def _resolve(path: Path) -> tuple[Path | None, str]:
    if (path / "manifest.json").is_file():
        return path, ""
    if (path / "LATEST").is_file():
        version = (path / "LATEST").read_text(encoding="utf-8").strip()
        if version in ("", ".", "..") or Path(version).name != version:
            return None, f"{path / 'LATEST'}: {version!r} is not the name of a folder beside it"
        if (path / version / "manifest.json").is_file():
            return path / version, ""
        return None, f"{path / 'LATEST'} names {version}, and {path / version}/manifest.json does not exist"
    if not path.exists():
        tars = "; give the dataset's folder, not its tars" if path.suffix == ".tar" else ""
        return None, f"{path}: there is no such folder{tars}"
    if not path.is_dir():
        return None, f"{path}: give the dataset's folder (the one with manifest.json), not one of its files"
    held = sorted(child.name for child in path.iterdir())[:6]
    return None, (
        f"{path}: no manifest.json and no LATEST here (found: {', '.join(held) or 'nothing'}); an unfinished build has "
        "no manifest, and a split's folder is one level too deep"
    )


def split_shards(datasets: Sequence[Dataset], split: str) -> list[Shard]:
    """Every shard of a split, datasets in the order given, shards in the manifest's.

    Raises UserError naming what was found if the split holds no sample at all, DataError if a tar is missing or not as
    long as its manifest says.
    """
    shards: list[Shard] = []
    missing: list[str] = []
    cut: list[str] = []
    for dataset in datasets:
        entry = dataset.manifest.splits.get(split, {"shards": []})
        for listed in entry["shards"]:
            path = dataset.folder / listed["file"]
            if dataset.folder.resolve() not in path.resolve().parents:
                raise DataError(f"{dataset.folder}/manifest.json: shard {listed['file']!r} is outside the dataset")
            if not path.is_file():
                missing.append(str(path))
            elif path.stat().st_size != listed["bytes"]:
                cut.append(f"{path}: {path.stat().st_size} bytes, its manifest says {listed['bytes']}")
            if listed["samples"]:
                name = f"{dataset.manifest.name}/{dataset.manifest.id}"
                shards.append(Shard(path, int(listed["samples"]), name, int(listed["bytes"]), listed["sha256"]))
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise DataError(f"shards that the manifest lists are missing: {', '.join(missing[:5])}{more}")
    if cut:
        raise DataError("\n".join(["these shards are not whole: copy or build them again", *cut[:5]]))
    if not shards:
        found = "; ".join(
            f"{d.folder} ({d.manifest.id}) has "
            + (", ".join(f"{name} {entry['samples']}" for name, entry in d.manifest.splits.items()) or "no split")
            for d in datasets
        )
        raise UserError(f"no sample in split {split!r}: {found}")
    return shards


def levels(datasets: Sequence[Dataset], wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """The granularities to train on, coarse to fine: those wanted, or all that the datasets hold.

    Raises UserError for a level that no dataset holds.
    """
    order = list(dict.fromkeys([*LEVELS["cxr"], *(level for names in LEVELS.values() for level in names)]))
    held = {level for dataset in datasets for level in dataset.manifest.levels}
    unknown = [level for level in wanted if level not in held]
    if unknown:
        known = ", ".join(level for level in order if level in held)
        raise UserError(f"levels: no dataset holds {', '.join(map(repr, unknown))}; they hold {known}")
    return tuple(level for level in order if level in (wanted or held))


def vocabulary(datasets: Sequence[Dataset]) -> Vocabulary:
    """The concepts of all datasets together. Raises DataError if a file is damaged or two contradict each other."""
    try:
        return Vocabulary.load([dataset.folder / "vocabulary.json" for dataset in datasets])
    except (UserError, ValueError, KeyError, OSError) as error:
        raise DataError(f"{error}; copy or build the dataset again") from error


def identity(datasets: Sequence[Dataset]) -> tuple[str, ...]:
    """The ids of the manifests: name and content of what is read, wherever it lies."""
    return tuple(f"{dataset.manifest.name}/{dataset.manifest.id}" for dataset in datasets)


class Reader:
    """Reads any sample of a list of shards by its number. Each tar is indexed once, when first asked for.

    where: gives the path to read a shard from, such as its copy in a cache; its own path if None.
    Picklable: open files and indexes stay behind, so that it can be sent to a worker process.
    """

    def __init__(self, shards: Sequence[Shard], where: Callable[[Shard], Path] | None = None) -> None:
        self.shards = tuple(shards)
        self._where = where
        self.starts = np.cumsum([0, *(shard.samples for shard in shards)])
        self._indexes: dict[int, NDArray[np.int64]] = {}
        self._files: OrderedDict[int, int] = OrderedDict()

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_indexes": {}, "_files": OrderedDict()}

    def place(self, number: int) -> str:
        """Name of a sample for messages: dataset, tar and position, without a local path."""
        shard, position = self._locate(number)
        path = self.shards[shard].path
        return f"{self.shards[shard].dataset}/{path.parent.name}/{path.name} sample {position}"

    def read(self, number: int) -> tuple[str, bytes, bytes, bytes]:
        """(key, image file, JSON, caption) of a sample. Raises DataError if the tar is not what its manifest says."""
        shard, position = self._locate(number)
        file = self._open(shard)
        if shard not in self._indexes:
            self._indexes[shard] = _index(file, self.shards[shard])
        parts = self._indexes[shard][position].reshape(3, 2).tolist()
        # From the header of the first part, which has the key, to the end of the last.
        first, last = min(offset for offset, _ in parts) - 512, max(offset + size for offset, size in parts)
        held = os.pread(file, last - first, first)
        if len(held) != last - first:
            raise DataError(f"{self.shards[shard].path}: the file ends inside its sample {position}; {_AGAIN}")
        image, meta, caption = (held[offset - first : offset - first + size] for offset, size in parts)
        return _name(held).partition(".")[0], image, meta, caption

    def close(self) -> None:
        """Close the open tars."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _locate(self, number: int) -> tuple[int, int]:
        shard = int(np.searchsorted(self.starts, number, side="right")) - 1
        return shard, number - int(self.starts[shard])

    def _open(self, shard: int) -> int:
        if shard in self._files:
            self._files.move_to_end(shard)
            return self._files[shard]
        if len(self._files) >= _OPEN_FILES:
            os.close(self._files.popitem(last=False)[1])
        listed = self.shards[shard]
        # A copy may have gone since it was found: another run has made room for its own.
        for path in dict.fromkeys([self._where(listed) if self._where else listed.path, listed.path]):
            try:
                self._files[shard] = os.open(path, os.O_RDONLY)
                return self._files[shard]
            except FileNotFoundError:
                continue
            except OSError as error:
                raise DataError(f"{path}: cannot be opened ({error.strerror})") from error
        raise DataError(f"{listed.path}: the shard is gone")


def _name(header: bytes) -> str:
    return header[:100].rstrip(b"\0").decode("ascii", errors="replace")


def _headers(file: int) -> Callable[[int], bytes]:
    """Reads 512 bytes at an offset, with what follows at hand: one read for the small members after an image."""
    start, held = 0, b""

    def read(offset: int) -> bytes:
        nonlocal start, held
        if not start <= offset <= start + len(held) - 512:
            start, held = offset, os.pread(file, _READ, offset)
        return held[offset - start : offset - start + 512]

    return read


def _index(file: int, shard: Shard) -> NDArray[np.int64]:
    """Where the samples of an open tar lie, from its 512-byte headers alone (POSIX ustar, IEEE 1003.1).

    (samples, 6): offset and size in bytes of image, JSON and caption. 48 bytes a sample stay in every process.
    """
    found: dict[str, dict[str, tuple[int, int]]] = {}
    offset, end, read = 0, os.fstat(file).st_size, _headers(file)
    while len(header := read(offset)) == 512 and header[0]:
        name = _name(header)
        key, _, extension = name.partition(".")
        try:
            size = int(header[124:136].rstrip(b"\0 ") or b"0", 8)
            checksum = int(header[148:156].rstrip(b"\0 "), 8)
        except ValueError:
            raise DataError(f"{shard.path}: no tar header at byte {offset}; {_AGAIN}") from None
        if sum(header) - sum(header[148:156]) + 8 * 32 != checksum:
            raise DataError(f"{shard.path}: damaged tar header at byte {offset}; {_AGAIN}")
        if header[156:157] not in (b"0", b"\0"):
            raise DataError(f"{shard.path}: member {name!r} is not a plain file; the tar was not written by mgll-data")
        if offset + 512 + size > end:
            raise DataError(f"{shard.path}: the file ends inside {name}: {end} bytes; {_AGAIN}")
        found.setdefault(key, {})[extension] = (offset + 512, size)
        offset += 512 + -(-size // 512) * 512
    members = []
    for key, parts in found.items():
        image = next((extension for extension in IMAGE_EXTENSIONS if extension in parts), None)
        if image is None or "json" not in parts or "txt" not in parts:
            raise DataError(
                f"{shard.path}: sample {key} has {', '.join(parts)}; an image, json and txt are expected; {_AGAIN}"
            )
        members.append((*parts[image], *parts["json"], *parts["txt"]))
    if len(members) != shard.samples:
        raise DataError(f"{shard.path}: {len(members)} samples, its manifest says {shard.samples}; {_AGAIN}")
    return np.array(members, dtype=np.int64).reshape(-1, 6)
