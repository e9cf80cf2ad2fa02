"""Raw words to states: the relation decides what may be said."""

from __future__ import annotations

import csv
import json
from collections import Counter
from typing import Any, get_args

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgll_data import harmonise, hierarchy, labels
from mgll_data import votes as votes_of
from mgll_data.errors import UsageError
from mgll_data.harmonise import Rule, load_labels
from mgll_data.qualifiers import combine
from mgll_data.recipe import VOCAB
from mgll_data.schema import State, arrow_schema
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


def maps(modality: str, *names: str) -> tuple[hierarchy.Hierarchy, dict[str, harmonise.LabelMap]]:
    """The label maps of these sources, or of all of the modality."""
    listed = names or [name for name in base.names() if base.find(name).card.modality == modality]
    loaded = hierarchy.load(VOCAB / modality)
    return loaded, load_labels(VOCAB / modality, [base.find(name).card for name in listed], loaded)


def test_nih_silence_is_absence_inside_its_scope_only() -> None:
    h, found = maps("cxr", "nih_cxr14")
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
    h, found = maps("cxr", "nih_cxr14")
    _, closed, unmapped = found["nih_cxr14"].apply({"Pleural_thickening": P}, h)
    assert unmapped
    assert not closed.absent


def test_path_labels_match_whole_segments_only() -> None:
    _, found = maps("cxr", "openi")
    openi = found["openi"]
    assert openi.lookup("Pneumothorax/right/large") == openi.lookup("Pneumothorax")
    assert openi.lookup("Pneumothoraxes/right") is None


def test_unmapped_words_are_returned_with_near_ones() -> None:
    h, found = maps("fundus", "odir5k")
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
    for source, table in found.items():
        for word in table.rules:
            _, closed, _ = table.apply({word: P}, h)
            assert not closed.conflicts, (source, word)


@given(seen=st.integers(0, 5), more=st.integers(0, 5))
def test_votes_are_ordered_by_how_much_they_ask_for(seen: int, more: int) -> None:
    votes = {"w": (seen, seen + more)}
    found = {policy: votes_of.resolve(votes, policy).get("w") for policy in get_args(votes_of.Policy)}
    strength = {None: 0, A: 0, U: 1, P: 2}
    assert strength[found["any"]] >= strength[found["majority"]] >= strength[found["all"]]
    if seen + more == 0:
        assert set(found.values()) == {None}
    elif seen == 0:
        assert set(found.values()) == {A}
    else:
        assert found["any"] is P
        assert found["all"] is (P if more == 0 else U)
        assert found["majority"] is (P if seen > more else U)


def test_more_votes_than_readers_are_a_problem() -> None:
    assert votes_of.problem({"w": (2, 3), "v": (0, 0)}) == ""
    assert "4 of 3" in votes_of.problem({"w": (4, 3)})


def records(*rows: dict[str, Any]) -> pa.Table:
    """RECORDS of kept rows: labels, votes and qualifiers as dicts, the rest as given."""
    empty = dict.fromkeys(("labels", "votes", "qualifiers"), "{}") | {"outcome": "kept", "conflicts": []}
    made = [empty | {k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()} for row in rows]
    return pa.Table.from_pylist(made, schema=arrow_schema("records"))


def staged(source: str, table: pa.Table, **options: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    h, found = maps("cxr", source)
    chosen: dict[str, Any] = {"unmapped": "error", "uncertain": "keep", "votes": "majority"} | options
    traces, concepts = labels.harmonise(table, found, h, vocab=VOCAB / "cxr", **chosen)
    return traces.to_pylist(), concepts.to_pylist()


def test_votes_are_settled_by_the_recipe_and_stand_in_the_trace() -> None:
    table = records({"uid": "a", "source": "nih_cxr14", "votes": {"Mass": [1, 3], "Nodule": [3, 3], "Edema": [0, 3]}})
    for policy, word in (("majority", "uncertain"), ("any", "present"), ("all", "uncertain")):
        traces, (concepts,) = staged("nih_cxr14", table, votes=policy)
        assert {t["raw"]: (t["votes"], t["raw_state"]) for t in traces} == {
            "Mass": ("1/3", word),
            "Nodule": ("3/3", "present"),
            "Edema": ("0/3", "absent"),
        }
        assert "cxr.mass" in concepts[word]
        assert "cxr.nodule" in concepts["present"]


def test_qualifiers_come_from_the_path_and_stay_with_the_concept_stated() -> None:
    words = {"Pneumothorax/right/apex": P, "Opacity/lung/base/left/mild": P, "Opacity/lung/base/right/severe": P}
    _, (concepts,) = staged("openi", records({"uid": "a", "source": "openi", "labels": words}))
    found = json.loads(concepts["qualifiers"])
    assert found["cxr.pneumothorax"] == ["apical", "right"]
    assert found["cxr.lung_opacity"] == ["basal", "bilateral"], "mild holds for one side only"
    assert set(found) <= set(concepts["present"]) | set(concepts["uncertain"])
    assert "cxr.abnormal" not in found


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([{"left"}, set()], {"left"}),
        ([{"left", "basal"}, {"left"}], {"left", "basal"}),
        ([{"left", "mild"}, {"right", "mild"}], {"bilateral", "mild"}),
        ([{"left", "mild"}, {"left", "severe"}], {"left"}),
        ([{"left", "right"}], {"bilateral"}),
        ([{"upper"}, {"lower"}], set()),
        ([], set()),
    ],
)
def test_qualifiers_of_several_findings_do_not_mix(statements: list[set[str]], expected: set[str]) -> None:
    assert combine([frozenset(words) for words in statements]) == expected
    assert combine([frozenset(words) for words in reversed(statements)]) == expected


def test_equal_words_are_worked_out_once_and_every_record_gets_its_own_rows() -> None:
    rows = [
        {"uid": str(i), "source": "nih_cxr14", "labels": {"Mass": P} if i % 2 else {"Edema": P, "Mass": P}}
        for i in range(6)
    ]
    rows[3]["conflicts"] = ["said otherwise elsewhere"]
    traces, concepts = staged("nih_cxr14", records(*rows))
    assert [(t["uid"], t["raw"]) for t in traces[:3]] == [("0", "Edema"), ("0", "Mass"), ("1", "Mass")]
    assert len(traces) == 9
    assert [c["uid"] for c in concepts] == [str(i) for i in range(6)]
    assert [c["conflicts"] for c in concepts] == [[], [], [], ["said otherwise elsewhere"], [], []]
    assert concepts[1]["present"] == concepts[5]["present"] != concepts[0]["present"]


def test_every_unknown_word_is_named_with_its_first_place_and_count() -> None:
    rows = [{"uid": str(i), "source": "nih_cxr14", "labels": {"Masses": P}, "origin": f"t.csv:{i}"} for i in range(3)]
    with pytest.raises(UsageError, match=r"t.csv:0: label 'Masses' \(3 times\).*nearest listed: 'Mass'"):
        staged("nih_cxr14", records(*rows))
    traces, _ = staged("nih_cxr14", records(*rows), unmapped="ignore")
    assert [t["relation"] for t in traces] == ["unmapped"] * 3
