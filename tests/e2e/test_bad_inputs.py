"""What goes wrong at a user's desk, and the message that helps."""

from __future__ import annotations

import csv
import json
import os
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from mgll_data.sources import base
from tests.e2e.conftest import Sandbox, build, run


@pytest.fixture
def aptos(sandbox: Sandbox) -> Path:
    """A copy of the APTOS phantoms that a test may break; recipes of the sandbox then use it."""
    copy = sandbox.folder / "roots" / "aptos2019"
    shutil.copytree(sandbox.roots / "aptos2019", copy)
    return copy


def recipe_of(sandbox: Sandbox, root: Path, **changes: str) -> Path:
    return Sandbox(root.parent, sandbox.folder).recipe("fundus", (root.name,), **changes)


def fails(sandbox: Sandbox, recipe: Path, code: int) -> str:
    done = run("build", "--recipe", recipe, "--work", sandbox.folder / "b", check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def reasons(sandbox: Sandbox, recipe: Path) -> dict[str, int]:
    return dict(build(recipe, sandbox.folder / "b")["quarantine"])


def test_unknown_source_and_misspelt_key_together(sandbox: Sandbox) -> None:
    path = sandbox.recipe("fundus", ("aptos2019",))
    path.write_text(path.read_text().replace("use: aptos2019", "use: aptos2109").replace("shards:", "shard:"))
    text = fails(sandbox, path, 2)
    assert "2 errors" in text
    assert "unknown source 'aptos2109': did you mean aptos2019" in text
    assert "unknown key 'shard' (did you mean 'shards'?)" in text
    lines = path.read_text().splitlines()
    for word in ("aptos2109", "shard:"):
        number = next(i for i, line in enumerate(lines, 1) if word in line)
        assert f"{path.name}:{number}:" in text


def test_missing_column(sandbox: Sandbox, aptos: Path) -> None:
    labels = aptos / "train.csv"
    labels.write_text(labels.read_text().replace("diagnosis", "diagnose", 1))
    text = fails(sandbox, recipe_of(sandbox, aptos), 2)
    for expected in ("train.csv", "diagnosis", "diagnose"):
        assert expected in text


def test_label_outside_the_table(sandbox: Sandbox, aptos: Path) -> None:
    labels = aptos / "train.csv"
    rows = labels.read_text().splitlines()
    rows[3] = rows[3].split(",")[0] + ",9"
    labels.write_text("\n".join(rows) + "\n")
    text = fails(sandbox, recipe_of(sandbox, aptos), 2)
    for expected in ("train.csv:4", "'diagnosis=9' (1 times) is not in the table", "aptos2019.csv", "labels.unmapped"):
        assert expected in text
    lenient = recipe_of(sandbox, aptos, labels="{hierarchy: fundus, unmapped: quarantine}")
    assert reasons(sandbox, lenient)["unmapped_label"] == 1


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    ihdr = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", ihdr) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda path: path.unlink(), "missing_image"),
        (lambda path: path.write_bytes(b""), "zero_bytes"),
        (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "truncated"),
        (lambda path: path.write_bytes(png_header(60_000, 60_000)), "too_large"),
        (lambda path: path.write_bytes(b"this is not a picture"), "undecodable"),
    ],
    ids=["absent", "zero bytes", "truncated", "bomb", "text"],
)
def test_a_broken_image_costs_one_sample(sandbox: Sandbox, aptos: Path, break_it: object, reason: str) -> None:
    before = build(recipe_of(sandbox, aptos), sandbox.folder / "before")
    victims = sorted((aptos / "train_images").glob("*.png"), key=lambda p: -p.stat().st_size)
    break_it(victims[0])  # type: ignore[operator]
    after = build(recipe_of(sandbox, aptos), sandbox.folder / "b")
    assert after["quarantine"].get(reason, 0) == before["quarantine"].get(reason, 0) + 1
    count = after["sources"]["aptos2019"]
    assert count["quarantined"] == before["sources"]["aptos2019"]["quarantined"] + 1


def test_truncated_jpeg(sandbox: Sandbox) -> None:
    copy = sandbox.folder / "roots" / "odir5k"
    shutil.copytree(sandbox.roots / "odir5k", copy)
    recipe = recipe_of(sandbox, copy)
    before = build(recipe, sandbox.folder / "before")["quarantine"].get("truncated", 0)
    victim = max(copy.rglob("*.jpg"), key=lambda p: p.stat().st_size)
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size * 2 // 3])
    assert reasons(sandbox, recipe)["truncated"] == before + 1


def test_a_path_that_leaves_its_root(sandbox: Sandbox, aptos: Path) -> None:
    labels = aptos / "train.csv"
    with labels.open("a", newline="") as file:
        csv.writer(file).writerow(["../../../../../../etc/passwd", "0"])
        csv.writer(file).writerow(["../../etc/passwd", "0"])
    report = build(recipe_of(sandbox, aptos), sandbox.folder / "b")
    assert report["quarantine"]["path_escape"] == 2
    for file in Path(report["folder"]).rglob("*"):
        assert not file.is_file() or b"etc/passwd" not in file.read_bytes()


def test_latin1_label_file(sandbox: Sandbox, aptos: Path) -> None:
    labels = aptos / "train.csv"
    rows = labels.read_text().splitlines()
    labels.write_bytes("\n".join([*rows[:5], "caf\u00e9,0", *rows[5:]]).encode("latin-1"))
    text = fails(sandbox, recipe_of(sandbox, aptos), 2)
    for expected in ("train.csv", "line 6", "utf-8", "iconv"):
        assert expected in text


def test_empty_label_file(sandbox: Sandbox, aptos: Path) -> None:
    (aptos / "train.csv").write_bytes(b"")
    assert "train.csv" in fails(sandbox, recipe_of(sandbox, aptos), 2)


def test_missing_sources_are_all_named_with_where_to_get_them(sandbox: Sandbox) -> None:
    recipe = Path(__file__).parents[2] / "recipes" / "xray.yaml"
    work = sandbox.folder / "b"
    done = run("build", "--recipe", recipe, "--work", work, check=False, MGLL_DATA=str(sandbox.folder / "none"))
    assert done.returncode == 2
    for name in ("nih_cxr14", "covid19_hannover", "rsna_pneumonia", "openi"):
        assert f"{sandbox.folder}/none/{name}" in done.stderr
    for expected in ("https://", "licence", "expected in", "--skip-missing"):
        assert expected in done.stderr
    skipped = run(
        *("build", "--recipe", recipe, "--work", work, "--skip-missing"),
        check=False,
        MGLL_DATA=str(sandbox.folder / "none"),
    )
    assert skipped.returncode == 2, "with nothing to build from there is nothing to skip to"


def test_skip_missing_builds_what_is_there(sandbox: Sandbox) -> None:
    roots = sandbox.folder / "some"
    shutil.copytree(sandbox.roots / "openi", roots / "openi")
    recipe = Path(__file__).parents[2] / "recipes" / "xray.yaml"
    places = {"MGLL_DATA": str(roots), "MGLL_PUBLISH": str(sandbox.folder / "pub")}
    report = build(recipe, sandbox.folder / "b", "--skip-missing", **places)
    chest = {name for name in base.names() if base.find(name).card.modality == "cxr"}
    assert set(report["skipped"]) == chest - {"openi"}
    assert (sandbox.folder / "pub" / "mgll-xray" / "LATEST").is_file()


def test_a_licence_must_be_accepted(sandbox: Sandbox, aptos: Path) -> None:
    (aptos / "phantoms.json").unlink()
    recipe = recipe_of(sandbox, aptos)
    text = fails(sandbox, recipe, 2)
    assert "--accept-licence LicenseRef-APTOS2019-Kaggle" in text
    assert build(recipe, sandbox.folder / "b", "--accept-licence", "LicenseRef-APTOS2019-Kaggle")["id"]


def test_failure_budget_stops_the_build(sandbox: Sandbox, aptos: Path) -> None:
    for path in sorted((aptos / "train_images").glob("*.png"))[:12]:
        path.write_bytes(b"")
    text = fails(sandbox, recipe_of(sandbox, aptos), 3)
    assert "zero_bytes" in text
    assert "quarantine.parquet" in text
    assert not (sandbox.folder / "b" / "small-fundus" / "manifest.json").exists()


def test_output_that_cannot_be_written(sandbox: Sandbox) -> None:
    blocked = sandbox.folder / "file"
    blocked.write_text("")
    done = run("build", "--recipe", sandbox.recipe("fundus", ("idrid",)), "--work", blocked, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert str(blocked) in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk(sandbox: Sandbox) -> None:
    disk = sandbox.folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine does not let us mount")
    try:
        recipe = sandbox.recipe("fundus", ("aptos2019", "odir5k"), images="{side: 256, mode: rgb8}")
        done = run("build", "--recipe", recipe, "--work", disk, check=False)
        assert done.returncode == 2, done.stderr
        assert "the disk is full" in done.stderr
        assert not (disk / "small-fundus" / "manifest.json").exists()
        assert not list(disk.rglob("*.part"))
    finally:
        subprocess.run(["umount", disk], check=False)


def test_validate_names_what_was_damaged(sandbox: Sandbox) -> None:
    folder = Path(build(sandbox.recipe("fundus", ("aptos2019",)), sandbox.folder / "b")["folder"])
    tar = next(folder.glob("train/*.tar"))
    whole = tar.read_bytes()
    for content, said in ((whole[:-512], "bytes, the manifest says"), (b"\0" + whole[1:], "sha256 differs")):
        tar.write_bytes(content)
        done = run("validate", folder, "--json", check=False)
        assert done.returncode == 3
        assert said in json.loads(done.stdout)["problems"][0]
    tar.unlink()
    assert "missing" in run("validate", folder, check=False).stdout
    assert run("validate", sandbox.folder / "nowhere", check=False).returncode == 2


def test_a_folder_of_something_else_is_left_alone(sandbox: Sandbox) -> None:
    mine = sandbox.folder / "b" / "small-fundus"
    mine.mkdir(parents=True)
    (mine / "thesis.docx").write_text("do not touch")
    assert "thesis.docx" in fails(sandbox, sandbox.recipe("fundus", ("idrid",)), 2)
    assert (mine / "thesis.docx").read_text() == "do not touch"
