"""docs/objectives.md: every test that it names exists, and every objective and option is told of."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

from mgll_train import objectives

REPOSITORY = Path(__file__).parents[2]
TEXT = (REPOSITORY / "docs" / "objectives.md").read_text(encoding="utf-8")


def test_the_tests_that_it_names_exist_and_every_property_has_one() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests" / "train").glob("test_*.py"))
    there = set(re.findall(r"^def (test_\w+)\(", code, re.MULTILINE))
    assert set(re.findall(r"`(test_\w+)`", TEXT)) - there == set()
    rows = dict(re.findall(r"^\| (\d+) \|(.*)\|$", TEXT, re.MULTILINE))
    assert sorted(map(int, rows)) == list(range(1, 17))
    assert all("`test_" in row for row in rows.values())


def test_every_objective_and_option_is_told_of() -> None:
    for name in objectives.names():
        module = importlib.import_module(f"mgll_train.objectives.{name}")
        options = set(inspect.signature(getattr(module, name.capitalize())).parameters) - {"levels", "widths"}
        rows = "\n".join(re.findall(rf"^\| `{name}` \|.*$", TEXT, re.MULTILINE))
        missing = {option for option in options if f"`{option}" not in rows and f" {option}" not in rows}
        # mlip's row points to those it shares with mgca.
        assert missing <= ({"temperature", "local_temperature", "prototype_temperature"} if name == "mlip" else set())
