from __future__ import annotations

import errno
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mgll_train import agree, shards
from mgll_train.cache import Cache
from mgll_train.errors import DataError
from mgll_train.lock import locked
from mgll_train.shards import Reader, Shard

Make = Callable[..., Path]


@pytest.fixture
def listed(make_dataset: Make) -> list[Shard]:
    return shards.split_shards(shards.find([str(make_dataset())]), "train")


def held(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_samples_come_from_the_copies(listed: list[Shard], tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 10**9, listed)
    plain = Reader(listed)
    expected = [plain.read(number) for number in range(40)]
    assert [Reader(listed, cache.path).read(number) for number in range(40)] == expected
    assert held(tmp_path / "cache") == sorted(f"{shard.sha256}.tar" for shard in listed) and cache.notes == []
    for shard in listed:
        shard.path.unlink()
    assert [Reader(listed, cache.path).read(number) for number in range(40)] == expected


def test_the_limit_holds_and_is_told_once(listed: list[Shard], tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", listed[0].bytes + listed[1].bytes, listed)
    assert [cache.path(shard) == shard.path for shard in listed] == [False, False, True, True]
    assert len(held(tmp_path / "cache")) == 2
    (note,) = cache.notes
    assert "its limit of" in note and str(tmp_path / "cache") in note
    assert cache.path(listed[0]) != listed[0].path  # what is there is still used


def test_copies_of_other_runs_make_room_the_oldest_first(listed: list[Shard], tmp_path: Path) -> None:
    old = Cache(tmp_path / "cache", 10**9, listed[:2])
    for age, shard in zip((100, 200), listed, strict=False):
        os.utime(old.path(shard), (age, age))
    cache = Cache(tmp_path / "cache", max(listed[0].bytes, listed[1].bytes) + listed[2].bytes, listed[2:])
    cache.path(listed[2])
    assert held(tmp_path / "cache") == sorted(f"{shard.sha256}.tar" for shard in listed[1:3])
    cache.path(listed[3])
    assert held(tmp_path / "cache") == sorted(f"{shard.sha256}.tar" for shard in listed[2:])


def test_what_others_are_writing_stays_and_what_they_left_goes(listed: list[Shard], tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    written, left = folder / f"{'a' * 64}.part", folder / f"{'b' * 64}.part"
    for part in (written, left):
        part.write_bytes(b"0" * 1000)
        os.utime(part, (100, 100))
    cache = Cache(folder, listed[0].bytes + 500, listed)
    with locked(written.with_suffix(".lock")):
        assert cache.path(listed[0]) == listed[0].path and "its limit" in cache.notes[0]
        assert held(folder) == [written.name]
    assert Cache(folder, listed[0].bytes + 500, listed).path(listed[0]).parent == folder
    assert held(folder) == [f"{listed[0].sha256}.tar"]


def test_a_copy_that_another_run_removes_is_read_in_place(listed: list[Shard], tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 10**9, listed)

    def gone(shard: Shard) -> Path:
        copy = cache.path(shard)
        copy.unlink()
        return copy

    assert Reader(listed, gone).read(0) == Reader(listed).read(0)


def test_room_is_left_for_others(listed: list[Shard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mgll_train.cache.SPARE", 10**18)
    cache = Cache(tmp_path / "cache", 10**9, listed)
    assert [cache.path(shard) for shard in listed] == [shard.path for shard in listed]
    assert len(cache.notes) == 1 and "GB of its disk would be left" in cache.notes[0]


def test_a_full_disk_falls_back_to_reading_in_place(
    listed: list[Shard], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    cache = Cache(tmp_path / "cache", 10**9, listed)
    assert [cache.path(shard) for shard in listed] == [shard.path for shard in listed]
    assert len(cache.notes) == 1 and "No space left on device" in cache.notes[0]
    assert held(tmp_path / "cache") == []


def test_a_folder_that_cannot_be_made_falls_back(listed: list[Shard], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "cache", 10**9, listed)
    assert cache.path(listed[0]) == listed[0].path and len(cache.notes) == 1


def test_damage_is_found_by_the_copy_and_by_verify(listed: list[Shard], tmp_path: Path) -> None:
    content = bytearray(listed[1].path.read_bytes())
    content[2000] ^= 1
    listed[1].path.write_bytes(bytes(content))
    cache = Cache(tmp_path / "cache", 10**9, listed)
    with pytest.raises(DataError, match=r"000001\.tar: its SHA-256 is not .* Copy it again, or build"):
        cache.path(listed[1])
    assert held(tmp_path / "cache") == []
    with pytest.raises(DataError, match=r"000001\.tar: its SHA-256 is not"):
        agree.verify(listed, torch.device("cpu"), 2)
    agree.verify([listed[0], listed[2]], torch.device("cpu"), 2)


def _copy(folder: Path, listed: list[Shard], gate: multiprocessing.synchronize.Event) -> None:
    cache = Cache(folder, 10**9, listed)
    gate.wait()
    assert all(cache.path(shard).parent == folder for shard in listed)
    assert not cache.notes


def test_processes_share_one_copy_and_a_leftover_of_a_killed_one_is_overwritten(
    listed: list[Shard], tmp_path: Path
) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / f"{listed[0].sha256}.part").write_bytes(b"x" * (listed[0].bytes + 1))
    context = multiprocessing.get_context("fork")
    gate = context.Event()
    processes = [context.Process(target=_copy, args=(folder, listed, gate)) for _ in range(4)]
    for process in processes:
        process.start()
    gate.set()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    assert held(folder) == sorted(f"{shard.sha256}.tar" for shard in listed)
    for shard in listed:
        assert (folder / f"{shard.sha256}.tar").read_bytes() == shard.path.read_bytes()
