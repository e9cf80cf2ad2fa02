"""A build says which transfer syntaxes it found before any picture is decoded, a dry run too."""

from __future__ import annotations

from tests.e2e.conftest import Sandbox, build, run


def test_a_dry_run_lists_the_transfer_syntaxes(sandbox: Sandbox) -> None:
    recipe = sandbox.recipe("cxr")
    report = build(recipe, sandbox.folder / "b", "--dry-run")
    (syntax,) = report["syntaxes"]
    assert syntax["name"] == "Explicit VR Little Endian" and syntax["decoder"] == "built in"
    assert 30 <= syntax["files"] <= 40
    shown = run("build", "--recipe", recipe, "--work", sandbox.folder / "b", "--dry-run", COLUMNS="80")
    (line,) = [line for line in shown.stdout.splitlines() if "Explicit VR" in line]
    assert "built in" in line and len(line) <= 80
    assert "preflight" in shown.stderr


def test_sources_of_plain_pictures_list_none(sandbox: Sandbox) -> None:
    report = build(sandbox.recipe("cxr", ("covid19_hannover",)), sandbox.folder / "b", "--dry-run")
    assert report["syntaxes"] == []
