"""One photograph, several sources: linked by name, counted once, labels merged, one patient, one split."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgll_data import conflicts, hierarchy, merge, phantoms, pipeline, recipe
from mgll_data.curate import groups, links
from mgll_data.errors import UsageError
from mgll_data.hierarchy import Closed
from mgll_data.progress import Progress
from mgll_data.recipe import VOCAB, Curate, Near
from mgll_data.schema import arrow_schema
from mgll_data.sources.nih_identity import MAPPING, patient, rsna_mapping

CXR = hierarchy.load(VOCAB / "cxr")


def rows(*entries: tuple[str, str, list[tuple[str, str]], str | None]) -> pa.Table:
    """RECORDS of (source, image, same_as, patient); uid is `<source>:<image>`."""
    made = [
        {"uid": f"{s}:{image}", "source": s, "image": image, "same_as": json.dumps(same), "patient": patient}
        for s, image, same, patient in entries
    ]
    return pa.Table.from_pylist(made, schema=arrow_schema("records"))


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("a/1.PNG", "a/1.PNG"),
        ("A/1.png", "a/1.PNG"),
        ("2.png", "a/2.png"),
        ("B/2.PNG", None),
        ("3.png", None),  # in two folders
        ("b/3.png", "b/3.png"),
        ("4.png", "a/4.png"),  # the exact name outweighs the other spelling
        ("4.Png", None),
        ("q/6.png", "p/q/6.png"),
        ("x/6.png", None),
        ("5.png", None),
    ],
)
def test_names_are_found_by_path_or_name_where_only_one_bears_it(key: str, found: str | None) -> None:
    names = links.Names(["a/1.PNG", "a/2.png", "a/3.png", "b/3.png", "a/4.png", "a/4.PNG", "p/q/6.png"])
    assert names.find(key) == found


def test_links_reach_over_a_parent_that_is_absent_or_rejected() -> None:
    table = rows(
        ("child", "x.dcm", [("parent", "1.png")], None),
        ("other", "y.png", [("parent", "1.PNG")], None),
        ("other", "z.png", [("parent", "2.png")], None),
    )
    same, lost = links.resolve(table)
    assert same == {"child:x.dcm": "child:x.dcm", "other:y.png": "child:x.dcm"}
    assert not lost, "the parent is not in the recipe: nothing is missing"
    same, lost = links.resolve(pa.concat_tables([rows(("parent", "images/1.png", [], "p")), table]))
    assert same == dict.fromkeys(("parent:images/1.png", "child:x.dcm", "other:y.png"), "parent:images/1.png")
    assert lost == {("other", "parent"): 1}


def test_a_picture_without_a_patient_takes_that_of_its_photograph() -> None:
    table = rows(("parent", "1.png", [], "p"), ("child", "x", [("parent", "1.png")], None), ("child", "y", [], None))
    same, _ = links.resolve(table)
    assert links.with_patients(table, same)["patient"].to_pylist() == ["p", "p", None]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 5)), max_size=14, unique_by=lambda e: e[:2])
)
def test_links_are_an_equivalence(entries: list[tuple[int, int, int]]) -> None:
    table = rows(
        *((f"s{s}", f"{n}_{s}.png", [(f"s{(s + 1) % 3}", f"{m}_{(s + 1) % 3}.png")], None) for s, n, m in entries)
    )
    same, _ = links.resolve(table)
    edges = {(f"s{s}:{n}_{s}.png", f"s{(s + 1) % 3}:{m}_{(s + 1) % 3}.png") for s, n, m in entries}
    reached: dict[str, set[str]] = defaultdict(set)
    for _ in range(len(edges) + 1):
        for a, b in edges:
            together = reached[a] | reached[b] | {a, b}
            for uid in together:
                reached[uid] = reached[uid] | together
    present = set(table["uid"].to_pylist())
    for uid in present:
        company = reached[uid] & present
        assert {other for other in present if uid in same and same.get(other) == same[uid]} == (
            company if len(company) > 1 else set()
        )


def grouped(exact: Any, *entries: tuple[str, str | None, str]) -> list[dict[str, Any]]:
    """GROUPS of (uid, same, pixels), all of them of sources a and b by the first letter."""
    made = [
        {"uid": u, "source": u[0], "patient": None, "study": None, "pixel_sha256": p, "dhash": "0" * 16, "same": same}
        for u, same, p in entries
    ]
    table = groups.group(made, ["a", "b"], Curate(exact, Near(action="ignore")), lambda i: None)  # type: ignore[arg-type, return-value]
    return table.to_pylist()


def test_linked_pictures_and_equal_pixels_are_one_set_of_copies() -> None:
    entries = [("a-1", "L", "x"), ("b-1", "L", "y"), ("b-2", None, "y"), ("b-3", None, "z")]
    found = {row["uid"]: row for row in grouped("drop", *entries)}
    assert {uid: row["duplicate_of"] for uid, row in found.items()} == {
        "a-1": None,
        "b-1": "a-1",
        "b-2": "a-1",
        "b-3": None,
    }
    assert found["b-1"]["reason"] == found["b-2"]["reason"] == "same_as"
    assert found["a-1"]["group"] == found["b-2"]["group"] != found["b-3"]["group"]
    kept = {row["uid"]: row for row in grouped("keep", *entries)}
    assert not any(row["duplicate_of"] for row in kept.values())
    assert [kept[uid]["same"] for uid in found] == ["a-1", "a-1", "a-1", None]


def closed(*present: str, absent: tuple[str, ...] = (), uncertain: tuple[str, ...] = ()) -> Closed:
    return CXR.close(present, absent, uncertain)


def together(*parts: Closed) -> Closed:
    return merge.union(parts, [set() for _ in parts], CXR)


def test_what_one_source_denies_and_another_sees_becomes_uncertain() -> None:
    found = together(closed("cxr.effusion"), closed(absent=("cxr.effusion", "cxr.pneumothorax")))
    assert "cxr.effusion" in found.uncertain
    assert "cxr.effusion" not in found.present | found.absent
    assert "cxr.pneumothorax" in found.absent
    assert found.conflicts
    below = together(closed("cxr.effusion.loculated"), closed(absent=("cxr.effusion",)))
    assert {"cxr.effusion.loculated", "cxr.effusion"} <= below.uncertain
    assert not below.present & {"cxr.effusion", "cxr.pleural", "cxr.abnormal"}, "nothing else says so"
    normal = together(closed("cxr.normal"), closed("cxr.effusion"))
    assert "cxr.normal" not in normal.present
    assert "cxr.effusion" in normal.present, "normal often denies only what was looked for"
    strict = CXR.close(["cxr.normal"], [], [], normal_excludes_all=True)
    assert {"cxr.normal", "cxr.effusion"} <= together(strict, closed("cxr.effusion")).uncertain


_CONCEPTS = sorted(c for c in CXR.concepts if not CXR.ontology.is_root(c))[:60]
_PART = st.builds(
    lambda p, a, u: CXR.close(p, a, u),
    *(st.sets(st.sampled_from(_CONCEPTS), max_size=n) for n in (3, 3, 2)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_PART, min_size=2, max_size=3))
def test_a_union_invents_nothing_and_does_not_depend_on_the_order(parts: list[Closed]) -> None:
    found = together(*parts)
    again = together(*reversed(parts))
    assert (again.present, again.absent, again.uncertain) == (found.present, found.absent, found.uncertain)
    assert found.present <= set().union(*(part.present for part in parts)) | set(CXR.negations)
    denied = CXR.ontology.expand_absent(found.absent, found.present, found.uncertain)
    assert not denied & (found.present | found.uncertain)
    for part in parts:
        for other in parts:
            refused = CXR.ontology.expand_absent(other.absent, other.present, other.uncertain)
            assert not CXR.ontology.lowest(part.present) & refused & found.present
    assert merge.union([parts[0]] * 2, [set(), set()], CXR) == Closed(
        parts[0].present, parts[0].absent, parts[0].uncertain
    )


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn NIH and RSNA films, with a mapping file by which RSNA's first eight are NIH's first eight."""
    home = tmp_path_factory.mktemp("derived")
    for name in ("nih_cxr14", "rsna_pneumonia"):
        phantoms.draw(name, 20, home / name, 4)
    nih = sorted(path.name for path in (home / "nih_cxr14").rglob("*.png"))
    rsna = [path.stem for path in sorted((home / "rsna_pneumonia").rglob("*.dcm"))]
    mapping = [{"subset_img_id": own, "img_id": name, "orig_labels": []} for own, name in zip(rsna, nih, strict=True)][
        :8
    ]
    (home / "rsna_pneumonia" / MAPPING).write_text(json.dumps(mapping))
    return home


def test_a_mapping_that_is_none_is_refused_with_advice(tmp_path: Path) -> None:
    for content in ({}, [{"subset_img_id": "a"}], [{"subset_img_id": "a", "img_id": "x.png"}]):
        (tmp_path / MAPPING).write_text(json.dumps(content))
        with pytest.raises(UsageError, match="entry 1 has no subset_img_id or no img_id such as"):
            rsna_mapping(tmp_path)
    assert patient("00013774_026.png") == patient("00013774_026") == "13774"
    assert patient("13774_026.png") is None


def built(home: Path, work: Path, names: list[str], extra: str = "") -> tuple[pipeline.Report, list[dict[str, Any]]]:
    path = work / "r.yaml"
    sources = "".join(f"  - {{use: {name}, root: {home / name}}}\n" for name in names)
    path.write_text(
        "name: d\nversion: 0.1.0\nlabels: {hierarchy: cxr}\ntexts: {levels: [modality, diagnostic]}\n"
        f"images: {{side: 64, mode: gray8}}\n{extra}sources:\n{sources}"
    )
    report = pipeline.build(recipe.load(path), work, progress=Progress(quiet=True))
    plan = pq.read_table(work / ".cache" / "d" / "plan.parquet")
    return report, [json.loads(text) for text in plan["sample"].to_pylist()]


@pytest.fixture(scope="module")
def both(roots: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Any, list[dict[str, Any]]]]:
    work = tmp_path_factory.mktemp("both")
    yield work, *built(roots, work, ["nih_cxr14", "rsna_pneumonia"])


def test_parent_and_child_count_each_photograph_once(both: tuple[Path, Any, list[dict[str, Any]]]) -> None:
    work, report, samples = both
    assert report.sources["nih_cxr14"] == {"read": 20, "kept": 20, "duplicate": 0, "quarantined": 0, "excluded": 0}
    assert report.sources["rsna_pneumonia"] == {"read": 20, "kept": 12, "duplicate": 8, "quarantined": 0, "excluded": 0}
    lost = pq.read_table(work / ".cache" / "d" / "quarantine.parquet").to_pylist()
    assert {row["reason"] for row in lost} == {"same_as"}
    shared = [s for s in samples if len(s["attrs"]["sources"]) > 1]
    assert len(shared) == 8
    assert all(s["source"] == "nih_cxr14" and s["attrs"]["sources"] == ["nih_cxr14", "rsna_pneumonia"] for s in shared)
    assert all("LicenseRef-" not in s["licence"] for s in shared), "phantoms are free"
    traces = pq.read_table(work / "d" / "labels.parquet").to_pylist()
    for sample in shared:
        speakers = {row["source"] for row in traces if row["uid"] == sample["uid"]}
        assert speakers == {"nih_cxr14", "rsna_pneumonia"}
    manifest = json.loads((work / "d" / "manifest.json").read_text())
    assert manifest["leakage"] == {"patients": 0, "groups": 0, "pixels": 0, "links": 0}


def test_contradictions_of_the_two_are_listed_and_uncertain(both: tuple[Path, Any, list[dict[str, Any]]]) -> None:
    work, report, samples = both
    listed = pq.read_table(work / ".cache" / "d" / "conflicts.parquet").to_pylist()
    between = [row for row in listed if row["source"] == "nih_cxr14 + rsna_pneumonia"]
    assert between, "the fixtures were drawn apart: their labels must differ somewhere"
    by_uid = {sample["uid"]: sample["concepts"] for sample in samples}
    for row in (row for row in between if "absent in another" in row["reason"]):
        assert row["concepts"], row["reason"]
        assert set(row["concepts"]) <= set(by_uid[row["uid"]]["uncertain"])
    stats = json.loads((work / "d" / "stats.json").read_text())["conflicts"]
    assert stats["nih_cxr14 + rsna_pneumonia"]["images"] == len({row["uid"] for row in between})
    assert report.conflicts == len({row["uid"] for row in listed})
    assert ".png" not in json.dumps(stats) and ".dcm" not in json.dumps(stats)
    html = (work / "d" / "report.html").read_text()
    assert all(html.count(entry["reason"]) == 1 for entry in stats["nih_cxr14 + rsna_pneumonia"]["reasons"][:10])


def test_one_patient_is_one_group_with_or_without_the_parent(
    roots: Path, both: tuple[Path, Any, list[dict[str, Any]]], tmp_path: Path
) -> None:
    _, _, samples = both
    nih = {s["patient"] for s in samples if s["source"] == "nih_cxr14"}
    _, alone = built(roots, tmp_path, ["rsna_pneumonia"])
    assert len(alone) == 20
    known = {s["patient"] for s in alone if s["patient"]}
    assert known and known <= nih, "the pseudonym of an NIH patient is the same in both builds"
    assert sum(s["patient"] is None for s in alone) == 12


def test_kept_copies_stay_together(roots: Path, tmp_path: Path) -> None:
    report, samples = built(roots, tmp_path, ["nih_cxr14", "rsna_pneumonia"], "curate: {exact: keep}\n")
    assert report.sources["rsna_pneumonia"]["duplicate"] == 0
    assert len(samples) == 40
    of_group = defaultdict(set)
    for sample in samples:
        of_group[sample["group"]].add(sample["split"])
    assert all(len(splits) == 1 for splits in of_group.values())
    assert sum(len({s["source"] for s in samples if s["group"] == g}) > 1 for g in of_group) >= 4


def test_regions_of_a_copy_are_taken_where_they_fit_and_else_accounted_for() -> None:
    kept = {"pixel_sha256": "a", "original_width": 100, "original_height": 80}
    assert merge.fits(kept, {**kept, "original_width": 50}) == {**kept, "original_width": 50}
    assert merge.fits(kept, {**kept, "pixel_sha256": "b"}) == kept
    other = {**kept, "pixel_sha256": "b", "original_width": 50}
    assert merge.fits(kept, other) is None
    records = pa.table({"uid": ["k", "c"], "regions": ["[]", json.dumps([{"label": "x", "box": [0, 0, 1, 1]}])]})
    copies = pa.table({"uid": ["k", "c"], "duplicate_of": [None, "k"]})
    assert "1 regions left out" in merge.lost_regions(records, {"k": kept, "c": other}, copies)["c"]
    assert merge.lost_regions(records, {"k": kept, "c": kept}, copies) == {}


def test_figures_of_conflicts_hold_uids_and_no_path() -> None:
    made = [
        {"uid": f"a-{i}", "source": "a", "concepts": [], "reason": "r", "image": "/x", "origin": "o"} for i in range(9)
    ]
    found = conflicts.figures(pa.Table.from_pylist(made, schema=arrow_schema("conflicts")))
    assert found == {
        "a": {"images": 9, "reasons": [{"reason": "r", "images": 9, "examples": [f"a-{i}" for i in range(5)]}]}
    }
