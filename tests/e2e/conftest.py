"""A small build of phantoms that several tests look at."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mgll_data import phantoms
from mgll_data.recipe import VOCAB

SOURCES = {
    "cxr": ("nih_cxr14", "covid19_hannover", "rsna_pneumonia", "openi"),
    "fundus": ("idrid", "aptos2019", "rfmid", "odir5k"),
}
LEVELS = {
    "cxr": "[modality, study, series, category, diagnostic, explanatory]",
    "fundus": "[modality, category, diagnostic, explanatory]",
}


@dataclass(frozen=True)
class Sandbox:
    """Roots of phantoms and a folder to build in."""

    roots: Path
    folder: Path

    def recipe(self, modality: str, sources: tuple[str, ...] | None = None, **changes: str) -> Path:
        """Write a recipe for some sources; `changes` replace whole top-level keys by YAML text."""
        keys = {
            "name": f"small-{modality}",
            "version": "0.1.0",
            "seed": "5",
            "labels": f"{{hierarchy: {modality}}}",
            "images": "{side: 128, mode: %s}" % ("gray8" if modality == "cxr" else "rgb8"),
            "texts": f"{{levels: {LEVELS[modality]}}}",
            "shards": "{samples: 16}",
            "limits": "{quarantine: 0.2}",
            "split": "{ratios: {train: 0.6, val: 0.1, test: 0.3}}",
        } | changes
        used = SOURCES[modality] if sources is None else sources
        lines = [f"{key}: {value}" for key, value in keys.items()]
        lines += ["sources:", *(f"  - {{use: {name}, root: {self.roots / name}}}" for name in used)]
        path = self.folder / f"{keys['name']}.yaml"
        path.write_text("\n".join(lines) + "\n")
        return path


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Phantoms of all eight sources, forty images each. Never write there: copy first."""
    roots = tmp_path_factory.mktemp("roots")
    for name in (*SOURCES["cxr"], *SOURCES["fundus"]):
        phantoms.draw(name, 40, roots / name, 11)
    return roots


@pytest.fixture
def sandbox(drawn: Path, tmp_path: Path) -> Sandbox:
    return Sandbox(drawn, tmp_path)


@pytest.fixture
def vocab(tmp_path: Path) -> Path:
    """A copy of the fundus vocabulary that a test may change."""
    copy = tmp_path / "vocab"
    shutil.copytree(VOCAB / "fundus", copy)
    return copy


def run(*arguments: object, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `mgll-data` as a user does."""
    command = [sys.executable, "-m", "mgll_data.cli", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def build(recipe: Path, work: Path, *arguments: object, **environment: str) -> dict[str, Any]:
    """Build and return the report that `--json` prints."""
    done = run("build", "--recipe", recipe, "--work", work, "--json", *arguments, **environment)
    return dict(json.loads(done.stdout))


def digests(folder: Path) -> dict[str, str]:
    """sha256 of every shard by name, from the manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return {s["file"]: s["sha256"] for split in manifest["splits"].values() for s in split["shards"]}
