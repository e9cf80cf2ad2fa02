"""The sbatch scripts with stand-ins for Slurm's two commands: stopped in time, they save and queue again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mgll_train import checkpoint

Make = Callable[..., Path]
SCRIPTS = Path(__file__).parents[2] / "recipes" / "slurm"


@pytest.mark.parametrize("script", ["one-node", "many-nodes"])
def test_scripts_are_bash(script: str) -> None:
    subprocess.run(["bash", "-n", str(SCRIPTS / f"{script}.sbatch")], check=True)


@pytest.mark.slow
def test_a_job_at_its_time_limit_writes_a_checkpoint_and_is_queued_again(
    make_dataset: Make, small_model: str, tmp_path: Path
) -> None:
    stand_ins, run = tmp_path / "bin", tmp_path / "run"
    stand_ins.mkdir()
    (stand_ins / "srun").write_text('#!/usr/bin/env bash\nwhile [[ $1 == --* ]]; do shift; done\nexec "$@"\n')
    (stand_ins / "scontrol").write_text(
        f'#!/usr/bin/env bash\n[[ $1 == show ]] && echo localhost || echo "$*" > {tmp_path}/queued\n'
    )
    for command in stand_ins.iterdir():
        command.chmod(0o755)
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"model: {small_model}\nsteps: 1000000\nbatch: 8\nworkers: 1\nthreads: 1\n")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PORT": str(port),
        "PATH": f"{stand_ins}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SLURM_JOB_ID": "77",
        "SLURM_JOB_NAME": "mgll",
        "SLURM_GPUS_ON_NODE": "2",
        "SLURM_NNODES": "1",
        "SLURM_JOB_NODELIST": "localhost",
        "SHARDS": str(make_dataset()),
        "SETTINGS": str(settings),
        "RUN": str(run),
        "TMPDIR": str(tmp_path),
    }
    with subprocess.Popen(
        ["bash", str(SCRIPTS / "many-nodes.sbatch")], env=environment, stderr=subprocess.PIPE, text=True
    ) as job:
        limit = time.monotonic() + 120
        while not list((run / "tensorboard").glob("*")):  # the loop has begun
            assert job.poll() is None and time.monotonic() < limit
            time.sleep(0.1)
        job.send_signal(signal.SIGUSR1)
        _, said = job.communicate(timeout=120)
    assert "--resume auto goes on" in said
    assert (tmp_path / "queued").read_text() == "requeue 77\n"
    (path,) = checkpoint.found(run / "checkpoints")
    assert 0 < checkpoint.load(path)["step"] < 1000000
    assert len(list((tmp_path / "mgll-shards").glob("*.tar"))) == 4
