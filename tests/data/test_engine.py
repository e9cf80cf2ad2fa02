"""The process pool: workers that crash, hang, fail and are interrupted cost one item each, and nothing else."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from mgll_data.engine.local import OUTSIDE, Announce, run
from mgll_data.errors import CorruptError, UsageError

Task = tuple[str, list[str], Path]


def work(task: Task, blamed: dict[int, str], announce: Announce) -> tuple[str, list[str]]:
    """Do what each item says and log every try, so that the tests can count them."""
    name, items, log = task
    done = []
    for index, item in enumerate(items):
        if index in blamed:
            done.append(blamed[index])
            continue
        announce(index)
        with (log / f"{name}-{index}").open("a") as file:
            file.write("x")
        first_try = (log / f"{name}-{index}").stat().st_size == 1
        if item == "segfault" or (item == "segfault once" and first_try):
            os.kill(os.getpid(), signal.SIGSEGV)
        elif item == "hang":
            time.sleep(3600)
        elif item == "exception":
            raise UsageError("the disk is full")
        elif item == "odd exception":
            raise UnportableError(1, 2)
        elif item == "threads":
            import cv2

            item = str(cv2.getNumThreads())
        done.append(item)
    announce(OUTSIDE)
    return name, done


def die_outside(task: Task, blamed: dict[int, str], announce: Announce) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class UnportableError(Exception):
    def __init__(self, a: int, b: int) -> None:
        super().__init__("cannot be rebuilt from its text")


def results(tasks: list[Task], workers: int = 2, item_seconds: float = 20) -> dict[str, list[str]]:
    return dict(run(work, tasks, workers=workers, item_seconds=item_seconds))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_all_tasks_are_done_once(tmp_path: Path, workers: int) -> None:
    tasks = [(f"t{n}", [f"{n}.{k}" for k in range(3)], tmp_path) for n in range(7)]
    assert results(tasks, workers) == {name: items for name, items, _ in tasks}
    assert all(path.read_text() == "x" for path in tmp_path.iterdir())
    assert results([], workers) == {}


def test_one_worker_is_still_a_child_with_one_opencv_thread(tmp_path: Path) -> None:
    assert results([("a", ["threads"], tmp_path)], workers=1) == {"a": ["1"]}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_segfault_costs_one_item(tmp_path: Path, workers: int) -> None:
    tasks = [("a", ["1", "segfault", "3", "segfault"], tmp_path), ("b", ["4", "5"], tmp_path)]
    assert results(tasks, workers) == {"a": ["1", "decoder_crash", "3", "decoder_crash"], "b": ["4", "5"]}
    assert (tmp_path / "a-1").read_text() == "xx"  # tried, tried again alone, then blamed
    assert (tmp_path / "a-3").read_text() == "xx"
    assert (tmp_path / "b-0").read_text() == "x"  # its neighbours' trouble is not its own


def test_a_hang_costs_one_item(tmp_path: Path) -> None:
    tasks = [("a", ["1", "hang", "3"], tmp_path), ("b", ["4"], tmp_path)]
    assert results(tasks, item_seconds=1) == {"a": ["1", "timeout", "3"], "b": ["4"]}
    assert (tmp_path / "a-1").read_text() == "xx"


def test_an_item_that_fails_once_is_kept(tmp_path: Path) -> None:
    assert results([("a", ["1", "segfault once", "3"], tmp_path)]) == {"a": ["1", "segfault once", "3"]}


def test_a_slow_reader_is_no_reason_for_a_timeout(tmp_path: Path) -> None:
    tasks = [(f"t{n}", ["1"], tmp_path) for n in range(4)]
    seen = []
    for name, _ in run(work, tasks, workers=2, item_seconds=0.5):
        time.sleep(0.8)
        seen.append(name)
    assert sorted(seen) == ["t0", "t1", "t2", "t3"]
    assert all(path.read_text() == "x" for path in tmp_path.iterdir())


def test_exceptions_reach_the_caller(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the disk is full") as caught:
        results([("a", ["exception"], tmp_path)])
    assert any("test_engine.py" in note for note in caught.value.__notes__)
    with pytest.raises(RuntimeError, match="UnportableError: cannot be rebuilt"):
        results([("a", ["odd exception"], tmp_path)])


def test_death_outside_any_item_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorruptError, match="outside any image"):
        list(run(die_outside, [("a", [], tmp_path)], workers=1, item_seconds=5))


def test_closing_the_generator_kills_the_workers(tmp_path: Path) -> None:
    stream = run(work, [("a", ["1"], tmp_path), ("b", ["hang"], tmp_path)], workers=2, item_seconds=60)
    assert next(stream) == ("a", ["1"])
    started = time.monotonic()
    stream.close()
    assert time.monotonic() - started < 5
    assert multiprocessing.active_children() == []


def test_ctrl_c_stops_at_once_and_keeps_finished_tasks(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys
        sys.path[:0] = [{str(Path(__file__).parents[2])!r}, {str(Path(__file__).parent)!r}]
        from pathlib import Path
        from mgll_data.engine.local import run
        from test_engine import work

        if __name__ == "__main__":
            tasks = [("a", ["1"], Path({str(tmp_path)!r})), ("b", ["hang"], Path({str(tmp_path)!r}))]
            try:
                for name, _ in run(work, tasks, workers=2, item_seconds=60):
                    print(name, flush=True)
            except KeyboardInterrupt:
                sys.exit(130)
        """)
    )
    child = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert child.stdout is not None and child.stdout.readline() == "a\n"
    while not (tmp_path / "b-0").exists():
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait(timeout=10) == 130
