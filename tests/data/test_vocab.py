"""The vocabularies: hierarchy, label tables and wording fit together, and what is written of an image is true of it."""

from __future__ import annotations

import csv
import random
import re
from pathlib import Path

import pytest
import yaml

from mgll_data import hierarchy, recipe, setup
from mgll_data.schema import LEVELS, QUALIFIERS, State, text_id
from mgll_data.sources import base
from mgll_data.texts import targets, templates
from mgll_data.texts.targets import Subject, Writer
from tests.conftest import SHARED

VOCAB = recipe.VOCAB


@pytest.fixture(params=["fundus", "cxr"])
def modality(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ready(modality: str, tmp_path: Path) -> setup.Setup:
    names = [n for n in base.names() if base.find(n).card.modality == modality]
    used = tuple(recipe.SourceUse(name, tmp_path) for name in names)
    made = recipe.Recipe("x", "0.1.0", used, recipe.Labels(modality), recipe.Texts(LEVELS[modality][:3]))
    return setup.set_up(made)


def test_a_text_never_asserts_what_the_image_lacks(ready: setup.Setup, modality: str) -> None:
    """For every label of every source, stated or raised: each text's concepts are present, the rest is doubt."""
    writer = Writer(ready.hierarchy, ready.templates, modality, LEVELS[modality][:-1], 8)
    for labels in ready.maps.values():
        for word in labels.rules:
            for state in (State.PRESENT, State.UNCERTAIN, State.ABSENT):
                _, closed, _ = labels.apply({word: state}, ready.hierarchy)
                subject = Subject(f"x-{word}", closed.present, "pa", "left", None, uncertain=closed.uncertain)
                for text in writer.texts(subject):
                    assert set(text.concepts) <= closed.present
                    assert set(text.about) <= closed.present | closed.uncertain
                    if text.level == "diagnostic":
                        assert ("possibl" in text.text) == bool(set(text.about) & closed.uncertain)
                    assert text.id == text_id(text.level, text.text)
                    assert "{" not in text.text
                    assert text.text[0].isupper()
                    ends = (".", "projection", "view", "views")
                    assert text.text.rstrip().endswith(ends) or text.level == "study"


def test_texts_follow_the_uid_and_vary(ready: setup.Setup, modality: str) -> None:
    writer = Writer(ready.hierarchy, ready.templates, modality, LEVELS[modality][:-1], 4)
    present = frozenset(ready.hierarchy.ontology.up([next(iter(setup.reachable(ready.maps, ready.hierarchy)))]))
    one = [writer.texts(Subject(f"a-{i}", present, None, None, None)) for i in range(40)]
    two = [writer.texts(Subject(f"a-{i}", present, None, None, None)) for i in range(40)]
    assert one == two
    assert len({text.text for texts in one for text in texts if text.level == "modality"}) > 1


def test_images_taken_alike_carry_the_same_acquisition_texts(ready: setup.Setup, modality: str) -> None:
    """Else one phrasing of "a chest radiograph" would be trained as the negative of another."""
    writer = Writer(ready.hierarchy, ready.templates, modality, LEVELS[modality][:3], 4)

    def said(uid: str, code: str | None, view: str | None) -> set[tuple[str, str]]:
        texts = writer.texts(Subject(uid, frozenset(), view, None, code))
        return {(text.level, text.text) for text in texts if text.level in ("modality", "study", "series")}

    for code, view in ((None, None), ("CR", "pa"), ("DX", "lateral")):
        alike = [said(f"u-{i}", code, view) for i in range(30)]
        assert all(texts == alike[0] for texts in alike)
        general = {text for text in said("u", None, None) if text[0] == "modality"}
        assert general <= alike[0], "what is true of every image is carried by every image"


@pytest.mark.torch
def test_every_sentence_fits_clip(ready: setup.Setup, modality: str) -> None:
    """77 tokens with start and end, for every sentence of the tables and for composed ones of long random lists."""
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer()
    wording = ready.templates
    sentences = {text for texts in wording.explanations.values() for text in texts}
    for table in (wording.modality, wording.views, wording.study):
        sentences |= {text for texts in table.values() for text in texts}
    concepts = ready.hierarchy.concepts
    sayable = [c for c in wording.phrases if concepts[c].level in ("disease", "stage", "finding", "device")]
    writer = Writer(ready.hierarchy, wording, modality, ("category", "diagnostic"), 8)
    chance = random.Random(7)
    for i in range(1500):
        present, raised = chance.sample(sayable, 6), chance.sample(sayable, 2)
        closed = frozenset(ready.hierarchy.ontology.up(present))
        words = {c: tuple(chance.sample(QUALIFIERS, 3)) for c in (*present, *raised)}
        subject = Subject(f"u-{i}", closed, None, "right", None, uncertain=frozenset(raised) - closed, qualifiers=words)
        sentences |= {text.text for text in writer.texts(subject)}
    too_long = [text for text in sentences if len(tokenizer.encode(text)) + 2 > 77]
    assert too_long == []


def test_codes_have_their_systems_form(modality: str) -> None:
    forms = {"umls": r"C\d{7}", "radlex": r"RID\d+", "hpo": r"HP:\d{7}", "snomed": r"\d{6,18}", "icd10": r"[A-Z]\d\d.*"}
    for concept in hierarchy.load(VOCAB / modality).concepts.values():
        for system, codes in concept.codes.items():
            assert all(re.fullmatch(forms[system], code) for code in codes), (concept.id, system, codes)


def test_fundus_concepts_and_codes_are_those_that_were_read_in_their_sources() -> None:
    """No code is invented, and each of the 168 concepts found in the label sets is there on its level."""
    table = SHARED.parent / "facts" / "tables" / "fundus_hierarchy.csv"
    if not table.is_file():
        pytest.skip("../shared/facts is not there")
    concepts = hierarchy.load(VOCAB / "fundus").concepts
    columns = {"hpo": "hpo_id", "umls": "umls", "snomed": "snomed", "icd10": "icd10_who2019"}
    known: dict[str, set[str]] = {system: set() for system in columns}
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        slug = row["id"].removeprefix("fundus").lstrip(".").lower() or "root"
        found = concepts[f"fundus.{slug}"]
        assert found.level == row["level"], found.id
        sourced = {system: set(hierarchy.split_cell(row[column])) for system, column in columns.items()}
        assert all(set(codes) <= sourced[system] for system, codes in found.codes.items()), found.id
        for system in columns:
            known[system] |= sourced[system]
    assert len(rows) == 168
    for concept in concepts.values():
        assert all(set(codes) <= known[system] for system, codes in concept.codes.items()), concept.id


def test_signs_point_at_their_diseases() -> None:
    """The `evidence_of` edges that the fundus hierarchy was designed with."""
    edges = """vh hem_pre nv trd fibrosis > pdr; vbead irma > dr_sev; ma > dr_mild; ex mac_edema > dme;
        drusen ped > amd; cnv hem_sub disciform > amd_nv; odc vcdr > glau; mm1 > f_myo; cws hem_flame artnarrow > htr;
        cws hem_flame tort > rvo; laser > dr_laser"""
    concepts = hierarchy.load(VOCAB / "fundus").concepts
    for edge in edges.split(";"):
        signs, disease = edge.split(">")
        for sign in signs.split():
            assert f"fundus.{disease.strip()}" in concepts[f"fundus.{sign}"].evidence_of, (sign, disease)


def test_templates_name_known_keys_only(modality: str) -> None:
    content = yaml.safe_load((VOCAB / modality / "templates.yaml").read_text())
    known = {"modality", "views", "study", "category", "diagnostic", "laterality", "phrases"}
    assert content.keys() <= known
    loaded = templates.load(VOCAB / modality, hierarchy.load(VOCAB / modality))
    assert targets.DEFAULT_CODE[modality] in loaded.modality
