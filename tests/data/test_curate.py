"""Duplicates, groups and splits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgll_data.curate import duplicates, groups, split
from mgll_data.errors import UsageError
from mgll_data.recipe import Curate, Near, Split


def picture(seed: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(size=(64, 64)).astype(np.float32), (0, 0), 1.5)
    return (128 + 60 * noise / np.abs(noise).max()).astype(np.float32)


def test_near_finds_copies_and_not_other_pictures() -> None:
    pictures = [picture(i) for i in range(6)]
    pictures.append(np.clip(pictures[2] * 0.8 + 20, 0, 255).astype(np.float32))
    # All hashes equal: only the second look can tell them apart.
    found = [(i, j) for i, j, _ in duplicates.near(["0f" * 8] * 7, 4, lambda i: pictures[i])]
    assert found == [(2, 6)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=12), st.integers(0, 6))
def test_bands_miss_no_pair_within_the_distance(values: list[int], bits: int) -> None:
    same = picture(0)
    pairs = {(i, j) for i, j, _ in duplicates.near([f"{v:016x}" for v in values], bits, lambda i: same)}
    expected = {
        (i, j)
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= bits
    }
    assert pairs == expected


def row(uid: str, source: str = "a", patient: str | None = None, pixels: str | None = None) -> dict[str, Any]:
    return {
        "uid": uid,
        "source": source,
        "patient": patient,
        "study": None,
        "pixel_sha256": pixels or uid,
        "dhash": "00" * 8,
        "same": None,
    }


def grouped(rows: Sequence[dict[str, Any]], sources: Sequence[str] = ("a", "b")) -> dict[str, tuple[str, str | None]]:
    curate = Curate(near=Near(action="ignore"))
    table = groups.group(rows, sources, curate, lambda i: picture(i))
    return {r["uid"]: (r["group"], r["duplicate_of"]) for r in table.to_pylist()}


def test_groups_are_components_over_patients_and_copies() -> None:
    rows = [row("a-1", patient="p1"), row("a-2", patient="p1"), row("a-3", patient="p2"), row("a-4", patient="p3")]
    rows += [row("b-1", "b", "q1", pixels="a-3"), row("b-2", "b", "q1")]
    found = grouped(rows)
    assert found["a-1"][0] == found["a-2"][0]
    assert found["a-3"][0] == found["b-1"][0] == found["b-2"][0]
    assert len({g for g, _ in found.values()}) == 3
    assert found["b-1"][1] == "a-3"


def test_near_duplicates_are_grouped_and_named_in_the_table() -> None:
    rows = [row(f"a-{i}") for i in range(4)]
    table = groups.group(rows, ["a"], Curate(), lambda i: picture(0 if i in (1, 3) else i + 10))
    found = {r["uid"]: r for r in table.to_pylist()}
    assert found["a-1"]["near"] == ["a-3"]
    assert found["a-1"]["group"] == found["a-3"]["group"]
    assert len({r["group"] for r in found.values()}) == 3
    assert sum(len(r["near"]) for r in found.values()) == 1


def test_a_source_added_at_the_end_renames_no_group() -> None:
    rows = [row(f"a-{i}", patient=f"p{i // 2}") for i in range(20)]
    more = [row(f"b-{i}", "b", f"q{i}", pixels=f"a-{i}" if i % 3 == 0 else None) for i in range(20)]
    before, after = grouped(rows), grouped([*more, *rows])
    assert {uid: after[uid][0] for uid in before} == {uid: group for uid, (group, _) in before.items()}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, "train", "val", "test"])), max_size=40), st.integers()
)
def test_no_group_straddles_a_split(members: list[tuple[int, str | None]], seed: int) -> None:
    rows = [
        {"uid": f"a-{i}", "source": "a", "group": f"g{g}", "official_split": official}
        for i, (g, official) in enumerate(members)
    ]
    for conflict in ("test_wins", "drop"):
        assigned = split.assign(rows, Split(conflict=conflict), seed)
        where: dict[str, set[str | None]] = {}
        for r in assigned:
            where.setdefault(r["group"], set()).add(r["split"])
        assert all(len(splits) == 1 for splits in where.values())
        for group in where:
            official = {o for g, o in members if f"g{g}" == group and o}
            if len(official) == 1:
                assert where[group] == official


def test_ratios_are_met_and_conflicts_can_be_an_error() -> None:
    ratios = {"train": 0.7, "val": 0.1, "test": 0.2}
    chosen = [split.bucket(3, f"g{i}", ratios) for i in range(20_000)]
    for name, share in ratios.items():
        assert abs(chosen.count(name) / len(chosen) - share) < 0.01
    rows = [{"uid": str(i), "source": "a", "group": "g", "official_split": s} for i, s in enumerate(("train", "test"))]
    with pytest.raises(UsageError, match="1 groups stand in two official splits"):
        split.assign(rows, Split(conflict="error"), 0)
