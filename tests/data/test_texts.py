"""Composed sentences: stage with findings, lists, sides, severities, doubts, the eye; and what each of them asserts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pytest

from mgll_data import hierarchy, recipe
from mgll_data.texts import grammar, templates
from mgll_data.texts.targets import Subject, Text, Writer

UIDS = [f"u-{i}" for i in range(60)]


@cache
def writer(modality: str) -> Writer:
    concepts = hierarchy.load(recipe.VOCAB / modality)
    return Writer(concepts, templates.load(recipe.VOCAB / modality, concepts), modality, ("diagnostic",), 8)


def said(
    uid: str,
    *present: str,
    raised: tuple[str, ...] = (),
    words: Mapping[str, tuple[str, ...]] | None = None,
    eye: str | None = None,
) -> list[Text]:
    """The diagnostic texts; concept ids without the modality's prefix where they follow the first one."""
    modality = (*present, *raised)[0].split(".")[0]
    made = writer(modality)
    up = made._hierarchy.ontology.up
    closed = frozenset(up(present))
    uncertain = frozenset(up(raised)) - closed
    return made.texts(Subject(uid, closed, None, eye, None, uncertain=uncertain, qualifiers=words or {}))


def test_the_example_of_a_clinician() -> None:
    whole = {said(uid, "fundus.dr_mod", "fundus.dme", eye="right")[0].text for uid in UIDS}
    assert (
        "A fundus photograph showing moderate non-proliferative diabetic retinopathy with diabetic macular edema, "
        "right eye." in whole
    )


def test_a_stage_takes_its_own_findings_along_and_leaves_other_diseases_outside() -> None:
    for uid in UIDS:
        text = said(uid, "fundus.dr_mod", "fundus.ex", "fundus.glau", eye="left")[0].text
        before, _, after = text.partition(" with ")
        phrases = writer("fundus")._templates.phrases
        assert any(p in after for p in phrases["fundus.ex"])
        assert any(p.lower() in before.lower() for p in phrases["fundus.glau"])
        assert text.endswith(", left eye.")


def test_two_images_that_differ_in_side_carry_different_texts_and_share_the_plain_ones() -> None:
    left, right = (said("u-1", "fundus.dr_mod", "fundus.ex", eye=eye) for eye in ("left", "right"))
    assert left[0].id != right[0].id
    assert left[0].text.replace("left", "right") == right[0].text
    assert left[0].about == left[0].concepts
    assert [t.id for t in left[1:]] == [t.id for t in right[1:]]
    assert all(not t.about and len(t.concepts) == 1 for t in left[1:])


def test_one_finding_without_a_side_is_said_once_and_plainly() -> None:
    (text,) = said("u-1", "cxr.scoliosis")
    assert text.concepts == ("cxr.scoliosis",)
    assert text.about == ()


def test_side_severity_and_place_stand_where_they_belong() -> None:
    words = {
        "cxr.effusion": ("left", "moderate"),
        "cxr.cardiomegaly": ("mild",),
        "cxr.consolidation": ("lower", "right"),
    }
    whole = said("u-2", *words, words=words)[0]
    for phrase in ("moderate left pleural effusion", "mild cardiomegaly", "consolidation in the right lower lung"):
        assert phrase in whole.text
    assert whole.text.index("right lower lung") < whole.text.index("effusion"), "else the place could mean both"
    assert set(whole.about) == set(whole.concepts) == set(words)
    other = said("u-2", *words, words={**words, "cxr.effusion": ("right", "moderate")})[0]
    assert other.id != whole.id


@pytest.mark.parametrize(
    ("phrase", "words", "in_lung", "expected"),
    [
        ("an enlarged heart", ("mild",), False, "a mildly enlarged heart"),
        ("a pulmonary nodule", ("upper", "left"), True, "a pulmonary nodule in the left upper lung"),
        ("atelectasis", ("basal", "bilateral"), True, "atelectasis at both lung bases"),
        ("ground-glass opacity", ("bilateral",), True, "ground-glass opacity in both lungs"),
        (
            "ground-glass opacity",
            ("upper", "lower", "bilateral"),
            True,
            "ground-glass opacity in both upper and lower lungs",
        ),
        ("scar tissue in the lung", ("right",), True, "scar tissue in the right lung"),
        ("pneumothorax", ("apical", "right"), False, "right apical pneumothorax"),
        ("a rib fracture", ("left", "lower"), False, "a left lower rib fracture"),
        ("a rib fracture", ("bilateral",), False, "a rib fracture on both sides"),
        ("blunting of the costophrenic angle", ("left",), False, "blunting of the costophrenic angle on the left"),
        ("calcification in the chest", ("hilar", "right"), False, "right hilar calcification"),
        ("an interstitial pattern", ("diffuse", "mild"), True, "a mild diffuse interstitial pattern"),
        ("pulmonary edema", ("mild", "severe"), True, "pulmonary edema"),
        ("severe myopia", ("severe",), False, "severe myopia"),
        ("a right-sided aortic arch", ("left",), False, "a right-sided aortic arch"),
    ],
)
def test_qualifiers_are_grammatical(phrase: str, words: tuple[str, ...], in_lung: bool, expected: str) -> None:
    assert grammar.qualify(phrase, words, in_lung=in_lung) == expected


def test_diseases_take_their_side_behind() -> None:
    said_of = grammar.qualify("tuberculosis", ("right", "upper"), in_lung=False, disease=True)
    assert said_of == "tuberculosis in the right upper chest"


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("pneumonia", "possible pneumonia"),
        ("an infiltrate in the lung", "a possible infiltrate in the lung"),
        ("the wet form of macular degeneration", "the possible wet form of macular degeneration"),
        ("an enlarged heart", "a possibly enlarged heart"),
    ],
)
def test_doubts_are_grammatical(phrase: str, expected: str) -> None:
    assert grammar.doubt(phrase) == expected


def test_a_doubt_asserts_nothing() -> None:
    """A text's `concepts` make it a positive of every image with them: a possible pneumonia must not be among them."""
    for uid in UIDS:
        texts = said(uid, "cxr.effusion", raised=("cxr.pneumonia",))
        doubts = [t for t in texts if "cxr.pneumonia" in t.about]
        assert len(doubts) == 2
        assert {t.concepts for t in doubts} == {("cxr.effusion",), ()}
        assert all("possibl" in t.text for t in doubts)
        assert not any("cxr.pneumonia" in t.concepts for t in texts)
        assert not any("possibl" in t.text for t in texts if t not in doubts)


def test_a_doubt_stands_behind_what_is_certain() -> None:
    for uid in UIDS:
        text = said(uid, "cxr.emphysema", "cxr.bulla", raised=("cxr.effusion",))[0].text
        assert " with " not in text, "else the doubt could be read as a part of the disease"
        assert text.index(" and ") < text.index("possibl")
        assert text.count("possibl") == 1
        assert " with " in said(uid, "cxr.emphysema", "cxr.bulla")[0].text


def test_diseases_that_only_share_an_organ_stand_side_by_side() -> None:
    for uid in UIDS:
        assert " with " not in said(uid, "cxr.edema", "cxr.granuloma.lung", "cxr.fibrosis")[0].text


def test_an_image_with_doubts_alone_gets_one_text_for_each() -> None:
    texts = said("u-3", "cxr.normal", raised=("cxr.pneumonia", "cxr.nodule"))
    assert sum(not t.concepts for t in texts) == 2


def test_rival_stages_are_no_doubt_worth_a_text() -> None:
    """A Davis grade makes several ICDR grades uncertain: "possible mild and possible moderate" would say nothing."""
    texts = said("u-4", "fundus.dr", raised=("fundus.dr_mild", "fundus.dr_mod"))
    assert not any(t.about for t in texts)
    assert any(t.about == ("fundus.dr_mild",) for t in said("u-4", "fundus.dr", raised=("fundus.dr_mild",)))


def test_families_negations_and_quality_are_never_doubted() -> None:
    for concept in ("fundus.f_glau", "fundus.no_dr", "fundus.ungradable", "fundus.normal"):
        assert not any(t.about for t in said("u-5", "fundus.mh", raised=(concept,)))


def test_long_lists_are_cut_and_every_finding_has_a_text_of_its_own() -> None:
    findings = ("cxr.scoliosis", "cxr.goiter", "cxr.hernia.diaphragmatic", "cxr.aortic.aneurysm", "cxr.device.icd")
    whole, *single = said("u-6", *findings)
    assert 2 <= len(whole.concepts) <= 4
    assert set(whole.concepts) < set(findings)
    assert {t.concepts[0] for t in single} >= set(findings)
