"""The walls of the house: who may import whom, what starts quickly, how long a file may be."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "mgll_data").rglob("*.py"), *(ROOT / "mgll_train").rglob("*.py")])


def imported(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, wherever it stands in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_mgll_data_never_imports_torch_or_mgll_train() -> None:
    forbidden = ("torch", "open_clip", "mgll_train")
    for path in FILES:
        if path.is_relative_to(ROOT / "mgll_data"):
            found = [name for name in imported(path) if name.split(".")[0] in forbidden]
            assert not found, f"{path.name} imports {found}"


def test_mgll_train_takes_only_schema_and_manifest_from_mgll_data() -> None:
    allowed = ("mgll_data.schema", "mgll_data.manifest")
    for path in FILES:
        if path.is_relative_to(ROOT / "mgll_train"):
            found = [n for n in imported(path) if n.startswith("mgll_data.") and not n.startswith(allowed)]
            assert not found, f"{path.name} imports {found}"


@pytest.mark.parametrize("package", ["mgll_data", "mgll_train"])
def test_help_needs_none_of_the_heavy_libraries(package: str) -> None:
    code = (
        f"import sys\nsys.argv = ['x', '--help']\nfrom {package}.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'cv2', 'pyarrow', 'pydicom', 'open_clip'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_no_module_is_longer_than_300_lines() -> None:
    long = {p.name: n for p in FILES if (n := len(p.read_text(encoding="utf-8").splitlines())) > 300}
    assert not long


@pytest.mark.parametrize(
    "forbidden", ["import pickle", "pickle.", "eval(", "exec(", "yaml.load(", "weights_only=False", "except:"]
)
def test_unsafe_calls_are_not_used(forbidden: str) -> None:
    guilty = [
        f"{path.name}:{number}"
        for path in FILES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if forbidden in line.replace(".eval()", "") and not line.lstrip().startswith(("#", '"'))
    ]
    assert not guilty


def test_required_dependencies_are_not_gpl() -> None:
    from importlib.metadata import metadata

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    for requirement in declared:
        name = requirement.split(">")[0].split("<")[0].strip()
        about = metadata(name)
        terms = [about.get("License-Expression") or "", *(about.get_all("Classifier") or [])]
        strong = [t for t in terms if "GPL" in t.upper() and "LGPL" not in t.upper() and "LESSER" not in t.upper()]
        assert not strong, (name, strong)
