"""The linter of the vocabularies: hierarchy, label tables and wording must fit together."""

from __future__ import annotations

import csv
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from mgll_data import hierarchy, recipe, setup
from mgll_data.schema import LEVELS
from mgll_data.sources import base
from mgll_data.texts import targets, templates
from mgll_data.texts.targets import Subject, Writer

VOCAB = recipe.VOCAB
BRITISH = re.compile(r"\b\w*(oedema|haem|colour|fibre|centre|tumour|oesoph|anaem|grey|ischaem|leuc|paed)\w*", re.I)


@pytest.fixture(params=["fundus", "cxr"])
def modality(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ready(modality: str, tmp_path: Path) -> setup.Setup:
    names = [n for n in base.names() if base.find(n).card.modality == modality]
    used = tuple(recipe.SourceUse(name, tmp_path) for name in names)
    made = recipe.Recipe("x", "0.1.0", used, recipe.Labels(modality), recipe.Texts(LEVELS[modality][:3]))
    return setup.set_up(made)


def test_everything_a_label_can_say_has_three_phrases_and_two_explanations(ready: setup.Setup) -> None:
    reachable = ready.hierarchy.ontology.up(setup.reachable(ready.maps, ready.hierarchy))
    thin = [c for c in reachable if len(ready.templates.phrases[c]) < 3 or len(ready.templates.explanations[c]) < 2]
    assert not thin


def test_no_wording_serves_two_concepts_or_stands_twice(ready: setup.Setup) -> None:
    for table in (ready.templates.phrases, ready.templates.explanations):
        said = Counter(text.lower() for texts in table.values() for text in texts)
        assert [text for text, n in said.items() if n > 1] == []


def test_spelling_is_american(modality: str) -> None:
    for name in ("templates.yaml", "explanations.csv"):
        assert not BRITISH.findall((VOCAB / modality / name).read_text())


def test_explanations_name_their_reference(modality: str) -> None:
    with (VOCAB / modality / "explanations.csv").open(newline="", encoding="utf-8") as file:
        assert all(row["reference"].strip() for row in csv.DictReader(file))


def test_phrases_do_not_contradict_their_concept(ready: setup.Setup) -> None:
    """A negation concept says no or normal; a stage's phrase names no other stage of its group."""
    stages = ("mild", "moderate", "severe")
    for concept, phrases in ready.templates.phrases.items():
        entry = ready.hierarchy.concepts[concept]
        for phrase in phrases:
            negated = re.search(r"\b(no|not|without|absent|absence|free|normal|healthy|unremarkable)\b", phrase.lower())
            if entry.level == "negation":
                assert negated, (concept, phrase)
            elif entry.level in ("disease", "stage", "finding", "device"):
                assert not re.match(r"(no|without|absence of|absent) ", phrase.lower()), (concept, phrase)
            if entry.level == "stage" and any(stage in entry.name.split() for stage in stages):
                others = [s for s in stages if s not in entry.name.split()]
                assert not any(re.search(rf"\b{s}\b", phrase.lower()) for s in others), (concept, phrase)


def test_a_text_never_asserts_what_the_image_lacks(ready: setup.Setup, modality: str) -> None:
    """For every label of every source: each text's concepts are present, and levels come in order."""
    writer = Writer(ready.hierarchy, ready.templates, modality, LEVELS[modality][:-1], 4)
    for labels in ready.maps.values():
        for word in labels.rules:
            _, closed, _ = labels.apply({word: base.State.PRESENT}, ready.hierarchy)
            texts = writer.texts(Subject(f"x-{word}", closed.present, "pa", "left", None))
            for text in texts:
                assert set(text.concepts) <= closed.present
                assert text.id == targets.text_id(text.level, text.text)
                assert "{" not in text.text
                assert text.text[0].isupper()
                assert text.text.rstrip().endswith((".", "projection", "view", "views")) or text.level == "study"


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
def test_every_sentence_fits_clip(ready: setup.Setup) -> None:
    """77 tokens with start and end, for single findings and for the longest lists."""
    from open_clip.tokenizer import SimpleTokenizer

    tokenizer = SimpleTokenizer()

    def length(text: str) -> int:
        return len(tokenizer.encode(text)) + 2

    wording = ready.templates
    longest = {c: max(phrases, key=length) for c, phrases in wording.phrases.items()}
    top = sorted(longest.values(), key=length, reverse=True)[:8]
    sentences = [text for texts in wording.explanations.values() for text in texts]
    for table in (wording.modality, wording.views, wording.study):
        sentences += [text for texts in table.values() for text in texts]
    for frame in wording.diagnostic:
        for listed in combinations(top, 3):
            sentences.append(frame.format(finding=f"{', '.join(listed[:-1])} and {listed[-1]}, right eye"))
    assert max(map(length, sentences)) <= 77


def test_codes_have_their_systems_form(modality: str) -> None:
    forms = {"umls": r"C\d{7}", "radlex": r"RID\d+", "hpo": r"HP:\d{7}", "snomed": r"\d{6,18}", "icd10": r"[A-Z]\d\d.*"}
    for concept in hierarchy.load(VOCAB / modality).concepts.values():
        for system, codes in concept.codes.items():
            assert all(re.fullmatch(forms[system], code) for code in codes), (concept.id, system, codes)


def test_templates_name_known_keys_only(modality: str) -> None:
    content = yaml.safe_load((VOCAB / modality / "templates.yaml").read_text())
    known = {"modality", "views", "study", "category", "diagnostic", "laterality", "phrases"}
    assert content.keys() <= known
    loaded = templates.load(VOCAB / modality, hierarchy.load(VOCAB / modality))
    assert targets.DEFAULT_CODE[modality] in loaded.modality
