"""The build as a user runs it: identity, resume, incremental change, interruption."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mgll_data.stage import file_sha256
from tests.e2e.conftest import SOURCES, Sandbox, build, digests, run


@pytest.mark.parametrize("modality", ["cxr", "fundus"])
def test_counts_are_those_of_the_phantoms_and_add_up(sandbox: Sandbox, modality: str) -> None:
    report = build(sandbox.recipe(modality), sandbox.folder / "b", "--workers", 2)
    for name in SOURCES[modality]:
        expected = json.loads((sandbox.roots / name / "phantoms.json").read_text())["expected"]
        count = report["sources"][name]
        assert count["read"] == expected["read"]
        assert count["duplicate"] == expected["pixel_duplicates"]
        assert count["quarantined"] == sum(expected["quarantined"].values())
        assert count["excluded"] == sum(expected["excluded"].values())
        assert count["read"] == count["kept"] + count["duplicate"] + count["quarantined"] + count["excluded"]
    assert sum(report["splits"].values()) == sum(count["kept"] for count in report["sources"].values())
    checked = run("validate", report["folder"], "--deep", "--json")
    assert json.loads(checked.stdout)["ok"]


def test_one_and_two_workers_and_another_place_give_equal_shards(sandbox: Sandbox) -> None:
    recipe = sandbox.recipe("fundus")
    one = build(recipe, sandbox.folder / "one", "--workers", 1)
    two = build(recipe, sandbox.folder / "two", "--workers", 2)
    assert digests(Path(one["folder"])) == digests(Path(two["folder"]))
    for name in ("manifest.json", "stats.json", "README.md", "vocabulary.json", "report.html", "croissant.json"):
        assert file_sha256(Path(one["folder"]) / name) == file_sha256(Path(two["folder"]) / name), name


def test_a_second_run_does_nothing(sandbox: Sandbox) -> None:
    recipe = sandbox.recipe("cxr", ("covid19_hannover", "openi"))
    first = build(recipe, sandbox.folder / "b")
    again = build(recipe, sandbox.folder / "b")
    assert again["id"] == first["id"]
    assert (again["images_decoded"], again["shards_written"]) == (0, 0)
    assert again["images_reused"] == first["images_decoded"]
    assert {"records-openi", "labels", "concepts", "groups", "texts", "plan"} <= set(again["reused"])


def test_a_changed_template_rebuilds_texts_and_shards_but_decodes_nothing(sandbox: Sandbox, vocab: Path) -> None:
    recipe = sandbox.recipe("fundus", ("aptos2019",), labels=f"{{hierarchy: {vocab}}}")
    first = build(recipe, sandbox.folder / "b")
    templates = vocab / "templates.yaml"
    templates.write_text(templates.read_text().replace("photograph", "picture"))
    second = build(recipe, sandbox.folder / "b")
    assert first["images_decoded"] > 0
    assert second["images_decoded"] == 0
    assert second["images_reused"] == first["images_decoded"]
    assert second["shards_written"] > 0
    assert second["id"] != first["id"]
    assert not {"texts", "plan"} & set(second["reused"])
    assert {"records-aptos2019", "labels", "concepts", "groups"} <= set(second["reused"])


def test_a_new_source_costs_only_itself_and_moves_nobody(sandbox: Sandbox) -> None:
    def where(folder: str) -> dict[str, str]:
        listed = {}
        for tar in Path(folder).glob("*/*.tar"):
            names = subprocess.run(["tar", "tf", tar], capture_output=True, text=True, check=True).stdout.split()
            listed |= {name.partition(".")[0]: tar.parent.name for name in names}
        return listed

    small = build(sandbox.recipe("fundus", ("aptos2019", "rfmid")), sandbox.folder / "b")
    before = where(small["folder"])
    more = build(sandbox.recipe("fundus", ("aptos2019", "rfmid", "odir5k")), sandbox.folder / "b")
    after = where(more["folder"])
    assert more["images_reused"] == small["images_decoded"]
    assert {uid: after[uid] for uid in before} == before


@pytest.mark.slow
def test_killed_five_times_the_build_ends_equal_and_redoes_nothing(sandbox: Sandbox) -> None:
    recipe = sandbox.recipe("cxr", images="{side: 256, mode: gray8}")
    whole = build(recipe, sandbox.folder / "whole", "--workers", 2)
    total = whole["images_decoded"]
    work = sandbox.folder / "killed"
    command = [sys.executable, "-m", "mgll_data.cli", "build", "--recipe", str(recipe), "--work", str(work)]
    chance = random.Random(3)
    killed = 0
    for _ in range(5):
        process = subprocess.Popen([*command, "--workers", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.5, max(1.0, whole["seconds"])))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if (work / "small-cxr" / "manifest.json").exists():  # it is written last: then all is there
            run("validate", work / "small-cxr", "--deep")
    # Workers outlive a killed parent for the length of an image: what they still finish is reused too.
    finished = sum(pq.read_metadata(p).num_rows for p in (work / ".cache" / "small-cxr" / "store").rglob("*.parquet"))
    last = build(recipe, work, "--workers", 2)
    assert killed, "no run was killed in time: the test shows nothing"
    assert last["images_decoded"] + last["images_reused"] == total
    assert last["images_reused"] >= finished
    assert digests(Path(last["folder"])) == digests(Path(whole["folder"]))
    assert not list(work.rglob("*.part"))


def test_interrupt_ends_with_130_and_can_go_on(sandbox: Sandbox) -> None:
    recipe = sandbox.recipe("cxr", ("rsna_pneumonia", "openi"))
    work = sandbox.folder / "b"
    command = [sys.executable, "-m", "mgll_data.cli", "build", "--recipe", str(recipe), "--work", str(work)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, 130)
    if process.returncode == 130:
        assert "run the same command again" in errors
        assert not (work / "small-cxr" / "manifest.json").exists()
    assert build(recipe, work)["id"]


def test_a_dry_run_decodes_and_writes_nothing(sandbox: Sandbox) -> None:
    work = sandbox.folder / "b"
    report = build(sandbox.recipe("fundus"), work, "--dry-run")
    assert report["dry_run"]
    assert sum(report["splits"].values()) > 0
    assert not (work / "small-fundus").exists()
    assert not list(work.rglob("*.pack"))


def test_two_builds_at_once_are_refused(sandbox: Sandbox) -> None:
    recipe = sandbox.recipe("cxr", ("nih_cxr14",))
    from mgll_data.stage import lock

    with lock(sandbox.folder / "b" / ".cache" / "small-cxr"):
        done = run("build", "--recipe", recipe, "--work", sandbox.folder / "b", check=False)
    assert done.returncode == 2
    assert "another build (process" in done.stderr


def test_a_change_of_recipe_is_named_and_nothing_old_stays(sandbox: Sandbox) -> None:
    work = sandbox.folder / "b"
    build(sandbox.recipe("fundus", ("aptos2019", "idrid"), shards="{samples: 8}"), work)
    done = run("build", "--recipe", sandbox.recipe("fundus", ("aptos2019",), shards="{samples: 50}"), "--work", work)
    assert "shards.samples: 8 -> 50" in done.stderr
    assert json.loads(run("validate", work / "small-fundus", "--deep", "--json").stdout)["ok"]
    assert not any(name.startswith("idrid") for name in _members(work / "small-fundus"))


def _members(folder: Path) -> list[str]:
    tars = sorted(folder.glob("*/*.tar"))
    return [n for t in tars for n in subprocess.check_output(["tar", "tf", t], text=True).split()]
