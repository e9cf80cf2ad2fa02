from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from mgll_train import cli, config
from mgll_train.errors import UserError

Make = Callable[..., Path]
REPOSITORY = Path(__file__).parents[2]


def call(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "mgll_train.cli", *arguments],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=200,
    )
    return done.returncode, done.stdout + done.stderr


def test_help_needs_no_torch() -> None:
    code = "import sys, mgll_train.cli; print({'torch', 'cv2', 'numpy', 'open_clip'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("command", ["pretrain", "evaluate", "export"])
def test_every_command_has_an_example(command: str) -> None:
    result = CliRunner().invoke(cli.app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: mgll-train {command}" in re.sub(r"\x1b\[[0-9;]*m", "", result.output)


def test_defaults_are_the_recipe() -> None:
    """recipes/pretrain.yaml lists every setting but the length, with the value that holds without it."""
    listed = yaml.safe_load((REPOSITORY / "recipes" / "pretrain.yaml").read_text())
    assert set(listed) == {f.name for f in fields(config.Config)} - set(config.DURATION)
    assert config.load(REPOSITORY / "recipes" / "pretrain.yaml") == config.Config()


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text)
    return path


def test_all_problems_at_once_each_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "batc: 8\nlr: fast\n\nobjektive: clip\nunknown: maybe\nsteps: 1.5\nlevels: category\n")
    with pytest.raises(UserError) as error:
        config.load(path, {"epochs": None, "seed": -1})
    problems = error.value.problems
    for line, part in (
        (1, "unknown key 'batc' (did you mean 'batch'?)"),
        (2, "lr is 'fast', which is not a number"),
        (4, "unknown key 'objektive' (did you mean 'objective'?)"),
        (5, "unknown is 'maybe', which is not one of mask, negative"),
        (6, "steps is 1.5, which is not a whole number"),
        (7, "levels is 'category', which is not a list"),
    ):
        assert any(problem.startswith(f"{path}:{line}: ") and part in problem for problem in problems)
    assert any(problem.startswith("--seed: seed is -1, which is not between 0") for problem in problems)
    assert len(problems) == 7


@pytest.mark.parametrize(
    "text, message",
    [
        ("- a\n", ":1: the file must be a mapping"),
        ("a: [\n", "not YAML"),
        ("batch: 8\nbatch: 9\n", ":2: key 'batch' is given twice"),
        ("[a, b]: 1\n", ":1: a key must be the name of a setting"),
        ("crop: 0.1\n", ":1: crop is 0.1, which is not between 0.3 and 1"),
        ("lr: .nan\n", ":1: lr is nan"),
        ("reduced: 1\n", "reduced is 1, which is not true or false"),
        ("batch: true\n", "batch is True, which is not a whole number"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        config.load(write(tmp_path, text))
    assert message in str(error.value)


def test_options_win_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "batch: 8\nepochs: 3\nlr: 5e-4\noptions: {preset: paper}\nlevels: [diagnostic]\n")
    assert config.load(path).epochs == 3 and config.load(path).lr == 5e-4
    loaded = config.load(path, {"steps": 7, "batch": 16, "lr": None})
    assert (loaded.steps, loaded.epochs, loaded.batch, loaded.lr) == (7, None, 16, 5e-4)
    assert loaded.options == {"preset": "paper"} and loaded.levels == ("diagnostic",)
    with pytest.raises(UserError, match=r"--batch: batch is 0, which is not between 1"):
        config.load(path, {"batch": 0})
    with pytest.raises(UserError, match="there is no such file"):
        config.load(tmp_path / "absent.yaml")


def test_any_setting_can_be_given_on_the_command_line() -> None:
    pairs = ["ema=0.999", "lock=image", "options={preset: paper}", "weights=[2, 1]", "log-every=5", "wandb="]
    loaded = config.load(None, {"batch": 16, "lr": None}, pairs)
    assert (loaded.ema, loaded.lock, loaded.options, loaded.weights) == (
        0.999,
        "image",
        {"preset": "paper"},
        (2.0, 1.0),
    )
    assert (loaded.log_every, loaded.batch, loaded.wandb) == (5, 16, None)
    with pytest.raises(UserError) as error:
        config.load(None, {"batch": 16}, ["ema", "batch=4", "a=[", "=3", "lr=-1", "emma=0.9"])
    for words in (
        "--set ema: write KEY=VALUE",
        "batch is given twice",
        "'[' is not a value",
        "--set =3: write",
        "lr is -1.0, which",
    ):
        assert words in str(error.value)
    assert "--set emma=0.9: unknown key 'emma' (did you mean 'ema'?)" in error.value.problems


@pytest.mark.parametrize(
    "pair, message",
    [
        ("accumulate=0", "not between 1 and"),
        ("ema=1", "not between 0 and 0.999999"),
        ("lock=both", "not one of none, image, text"),
        ("layer_decay=1.5", "not between 0.01 and 1"),
        ("compile=maybe", "not true or false"),
        ("evaluate_every=-1", "not between 0 and"),
        ("unlocked=-1", "not between 0 and"),
    ],
)
def test_settings_are_checked(pair: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        config.load(None, None, [pair])


def test_every_setting_is_told_of_in_the_docstring() -> None:
    told = set(re.findall(r"\w+", config.Config.__doc__ or ""))
    plain = {"seed", "weight_decay", "beta1", "beta2", "precision", "checkpoint_every", "keep", "log_every"}
    assert {f.name for f in fields(config.Config)} - told <= plain


def test_identity_leaves_out_what_may_change_on_resume() -> None:
    one, other = config.Config(workers=0, keep=9, log_every=3, threads=2), config.Config(workers=8)
    assert one.identity() == other.identity() != config.Config(lr=1.0).identity()
    assert json.loads(json.dumps(one.identity())) == one.identity()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["pretrain"], "Missing option '--shards'"),
        (["pretrain", "--shards", "/no/where", "--steps", "1"], "/no/where: there is no such folder"),
        (["pretrain", "--shards", "/no/where", "--resume", "yes"], "the only value is auto"),
        (["pretrain", "--shards", "/no/where", "--config", "/no/x.yaml"], "/no/x.yaml: there is no such file"),
        (["evaluate", "/no/run", "--shards", "/no/where"], "/no/run: there is no such checkpoint"),
        (["evaluate", "/no/run", "--shards", "/no/where", "--task", "cam"], "'cam' is not"),
    ],
)
def test_wrong_input_exits_with_2_and_a_message(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["mgll-train", *arguments])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert message in re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().err)


def test_damaged_data_exits_with_3(
    make_dataset: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = make_dataset()
    (folder / "train" / "000001.tar").unlink()
    arguments = ["mgll-train", "pretrain", "--shards", str(folder), "--steps", "1", "--out", str(tmp_path / "run")]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 3 and "000001.tar" in capsys.readouterr().err


@pytest.mark.slow
def test_pretrain_then_evaluate_from_the_shell(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    folders = [str(make_dataset("one")), str(make_dataset("two", modality="cxr", seed=1))]
    out = str(tmp_path / "run")
    common: list[Any] = ["pretrain", "--shards", *folders, "--model", small_model, "--batch", "16", "--out", out]
    assert call(*common) == (
        2,
        "mgll-train: give the length of the run as one of --steps, --epochs and --samples; found none of them\n",
    )
    code, said = call(*common, "--epochs", "1")
    assert code == 0, said
    assert "80 samples in 8 shards: one 0.1.0-" in said and "step 5 of 5" in said
    code, said = call("evaluate", out, "--shards", *folders, "--min-count", "3", "--draws", "50", "--workers", "0")
    assert code == 0, said
    assert "macro AUC" in said and "report: " in said
    report = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert report["task"] == "zero-shot" and set(report["modalities"]) == {"fundus", "cxr"}


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_damaged_tar_ends_the_run_with_one_line(
    make_dataset: Make, small_model: str, tmp_path: Path, workers: str
) -> None:
    """Also from a loader process, which must not stay behind: the call would not return."""
    folder = make_dataset()
    tar = folder / "train" / "000001.tar"
    content = bytearray(tar.read_bytes())
    content[: len(content) // 2] = b"\xff" * (len(content) // 2)
    tar.write_bytes(bytes(content))
    common: list[Any] = ["pretrain", "--shards", str(folder), "--model", small_model, "--batch", "8", "--steps", "20"]
    code, said = call(*common, "--workers", workers, "--out", str(tmp_path / "run"))
    assert code == 3, said
    assert "000001.tar" in said
    assert "Traceback" not in said
