"""The command line as a person and a script meet it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from mgll_data import recipe, show
from mgll_data.sources import base
from tests.e2e.conftest import SOURCES, Sandbox, build, run

CARD_KEYS = {
    *("name", "modality", "title", "images", "licence", "access", "redistributable", "url", "cite", "label_origin"),
    *("scope", "layout"),
}


def width(text: str) -> int:
    return max(len(line) for line in text.splitlines())


def test_sources_lists_every_card_and_fits_80_columns() -> None:
    listed = json.loads(run("sources", "--json").stdout)
    assert {card["name"] for card in listed} == set(base.names()) >= {*SOURCES["cxr"], *SOURCES["fundus"]}
    assert all(card.keys() >= CARD_KEYS for card in listed)
    assert all(0 < card["labels"]["mapped"] <= card["labels"]["words"] for card in listed)
    assert {c["modality"] for c in json.loads(run("sources", "--modality", "cxr", "--json").stdout)} == {"cxr"}
    shown = run("sources", COLUMNS="80").stdout
    assert width(shown) <= 80
    for card in listed:
        line = next(line for line in shown.splitlines() if line.split()[:1] == [card["name"]])
        assert line.split()[1] == f"{card['images']:,}"
        assert line.split()[2] == f"{card['labels']['mapped']}/{card['labels']['words']}"
        assert line.split()[3] == card["access"]


@pytest.mark.parametrize("name", [*SOURCES["cxr"], *SOURCES["fundus"]])
def test_a_source_teaches_its_preparation(name: str) -> None:
    shown = run("sources", name, COLUMNS="80").stdout
    for heading in ("licence", "get it", "labels", "words", "Layout", "What is read", "In the recipe", "Cite"):
        assert heading in shown
    assert "https://" in shown


@pytest.mark.parametrize("name", SOURCES["cxr"])
def test_the_shown_recipe_lines_are_a_recipe(name: str, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    head = "name: r\nversion: 0.1.0\nlabels: {hierarchy: cxr}\ntexts: {levels: [modality]}\n"
    path.write_text(head + show.snippet(base.find(name).card))
    loaded = recipe.load(path)
    card = base.find(name).card
    assert loaded.sources[0].use == name
    assert card.open_licence or card.licence in loaded.licences.accept


def test_an_unknown_source_names_the_nearest() -> None:
    done = run("sources", "rsna_pneumnia", check=False)
    assert done.returncode == 2
    assert "did you mean rsna_pneumonia" in done.stderr


@pytest.mark.parametrize("command", ["build", "stats", "validate", "publish", "sources", "phantoms"])
def test_help_gives_an_example_and_fits_80_columns(command: str) -> None:
    shown = run(command, "--help", COLUMNS="80").stdout
    assert f"Example: mgll-data {command}" in shown
    assert width(shown) <= 80


def test_stats_take_the_newest_build_and_write_the_report(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    report = build(sandbox.recipe("fundus", ("odir5k",)), sandbox.folder / "build")
    older = sandbox.folder / "build" / "older"
    shutil.copytree(report["folder"], older)
    os.utime(older / "manifest.json", (0, 0))
    monkeypatch.chdir(sandbox.folder)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    shown = run("stats", "--html", "copy.html", COLUMNS="80").stdout
    assert report["id"] in shown
    assert "build/small-fundus" in shown
    assert width(shown) <= 80
    assert (sandbox.folder / "copy.html").read_text().startswith("<!")
    assert json.loads(run("stats", "--json").stdout)["id"] == report["id"]
    found = json.loads(run("stats", "--conflicts", "--json").stdout)
    assert report["conflicts"] == sum(source["images"] for source in found.values())
    shown = run("stats", "--conflicts", COLUMNS="80").stdout
    assert all(f"{source}: {entry['images']} images" in shown for source, entry in found.items())


def test_stats_without_a_build_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    done = run("stats", check=False)
    assert done.returncode == 2
    assert "mgll-data build" in done.stderr


def test_publish_and_validate_from_the_shell(sandbox: Sandbox) -> None:
    report = build(sandbox.recipe("cxr", ("openi",)), sandbox.folder / "b")
    place = json.loads(run("publish", report["folder"], "--to", sandbox.folder / "pub", "--json").stdout)["published"]
    assert place.endswith(report["id"])
    assert "0 problems" in run("validate", sandbox.folder / "pub" / "small-cxr", "--deep").stdout


def test_quarantined_images_are_tried_again_on_request(sandbox: Sandbox) -> None:
    roots = sandbox.folder / "roots"
    shutil.copytree(sandbox.roots / "openi", roots / "openi")
    recipe = Sandbox(roots, sandbox.folder).recipe("cxr", ("openi",))
    victim = sorted((roots / "openi").rglob("*.png"))[0]
    whole = victim.read_bytes()
    before = victim.stat()
    victim.write_bytes(b"\0" * len(whole))
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))
    first = build(recipe, sandbox.folder / "b")
    assert first["quarantine"]["undecodable"] == 1
    victim.write_bytes(whole)
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert build(recipe, sandbox.folder / "b")["quarantine"]["undecodable"] == 1, "the file looks unchanged"
    again = build(recipe, sandbox.folder / "b", "--retry-quarantine")
    assert "undecodable" not in again["quarantine"]


def test_phantoms_say_what_a_build_must_find(tmp_path: Path) -> None:
    done = run("phantoms", "--layout", "aptos2019", "--count", 8, "--out", tmp_path / "p", "--json")
    assert json.loads(done.stdout)["expected"]["read"] == 8
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    refused = run("phantoms", "--layout", "aptos2019", "--out", tmp_path / "mine", check=False)
    assert refused.returncode == 2
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
