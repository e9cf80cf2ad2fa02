"""Two gloo ranks: what one's loader finds, both know, and neither waits for the other."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from mgll_train import agree, checkpoint, shards
from mgll_train.budget import Broken, Budget
from mgll_train.build import build_model
from mgll_train.errors import DataError
from mgll_train.loaded import Loaded
from mgll_train.picture import View
from mgll_train.stream import Plan, Steps

Make = Callable[..., Path]


def steps(folder: Path, model: str, rank: int, world: int, batch: int = 4) -> Steps:
    found = shards.find([str(folder)])
    reader = shards.Reader(shards.split_shards(found, "train"))
    _, wanted, tokenizer = build_model(model)
    return Steps(
        reader,
        Plan(7, batch, 16, shards.identity(found), rank, world),
        View(wanted.image_size, crop=0.6),
        levels=shards.levels(found),
        vocabulary=shards.vocabulary(found),
        tokenizer=tokenizer,
        unknown="mask",
    )


def lose(folder: Path, model: str, numbers: list[int]) -> None:
    """Make the pictures of some samples unreadable."""
    reader = steps(folder, model, 0, 1).reader
    places = {number: (reader.shards[reader._locate(number)[0]].path, reader.read(number)[1]) for number in numbers}
    for tar, image in places.values():
        tar.write_bytes(tar.read_bytes().replace(image, b"XXX" + image[3:]))


def work(rank: int, folder: Path, model: str, meet: Path, out: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{meet}", rank=rank, world_size=2, timeout=timedelta(seconds=60)
    )
    cpu = torch.device("cpu")
    found: dict[str, Any] = {}
    mine = Loaded(None, (Broken(3 + rank, f"from {rank}"), Broken(9, "both")), ("disk full",) if rank else ())
    said = agree.news(mine, cpu)
    budget = Budget(0.1, 100)
    found["told"], found["notes"] = budget.spend(said.broken), list(said.notes)
    found["empty"], found["counted"] = said.empty, len(budget)
    quiet = agree.news(Loaded(None, ()), cpu)
    found["quiet"] = [len(quiet.broken), len(quiet.notes), quiet.empty]
    uneven = steps(folder, model, rank, 2)
    found["sizes"] = [len(uneven.numbers(step)) for step in range(10)]
    found["numbers"] = [number for step in range(10) for _, number in uneven.numbers(step)]
    listed = list(uneven.reader.shards)
    damaged = listed[-1]
    listed[-1] = shards.Shard(damaged.path, damaged.samples, damaged.dataset, damaged.bytes, "0" * 64)
    try:
        agree.verify(listed, cpu, 1)
    except DataError as error:
        found["verify"] = str(error)
    torch.save(found, out / f"{rank}.pt")
    dist.barrier()  # gloo's threads do not like it when the other side goes first
    dist.destroy_process_group()


def test_two_ranks_know_the_same(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    folder = make_dataset(counts={"train": 40}, per_shard=9)  # 9, 9, 9, 9, 4
    context = multiprocessing.get_context("spawn")
    ranks = [context.Process(target=work, args=(r, folder, small_model, tmp_path / "meet", tmp_path)) for r in (0, 1)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(150)
        process.kill()
    assert [process.exitcode for process in ranks] == [0, 0]
    one, two = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert sorted(one.pop("numbers") + two.pop("numbers")) == list(range(40))
    assert one == two
    assert one["told"] == ["from 0", "both", "from 1"] and one["counted"] == 3
    assert one["notes"] == ["disk full"] and one["empty"] == 2 and one["quiet"] == [0, 0, 2]
    assert one["sizes"] == [2] * 10
    assert "000004.tar: its SHA-256 is not the one in the manifest" in one["verify"]


def launch(folder: Path, model: str, out: Path, broken: float) -> subprocess.CompletedProcess[str]:
    settings = out.with_suffix(".yaml")
    settings.write_text(
        f"broken: {broken}\nsteps: 12\nbatch: 4\nseed: 7\nshuffle: 16\nworkers: 1\nthreads: 1\nmodel: {model}\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "mgll_train.cli", "pretrain", "--shards", str(folder), "--config", str(settings)]
    return subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.slow
def test_ranks_with_broken_samples_go_on_or_stop_together(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    """All that rank 1 has in step 3 is broken, and one sample of rank 0; the run bears three samples, not two."""
    folder = make_dataset(counts={"train": 23}, per_shard=7)  # 7, 7, 7, 2
    lost = [number for _, number in steps(folder, small_model, 1, 2).numbers(3)]
    lost.append(steps(folder, small_model, 0, 2).numbers(1)[0][1])
    lose(folder, small_model, lost)
    good = launch(folder, small_model, tmp_path / "good", 3.5 / 23)
    assert good.returncode == 0, good.stderr
    assert good.stderr.count("left out: ") == 3
    (path,) = checkpoint.found(tmp_path / "good" / "checkpoints")
    assert checkpoint.load(path)["step"] == 12
    bad = launch(folder, small_model, tmp_path / "bad", 2.5 / 23)
    assert bad.returncode != 0
    assert bad.stderr.count("3 broken samples, the budget is 2 of 23") == 1, bad.stderr  # once a node
    assert "exitcode: 3" in bad.stderr
