"""Recipes: every problem at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mgll_data import recipe
from mgll_data.errors import UsageError
from mgll_data.sources import base

GOOD = """\
name: small
version: 0.1.0
sources:
  - {use: idrid, root: data/idrid}
labels: {hierarchy: fundus}
texts: {levels: [modality, diagnostic]}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "r.yaml"
    path.write_text(text)
    return path


def test_shipped_recipes_load() -> None:
    for path in sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml")):
        if not path.name.endswith("pretrain.yaml"):
            assert recipe.load(path).sources


@pytest.mark.parametrize(("file", "modality"), [("xray.yaml", "cxr"), ("fundus.yaml", "fundus")])
def test_the_shipped_recipe_lists_every_source_parents_first(file: str, modality: str) -> None:
    loaded = recipe.load(Path(__file__).parents[2] / "recipes" / file)
    cards = {name: base.find(name).card for name in base.names() if base.find(name).card.modality == modality}
    used = [source.use for source in loaded.sources]
    assert sorted(used) == sorted(cards)
    for child in used:
        assert all(used.index(parent) < used.index(child) for parent in cards[child].derives), child
    assert set(loaded.licences.accept) == {card.licence for card in cards.values() if not card.open_licence}


def test_unknown_source_and_misspelt_key_are_both_reported_with_their_lines(tmp_path: Path) -> None:
    bad = GOOD.replace("use: idrid", "use: idird").replace("labels:", "lables:")
    with pytest.raises(UsageError) as caught:
        recipe.load(write(tmp_path, bad))
    text = str(caught.value)
    assert "r.yaml:5: unknown key 'lables' (did you mean 'labels'?)" in text
    assert "r.yaml:4: unknown source 'idird': did you mean idrid" in text
    assert "key 'labels' is missing" in text


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("version: 0.1.0", "version: one", 2, "must look like 0.1.0"),
        ("name: small", "name: Small Set", 1, "lower-case"),
        ("hierarchy: fundus", "hierarchy: fondus", 5, "no vocabulary 'fondus'"),
        ("[modality, diagnostic]", "[modality, series]", 6, "'series' is not one of"),
        ("[modality, diagnostic]", "modality", 6, "must be a list"),
        ("root: data/idrid", "root: data/idrid, partial: maybe", 4, "'maybe' is not true or false"),
        ("root: data/idrid", "root: data/idrid, views: [up]", 4, "'up' is not one of pa, ap, lateral"),
        ("hierarchy: fundus", "hierarchy: fundus, votes: most", 5, "'most' is not one of majority, any, all"),
        ("sources:\n", "seed: 1.5\nsources:\n", 3, "1.5 is not a whole number"),
    ],
)
def test_wrong_values_name_line_and_fix(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipe.load(write(tmp_path, GOOD.replace(old, new)))
    assert f"r.yaml:{line}: " in str(caught.value)
    assert message in str(caught.value)


def test_ratios_limits_and_repeated_sources_are_reported_together(tmp_path: Path) -> None:
    extra = "split: {ratios: {train: 0.9, test: 0.3}}\nlimits: {quarantine: 2}\n"
    double = GOOD.replace("labels:", "  - {use: idrid, root: other}\nlabels:")
    with pytest.raises(UsageError) as caught:
        recipe.load(write(tmp_path, double + extra))
    assert len(caught.value.problems) == 3


def test_variables_expand_and_a_missing_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHERE", "/somewhere")
    monkeypatch.delenv("NOWHERE", raising=False)
    loaded = recipe.load(write(tmp_path, GOOD.replace("data/idrid", '"${WHERE}/${KIND:-x}"')))
    assert loaded.sources[0].root == Path("/somewhere/x")
    with pytest.raises(UsageError, match="NOWHERE is not set"):
        recipe.load(write(tmp_path, GOOD.replace("data/idrid", '"${NOWHERE}/x"')))


@pytest.mark.parametrize("text", ["", "- a\n", "name: [", "name: small\nname: twice\n"])
def test_what_is_no_recipe_is_a_usage_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        recipe.load(write(tmp_path, text))


def test_identity_holds_no_path_and_does_not_depend_on_places(tmp_path: Path) -> None:
    one = recipe.load(write(tmp_path, GOOD))
    two = recipe.load(write(tmp_path, GOOD.replace("data/idrid", "/elsewhere") + "publish: {to: /there}\n"))
    assert one.sha256() == two.sha256()
    assert "elsewhere" not in str(two.identity())
