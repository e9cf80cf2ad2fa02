"""The image store: decoded once, resumed after any death, equal bytes whatever the workers."""

import errno
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from mgll_data.errors import SampleError, UsageError
from mgll_data.images import store
from mgll_data.images.process import ImageOptions
from mgll_data.images.store import Item, StoreUpdate, read_bytes, update_store
from mgll_data.schema import EXCLUSION_REASONS, QUARANTINE_REASONS, arrow_schema

OPTIONS = ImageOptions(side=64, min_side=32)


def draw(path: Path, seed: int, side: int = 96) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (side // 8, side // 8), np.uint8)
    cv2.imwrite(str(path), cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC))


@pytest.fixture
def items(tmp_path: Path) -> list[Item]:
    root = tmp_path / "root"
    root.mkdir()
    for n in range(10):
        draw(root / f"{n}.png", n)
    return [Item(f"src-{n:016x}", "src", f"{n}.png", root) for n in range(10)]


def update(items: list[Item], folder: Path, options: ImageOptions = OPTIONS, **more: object) -> StoreUpdate:
    return update_store(items, folder, options, **{"chunk": 4, **more})  # type: ignore[arg-type]


def stored(done: StoreUpdate, folder: Path) -> list[bytes | None]:
    return [
        read_bytes(folder, row["pack"], row["offset"], row["length"]) if row["outcome"] == "kept" else None
        for row in done.table.to_pylist()
    ]


def test_rows_follow_the_items_and_bytes_decode(items: list[Item], tmp_path: Path) -> None:
    seen: list[int] = []
    done = update(items[::-1], tmp_path / "store", progress=seen.append)
    assert done.table.schema.equals(arrow_schema("index"))
    assert done.table["uid"].to_pylist() == [item.uid for item in items[::-1]]
    assert (done.decoded, done.reused, sum(seen)) == (10, 0, 10)
    for row, data in zip(done.table.to_pylist(), stored(done, tmp_path / "store"), strict=True):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert pixels.shape == (row["height"], row["width"]) == (64, 64)
        assert (row["original_width"], row["crop_x1"], row["crop_y1"]) == (96, 96, 96)


def test_second_call_decodes_nothing_and_a_changed_file_once(items: list[Item], tmp_path: Path) -> None:
    folder = tmp_path / "store"
    first = update(items, folder)
    again = update(items, folder)
    assert (again.decoded, again.reused) == (0, 10)
    assert again.table.equals(first.table)
    draw(items[3].root / items[3].image, 77)
    changed = update(items, folder)
    assert (changed.decoded, changed.reused) == (1, 9)
    before, after = stored(first, folder), stored(changed, folder)
    assert [n for n in range(10) if before[n] != after[n]] == [3]
    more = [*items, Item("src-" + "f" * 16, "src", "0.png", items[0].root)]
    assert update(more, folder).decoded == 1


def test_other_options_never_mix(items: list[Item], tmp_path: Path) -> None:
    folder = tmp_path / "store"
    small = update(items, folder)
    smaller = update(items, folder, ImageOptions(side=48, min_side=32))
    assert smaller.decoded == 10 and set(smaller.table["width"].to_pylist()) == {48}
    assert update(items, folder).table.equals(small.table)


def test_workers_do_not_change_a_byte(items: list[Item], tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    a, b = update(items, one, workers=1), update(items, two, workers=2)
    assert a.table.equals(b.table)
    packs = lambda folder: {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.pack")}  # noqa: E731
    assert packs(one) == packs(two) and len(packs(one)) == 3


def test_bad_files_are_rows_with_reasons(items: list[Item], tmp_path: Path) -> None:
    root, folder = items[0].root, tmp_path / "store"
    (root / "1.png").write_bytes(b"")
    (root / "2.png").write_text("no picture")
    (root / "3.png").write_bytes((root / "4.png").read_bytes()[:900])
    (root / "4.png").unlink()
    draw(root / "5.png", 5, side=16)
    (tmp_path / "outside.png").write_bytes((root / "0.png").read_bytes())
    escapes = ["../outside.png", str(root / "0.png"), "a/../../outside.png", "..\\outside.png", ""]
    items = [*items, *(Item(f"src-e{n:015x}", "src", image, root) for n, image in enumerate(escapes))]
    done = update(items, folder)
    reasons = done.table["reason"].to_pylist()
    assert reasons[:7] == [None, "zero_bytes", "undecodable", "truncated", "missing_image", "too_small", None]
    assert reasons[10:] == ["path_escape"] * 5
    assert set(reasons) - {None} <= {*QUARANTINE_REASONS, *EXCLUSION_REASONS}
    assert not any(str(tmp_path) in str(value) for row in done.table.to_pylist() for value in row.values())
    assert done.decoded == 9  # neither the missing file nor those outside were tried
    assert update(items, folder).decoded == 0
    retried = update(items, folder, retry=True)
    assert retried.decoded == 4 and retried.table["reason"].to_pylist() == reasons
    draw(root / "1.png", 1)
    draw(root / "4.png", 4)
    mended = update(items, folder)
    assert mended.decoded == 2 and mended.table["outcome"].to_pylist()[1] == "kept"


def test_retry_replaces_an_old_verdict(items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "store"

    def fails(path: Path, options: ImageOptions) -> None:
        raise SampleError("undecodable", "one")

    monkeypatch.setattr(store, "run", here)
    monkeypatch.setattr(store, "process", fails)
    assert set(update(items, folder).table["reason"].to_pylist()) == {"undecodable"}
    monkeypatch.undo()
    assert set(update(items, folder).table["outcome"].to_pylist()) == {"quarantined"}
    assert set(update(items, folder, retry=True).table["outcome"].to_pylist()) == {"kept"}
    assert update(items, folder).decoded == 0


def here(function, tasks, *, workers, item_seconds):
    """The engine without processes, for tests that replace parts of the worker."""
    for task in tasks:
        yield function(task, {}, lambda item: None)


def test_blamed_items_become_rows(items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def blames(function, tasks, *, workers, item_seconds):
        for task in tasks:
            yield function(task, {1: "decoder_crash", 2: "timeout"}, lambda item: None)

    monkeypatch.setattr(store, "run", blames)
    done = update(items[:4], tmp_path / "store")
    assert done.table["reason"].to_pylist() == [None, "decoder_crash", "timeout", None]
    monkeypatch.undo()
    assert update(items[:4], tmp_path / "store").decoded == 0


def test_a_surprise_costs_one_image(items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def surprising(path: Path, options: ImageOptions) -> object:
        if path.name == "2.png":
            raise ZeroDivisionError("with a /secret/path")
        return real(path, options)

    real = store.process
    monkeypatch.setattr(store, "run", here)
    monkeypatch.setattr(store, "process", surprising)
    done = update(items, tmp_path / "store")
    assert done.table["outcome"].to_pylist().count("kept") == 9
    assert done.table["reason"][2].as_py() == "undecodable" and "secret" not in done.table["detail"][2].as_py()


def test_full_disk_is_a_clear_error_and_leaves_nothing_half_done(
    items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "store"
    count = 0

    def full(table: object, path: Path, **_: object) -> None:
        nonlocal count
        count += 1
        if count == 2:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(table, path, compression="zstd")

    real = store.pq.write_table
    monkeypatch.setattr(store, "run", here)
    monkeypatch.setattr(store.pq, "write_table", full)
    with pytest.raises(UsageError, match="the disk is full"):
        update(items, folder)
    assert len(list(folder.rglob("*.parquet"))) == 1 and not list(folder.rglob("*.part"))
    monkeypatch.undo()
    assert update(items, folder).decoded == 6


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_unwritable_folder(items: list[Item], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UsageError, match="a file stands where a folder is needed"):
        update(items, tmp_path / "file" / "store")


def test_lost_and_cut_packs_are_made_again(items: list[Item], tmp_path: Path) -> None:
    folder = tmp_path / "store"
    first = update(items, folder)
    packs = sorted(folder.rglob("*.pack"))
    packs[0].unlink()
    packs[1].write_bytes(packs[1].read_bytes()[:-7])
    again = update(items, folder)
    assert again.decoded == 8
    assert stored(again, folder) and again.table["pixel_sha256"].equals(first.table["pixel_sha256"])
    with pytest.raises(ValueError, match="ends at byte"):
        read_bytes(folder, str(packs[1].relative_to(folder)), 0, 10**9)


def test_two_builds_cannot_share_a_store(items: list[Item], tmp_path: Path) -> None:
    with store.lock(tmp_path / "store"), pytest.raises(UsageError, match="another build"):
        update(items, tmp_path / "store")
    assert update(items, tmp_path / "store").decoded == 10


def test_killed_parent_is_resumed_and_nothing_finished_is_redone(tmp_path: Path) -> None:
    """SIGKILL at some moment, twice, then a whole run: the sum of what was decoded once is everything, and equal."""
    root, folder = tmp_path / "root", tmp_path / "store"
    root.mkdir()
    for n in range(60):
        draw(root / f"{n}.png", n, side=1200)
    script = tmp_path / "main.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from pathlib import Path
        from mgll_data.images.process import ImageOptions
        from mgll_data.images.store import Item, update_store

        if __name__ == "__main__":
            items = [Item(f"src-{{n:016x}}", "src", f"{{n}}.png", Path({str(root)!r})) for n in range(60)]
            done = update_store(items, Path({str(folder)!r}), ImageOptions(side=64, min_side=32), workers=2, chunk=4)
            print(done.decoded, done.reused)
        """)
    )
    finished = 0
    for wanted in (2, 7):
        child = subprocess.Popen([sys.executable, script], stdout=subprocess.DEVNULL)
        while child.poll() is None and len(list(folder.rglob("*.parquet"))) < wanted:
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        child.wait()
        time.sleep(0.5)  # orphaned workers notice that nobody listens
        chunks = len(list(folder.rglob("*.parquet")))
        assert finished < chunks < 15
        finished = chunks
    (folder / OPTIONS.digest() / "000099-feed.pack.1.part").write_bytes(b"left by a killed run")
    out = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout.split()
    assert [int(word) for word in out] == [60 - 4 * finished, 4 * finished]
    assert not list(folder.rglob("*.part"))
    items = [Item(f"src-{n:016x}", "src", f"{n}.png", root) for n in range(60)]
    resumed, fresh = update(items, folder), update(items, tmp_path / "fresh")
    assert resumed.decoded == 0
    assert stored(resumed, folder) == stored(fresh, tmp_path / "fresh")
