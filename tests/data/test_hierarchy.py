"""Closure over the real vocabularies: properties that must hold for any set of labels."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgll_data import hierarchy
from mgll_data.errors import UsageError
from mgll_data.recipe import VOCAB

LOADED = {name: hierarchy.load(VOCAB / name) for name in ("fundus", "cxr")}


@st.composite
def statements(draw: st.DrawFn) -> tuple[str, set[str], set[str], set[str], bool]:
    name = draw(st.sampled_from(sorted(LOADED)))
    ids = sorted(c for c in LOADED[name].concepts if not LOADED[name].ontology.is_root(c))
    sets = [draw(st.sets(st.sampled_from(ids), max_size=4)) for _ in range(3)]
    return name, sets[0], sets[1], sets[2], draw(st.booleans())


@settings(max_examples=300, deadline=None)
@given(statements())
def test_closure_is_consistent_and_stable(case: tuple[str, set[str], set[str], set[str], bool]) -> None:
    name, present, absent, uncertain, everything = case
    h = LOADED[name]
    closed = h.close(present, absent, uncertain, normal_excludes_all=everything)
    expanded = h.ontology.expand_absent(closed.absent, closed.present, closed.uncertain)
    assert not closed.present & expanded
    assert not closed.present & closed.uncertain
    assert not closed.uncertain & expanded
    assert h.ontology.up(closed.present) == closed.present, "presence goes up to every ancestor"
    assert closed.absent == h.ontology.topmost(closed.absent)
    for members in h.groups.values():
        assert len(h.ontology.lowest(members & closed.present)) <= 1
    # Nothing is made up: what is present was said to be, or is the negation of something absent.
    allowed = h.ontology.up(present) | set(h.negations)
    assert closed.present <= allowed
    again = h.close(closed.present, closed.absent, closed.uncertain)
    assert again.present == closed.present
    assert again.uncertain == closed.uncertain
    assert h.ontology.expand_absent(again.absent, again.present, again.uncertain) == expanded


@pytest.mark.parametrize("name", sorted(LOADED))
def test_blank_never_travels(name: str) -> None:
    closed = LOADED[name].close((), (), ())
    assert not closed.present | closed.absent | closed.uncertain


def test_a_grade_denies_its_siblings_and_no_retinopathy_is_not_normal() -> None:
    h = LOADED["fundus"]
    moderate = h.close(["fundus.dr_mod"], [], [])
    assert {"fundus.dr", "fundus.npdr", "fundus.abnormal"} <= moderate.present
    denied = h.ontology.expand_absent(moderate.absent, moderate.present, moderate.uncertain)
    assert {"fundus.dr_mild", "fundus.dr_sev", "fundus.pdr", "fundus.no_dr", "fundus.normal"} <= denied
    none = h.close(["fundus.no_dr"], [], [])
    assert "fundus.normal" not in none.present
    assert "fundus.dr_sev" in h.ontology.expand_absent(none.absent, none.present, none.uncertain)


def test_normal_denies_all_only_where_the_source_means_it() -> None:
    h = LOADED["fundus"]
    assert "fundus.abnormal" not in h.close(["fundus.normal"], [], []).absent
    strict = h.close(["fundus.normal"], [], [], normal_excludes_all=True)
    assert "fundus.glau" in h.ontology.expand_absent(strict.absent, strict.present, strict.uncertain)


def test_contradictions_become_uncertain_and_are_listed() -> None:
    h = LOADED["fundus"]
    both = h.close(["fundus.glau"], ["fundus.glau"], [])
    assert "fundus.glau" in both.uncertain
    assert both.conflicts
    two_stages = h.close(["fundus.dr_mild", "fundus.dr_sev"], [], [])
    assert {"fundus.dr_mild", "fundus.dr_sev"} <= two_stages.uncertain
    assert "fundus.npdr" in two_stages.present
    apart = h.close(["fundus.dr_mod", "fundus.pdr"], [], [])
    assert "fundus.dr" in apart.present
    assert "fundus.npdr" not in apart.present, "only one of the two grades implies it"
    assert "fundus.npdr" not in h.close(["fundus.no_dr", "fundus.dr_mild"], [], []).present
    beside = h.close(["fundus.normal", "fundus.cat"], [], [], normal_excludes_all=True)
    assert "fundus.cat" in beside.present
    assert "fundus.normal" not in beside.present
    assert beside.conflicts


def test_every_problem_of_a_table_is_reported(tmp_path: Path) -> None:
    header = "id,name,level,parents,exclusive,negates,evidence_of,synonyms,umls,radlex,hpo,snomed,icd10\n"
    rows = ["x.root,root,root,,,,,,,,,,", "x.a,a,finding,x.rot,,,,,,,,,", "x.a,a,odd,x.root,,x.none,,,,,,,"]
    (tmp_path / "hierarchy.csv").write_text(header + "\n".join(rows) + "\n")
    with pytest.raises(UsageError) as caught:
        hierarchy.load(tmp_path)
    text = str(caught.value)
    for expected in ("stands twice", "'odd'", "unknown concept 'x.none'"):
        assert expected in text
    assert "hierarchy.csv:4" in text


def test_a_cycle_is_named(tmp_path: Path) -> None:
    header = "id,name,level,parents,exclusive,negates,evidence_of,synonyms,umls,radlex,hpo,snomed,icd10\n"
    rows = ["x.root,root,root,,,,,,,,,,", "x.a,a,finding,x.b,,,,,,,,,", "x.b,b,finding,x.a,,,,,,,,,"]
    (tmp_path / "hierarchy.csv").write_text(header + "\n".join(rows) + "\n")
    with pytest.raises(UsageError, match=r"cycle: x\.\w > x\.\w > x\.\w"):
        hierarchy.load(tmp_path)
