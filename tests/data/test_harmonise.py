"""Raw words to states: the relation decides what may be said."""

from __future__ import annotations

import csv
from collections import Counter

import pytest

from mgll_data import harmonise, hierarchy
from mgll_data.harmonise import Rule, load_labels
from mgll_data.recipe import VOCAB
from mgll_data.schema import State
from mgll_data.sources import base

P, A, U = State.PRESENT, State.ABSENT, State.UNCERTAIN


@pytest.mark.parametrize(
    ("relation", "asserts", "word", "expected"),
    [
        ("exact", P, P, P),
        ("exact", P, A, A),
        ("exact", P, U, U),
        ("broader", P, P, P),
        ("broader", P, A, None),
        ("narrower", P, P, U),
        ("narrower", P, A, A),
        ("uncertain", P, P, U),
        ("uncertain", P, A, None),
        ("none", P, P, None),
        ("exact", A, P, A),
        ("exact", A, A, None),
        ("broader", A, P, U),
    ],
)
def test_relation_table(relation: harmonise.Relation, asserts: State, word: State, expected: State | None) -> None:
    assert Rule("c", relation, asserts, "").state(word) is expected


def maps(modality: str) -> tuple[hierarchy.Hierarchy, dict[str, harmonise.LabelMap]]:
    cards = [base.find(name).card for name in base.names() if base.find(name).card.modality == modality]
    loaded = hierarchy.load(VOCAB / modality)
    return loaded, load_labels(VOCAB / modality, cards, loaded)


def test_nih_silence_is_absence_inside_its_scope_only() -> None:
    h, found = maps("cxr")
    _, closed, unmapped = found["nih_cxr14"].apply({"Effusion": P}, h)
    assert not unmapped
    absent = h.ontology.expand_absent(closed.absent, closed.present, closed.uncertain)
    assert "cxr.pneumothorax" in absent
    assert "cxr.device" not in absent
    assert "cxr.normal" in absent
    _, nothing, _ = found["nih_cxr14"].apply({"No Finding": P}, h)
    assert "cxr.normal" in nothing.present
    assert "cxr.abnormal" not in h.ontology.expand_absent(nothing.absent, nothing.present, nothing.uncertain)


def test_a_word_nobody_knows_is_not_taken_for_silence() -> None:
    h, found = maps("cxr")
    _, closed, unmapped = found["nih_cxr14"].apply({"Pleural_thickening": P}, h)
    assert unmapped
    assert not closed.absent


def test_path_labels_match_whole_segments_only() -> None:
    _, found = maps("cxr")
    openi = found["openi"]
    assert openi.lookup("Pneumothorax/right/large") == openi.lookup("Pneumothorax")
    assert openi.lookup("Pneumothoraxes/right") is None


def test_unmapped_words_are_returned_with_near_ones() -> None:
    h, found = maps("fundus")
    _, closed, unmapped = found["odir5k"].apply({"diabetic retinopaty of some kind": P}, h)
    assert unmapped == ["diabetic retinopaty of some kind"]
    assert not closed.present
    assert found["odir5k"].nearest("glaucom") == ["glaucoma"]


@pytest.mark.parametrize("modality", ["fundus", "cxr"])
def test_label_tables_have_no_repeated_row(modality: str) -> None:
    for table in (VOCAB / modality / "labels").iterdir():
        assert base.find(table.stem).card.modality == modality
        with table.open(newline="", encoding="utf-8") as file:
            rows = Counter((r["label"], r["concept"]) for r in csv.DictReader(file))
        assert [row for row, n in rows.items() if n > 1] == [], table


@pytest.mark.parametrize("modality", ["fundus", "cxr"])
def test_no_single_word_contradicts_itself(modality: str) -> None:
    h, found = maps(modality)
    for source, labels in found.items():
        for word in labels.rules:
            _, closed, _ = labels.apply({word: P}, h)
            assert not closed.conflicts, (source, word)
