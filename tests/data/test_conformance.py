"""Every source keeps the contract: a complete card, a fixture that draws, every picture and row accounted for."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mgll_data import hierarchy, phantoms, pipeline, setup
from mgll_data.harmonise import label_table, load_labels
from mgll_data.images import store
from mgll_data.progress import Progress
from mgll_data.recipe import VOCAB, Images, Labels, Limits, Recipe, SourceUse, Texts
from mgll_data.schema import EXCLUSION_REASONS, LEVELS, MODALITIES, QUALIFIERS, QUARANTINE_REASONS
from mgll_data.sources import base
from mgll_data.votes import resolve

COUNT = 24
OWN_ATTRS = {"sex", "age_band", "device", "sources"}  # what a build writes itself among a sample's attributes
every_source = pytest.mark.parametrize("name", base.names())


def of_modality(modality: str) -> list[str]:
    return [name for name in base.names() if base.find(name).card.modality == modality]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Draws a source's fixture once."""
    roots = tmp_path_factory.mktemp("layouts")

    @cache
    def draw(name: str) -> Path:
        if name not in phantoms.LAYOUTS:
            pytest.fail(f"{name}: no fixture, mgll_data/phantoms/layouts/{name}.py is missing")
        return phantoms.draw(name, COUNT, roots / name, 3)

    return draw


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode here rather than in new processes, and load each vocabulary once: the builds are many and small."""

    def run(function: Any, tasks: Sequence[Any], *, workers: int, item_seconds: float) -> Iterator[Any]:
        for task in tasks:
            yield function(task, {}, lambda item: None)

    monkeypatch.setattr(store, "run", run)
    monkeypatch.setattr(setup.hierarchies, "load", _hierarchy)
    monkeypatch.setattr(setup.wording, "load", _templates)


_hierarchy = cache(hierarchy.load)
_load_templates = setup.wording.load
_wordings: dict[Path, Any] = {}


def _templates(folder: Path, loaded: hierarchy.Hierarchy) -> Any:
    if folder not in _wordings:
        _wordings[folder] = _load_templates(folder, loaded)
    return _wordings[folder]


@every_source
def test_the_card_is_complete(name: str) -> None:
    card = base.find(name).card
    assert card.name == name
    assert card.modality in MODALITIES
    assert card.title and card.release and card.label_origin and card.licence
    assert card.images > 0
    assert re.match(r"https?://\S+$", card.url)
    assert card.redistributable or card.access != "open" or not card.open_licence
    if card.licence == "LicenseRef-unstated":
        assert not card.open_licence and not card.redistributable
        assert "licence" in card.layout or "license" in card.layout
    assert card.needs
    for pattern in card.needs:
        literal = max(re.split(r"\[[^\]]*\]|[*?/]", pattern), key=len).lower()
        assert len(literal) < 5 or literal in card.layout.lower(), f"the layout text does not speak of {pattern}"
    assert max(map(len, card.layout.splitlines())) <= 120


@every_source
def test_the_citation_is_one_bibtex_entry(name: str) -> None:
    cite = base.find(name).card.cite.strip()
    assert re.match(r"@[a-z]+\{[A-Za-z0-9_:-]+,\s", cite), cite
    depth, ends = 0, []
    for place, char in enumerate(cite):
        depth += (char == "{") - (char == "}")
        if char == "}" and depth == 0:
            ends.append(place)
    assert ends == [len(cite) - 1], "braces that do not close, or more than one entry"
    fields = {field.lower() for field in re.findall(r"[,{]\s*(\w+)\s*=", cite)}
    assert {"title", "year"} <= fields, fields


def test_citations_have_different_keys_unless_they_are_the_same() -> None:
    cites = {base.find(name).card.cite.strip() for name in base.names()}
    keys = Counter(cite.partition("{")[2].partition(",")[0] for cite in cites)
    assert [key for key, number in keys.items() if number > 1] == []


def test_derivations_name_sources_of_the_modality_and_run_in_no_circle() -> None:
    def ancestors(name: str, path: tuple[str, ...]) -> set[str]:
        assert name not in path, "circle: " + " > ".join((*path, name))
        parents = base.find(name).card.derives
        return {*parents, *(up for parent in parents for up in ancestors(parent, (*path, name)))}

    for name in base.names():
        card = base.find(name).card
        named = {*card.derives, *([card.patients_of] if card.patients_of else [])}
        assert named <= set(base.names()), f"{name} names a source that is not there: {named - set(base.names())}"
        assert all(base.find(other).card.modality == card.modality for other in named), name
        assert not card.patients_of or not base.find(card.patients_of).card.patients_of, f"{name}: name the origin"
        ancestors(name, ())


@every_source
def test_the_reader_keeps_the_contract_and_every_word_is_listed(name: str, drawn: Callable[[str], Path]) -> None:
    card = base.find(name).card
    loaded = _hierarchy(VOCAB / card.modality)
    assert set(card.scope) <= set(loaded.concepts), "scope"
    assert label_table(VOCAB / card.modality, name).is_file()
    labels = load_labels(VOCAB / card.modality, [card], loaded)[name]
    root = drawn(name)
    assert base.missing(card, root) == [], "the fixture lacks what the card needs"
    items = list(base.find(name).read(root))
    expected = json.loads((root / phantoms.MARKER).read_text())["expected"]
    assert len(items) == expected["read"]
    assert [vars_of(item) for item in base.find(name).read(root)] == [vars_of(item) for item in items], "not repeatable"
    kept = [item for item in items if isinstance(item, base.RawRecord)]
    assert kept, "the fixture holds nothing that can be kept"
    for item in items:
        if isinstance(item, base.Rejected):
            assert item.reason in (QUARANTINE_REASONS if item.outcome == "quarantined" else EXCLUSION_REASONS)
            continue
        assert item.labels or item.votes or item.report, f"{item.origin}: no statement, should be excluded as no_label"
        assert not (set(item.labels) & set(item.votes))
        assert card.votes or not item.votes
        states = dict(item.labels) | resolve(item.votes, "majority")
        assert labels.apply(states, loaded)[2] == [], "unmapped words"
        unboxed = {region.label for region in item.regions if labels.lookup(region.label) is None}
        assert not unboxed, "boxes under words that the table does not list"
        assert {word for words in item.qualifiers.values() for word in words} <= set(QUALIFIERS)
        assert set(item.qualifiers) <= set(states)
        named = {source for source, _ in item.same_as}
        assert named <= {name} | ancestors_of(name), "same_as names a source that `derives` does not"
        assert not OWN_ATTRS & set(item.attrs)
        assert item.view in (None, "pa", "ap", "lateral") and item.laterality in (None, "left", "right")
        assert item.official_split in (None, "train", "val", "test")


def vars_of(item: base.RawRecord | base.Rejected) -> tuple[Any, ...]:
    return tuple(getattr(item, field) for field in item.__dataclass_fields__)


@cache
def ancestors_of(name: str) -> set[str]:
    parents = base.find(name).card.derives
    return set(parents).union(*(ancestors_of(parent) for parent in parents))


def build(names: Sequence[str], roots: Callable[[str], Path], work: Path) -> tuple[pipeline.Report, Path]:
    """Build these sources at 64 pixels; the report, and the folder of the build's tables."""
    modality = base.find(names[0]).card.modality
    recipe = Recipe(
        name="all",
        version="0.1.0",
        sources=tuple(SourceUse(name, roots(name)) for name in names),
        labels=Labels(modality),
        texts=Texts(LEVELS[modality]),
        images=Images(side=64, mode="gray8" if modality == "cxr" else "rgb8"),
        limits=Limits(quarantine=1.0),
    )
    return pipeline.build(recipe, work, progress=Progress(quiet=True)), work / ".cache" / "all"


def check(name: str, found: Counter[tuple[str, str]], counts: dict[str, int], root: Path, copies: int) -> None:
    """What a build counted for a source is what its fixture holds."""
    expected = json.loads((root / phantoms.MARKER).read_text())["expected"]
    wanted = {("quarantined", reason): number for reason, number in expected["quarantined"].items()}
    wanted |= {("excluded", reason): number for reason, number in expected["excluded"].items() if number}
    lost = {key: number for key, number in found.items() if key[0] != "duplicate"}
    assert lost == wanted, name
    assert counts["read"] == expected["read"]
    assert counts["duplicate"] == copies
    assert counts["kept"] == expected["read"] - sum(wanted.values()) - copies


@every_source
def test_a_build_accounts_for_everything(
    name: str, drawn: Callable[[str], Path], tmp_path: Path, in_process: None
) -> None:
    report, cache_folder = build([name], drawn, tmp_path)
    lost = pq.read_table(cache_folder / "quarantine.parquet").to_pylist()
    found = Counter((row["outcome"], row["reason"]) for row in lost)
    root = drawn(name)
    copies = json.loads((root / phantoms.MARKER).read_text())["expected"]["pixel_duplicates"]
    check(name, found, report.sources[name], root, copies)


@pytest.mark.slow
@pytest.mark.parametrize("modality", MODALITIES)
def test_all_sources_of_a_modality_build_together(
    modality: str, drawn: Callable[[str], Path], tmp_path: Path, in_process: None
) -> None:
    # Parents first: of one photograph the copy of the first source in the recipe is kept.
    names = sorted(of_modality(modality), key=lambda name: (len(ancestors_of(name)), name))
    report, cache_folder = build(names, drawn, tmp_path)
    lost = pq.read_table(cache_folder / "quarantine.parquet").to_pylist()
    for name in names:
        own = [row for row in lost if row["source"] == name]
        copies = sum(row["outcome"] == "duplicate" for row in own)
        alone = json.loads((drawn(name) / phantoms.MARKER).read_text())["expected"]["pixel_duplicates"]
        assert copies >= alone, name
        linked = sum(row["reason"] == "same_as" for row in own)
        assert not linked or ancestors_of(name), "dropped for a child's word, though it stands first"
        check(name, Counter((r["outcome"], r["reason"]) for r in own), report.sources[name], drawn(name), copies)
    samples = pq.read_table(cache_folder / "plan.parquet")
    uids = samples["uid"].to_pylist()
    assert len(uids) == len(set(uids)) == sum(count["kept"] for count in report.sources.values())
    every = pq.read_table(cache_folder / "index.parquet") if (cache_folder / "index.parquet").is_file() else None
    assert every is None or len(set(every["uid"].to_pylist())) == every.num_rows
    for text in samples["sample"].to_pylist():
        sample = json.loads(text)
        assert sample["source"] == sample["attrs"]["sources"][0]
