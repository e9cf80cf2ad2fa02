"""Reading with scispacy, in an environment that has the extra `nlp` (it needs numpy below 2)."""

from __future__ import annotations

import pytest

pytest.importorskip("scispacy")

from mgll_data.reports.scispacy_linker import LinkingLabeller, one_edit
from mgll_data.schema import State


@pytest.fixture(scope="module")
def labeller() -> LinkingLabeller:
    return LinkingLabeller()


def test_the_knowledge_base_is_our_hierarchy(labeller: LinkingLabeller) -> None:
    assert set(labeller.base.cui_to_entity) <= set(labeller.hierarchy.concepts)
    assert "cxr.effusion" in labeller.base.alias_to_cuis["pleural fluid"]


def test_known_phrases_link_to_their_concept(labeller: LinkingLabeller) -> None:
    doc = labeller.doc("There is a small pleural effusion beside the consolidation.")
    assert [(ent.label_, ent._.kb_ents[0][0]) for ent in doc.ents] == [
        ("cxr.effusion", "cxr.effusion"),
        ("cxr.consolidation", "cxr.consolidation"),
    ]


def test_an_abbreviation_is_read_as_the_report_explains_it(labeller: LinkingLabeller) -> None:
    report = {"findings": "The right pleural effusion (RPE) has resolved.", "impression": "Small RPE again."}
    assert labeller.read({"impression": "Small RPE again."}).states == {}
    found = labeller.read(report)
    assert [str(state) for _, state in found.about("cxr.effusion")] == ["absent", "present"]


@pytest.mark.parametrize(
    ("sentence", "states"),
    [
        ("Mild cardiomegly.", {"cxr.cardiomegaly": State.PRESENT}),
        ("No pnuemothorax.", {"cxr.pneumothorax": State.ABSENT}),
        ("Possible plural effussion.", {"cxr.effusion": State.UNCERTAIN}),
        ("Moderate hemithorax remarkable.", {}),
        ("The lungs are hypoaerated.", {}),
    ],
)
def test_misspelt_words(labeller: LinkingLabeller, sentence: str, states: dict[str, State]) -> None:
    assert labeller.read({"findings": sentence}).states == states


@pytest.mark.parametrize(
    ("word", "other", "near"),
    [
        ("efusion", "effusion", True),
        ("effussion", "effusion", True),
        ("pnuemothorax", "pneumothorax", True),
        ("atelectesis", "atelectasis", True),
        ("edema", "edema", False),
        ("hypoaeration", "hyperaeration", False),
        ("masses", "mass", False),
    ],
)
def test_one_edit(word: str, other: str, near: bool) -> None:
    assert one_edit(word, other) is one_edit(other, word) is near
