"""Counts of a plan: samples, patients, concepts and texts of each split, leakage between splits, the sum per source."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mgll_data.errors import CorruptError, UsageError
from mgll_data.schema import SPLITS, Ontology, State


def split_counts(samples: Iterable[str], ontology: Ontology, levels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Per split: samples, patients, concepts {id: {present, absent, uncertain}} (absence expanded), texts per level.

    samples: the JSON members of a plan. A split without samples is not listed.
    """
    number: Counter[str] = Counter()
    patients: dict[str, set[str]] = defaultdict(set)
    concepts: dict[str, dict[str, Counter[str]]] = {s: defaultdict(Counter) for s in SPLITS}
    instances: dict[str, Counter[str]] = {s: Counter() for s in SPLITS}
    unique: dict[str, dict[str, set[str]]] = {s: defaultdict(set) for s in SPLITS}
    for text in samples:
        sample = json.loads(text)
        split, labels = sample["split"], sample["concepts"]
        number[split] += 1
        patients[split].add(sample["patient"] or sample["group"])
        absent = ontology.expand_absent(labels["absent"], labels["present"], labels["uncertain"])
        for state, ids in (
            (State.PRESENT, labels["present"]),
            (State.ABSENT, absent),
            (State.UNCERTAIN, labels["uncertain"]),
        ):
            for concept in ids:
                concepts[split][concept][state.value] += 1
        for level, texts in sample["texts"].items():
            instances[split][level] += len(texts)
            unique[split][level].update(entry["id"] for entry in texts)
    return {
        split: {
            "samples": number[split],
            "patients": len(patients[split]),
            "concepts": {
                c: {state.value: concepts[split][c][state.value] for state in State} for c in sorted(concepts[split])
            },
            "texts": {
                level: {"instances": instances[split][level], "unique": len(unique[split][level])} for level in levels
            },
        }
        for split in SPLITS
        if number[split]
    }


def leakage(samples: Iterable[str], pixels: Mapping[str, str], same: Mapping[str, str]) -> dict[str, int]:
    """How many patients, groups, equal pictures and photographs stand in two splits or more (0 in a sound dataset).

    pixels: pixel digest by uid. same: what copies of one photograph share, by uid, where sources name such (`links`).
    """
    kinds = ("patients", "groups", "pixels", "links")
    where: dict[str, dict[str, set[str]]] = {kind: defaultdict(set) for kind in kinds}
    for text in samples:
        sample = json.loads(text)
        if sample["patient"]:
            where["patients"][sample["patient"]].add(sample["split"])
        where["groups"][sample["group"]].add(sample["split"])
        where["pixels"][pixels[sample["uid"]]].add(sample["split"])
        where["links"][same.get(sample["uid"], sample["uid"])].add(sample["split"])
    return {kind: sum(len(splits) > 1 for splits in seen.values()) for kind, seen in where.items()}


OUTCOMES = ("kept", "duplicate", "quarantined", "excluded")


def source_counts(outcomes: Iterable[tuple[str, str]], sources: Sequence[str]) -> dict[str, dict[str, int]]:
    """read, kept, duplicate, quarantined, excluded per source, from (source, outcome) of every row read."""
    table: dict[str, Counter[str]] = {name: Counter() for name in sources}
    for source, outcome in outcomes:
        table[source]["read"] += 1
        table[source][outcome] += 1
    return {name: {key: counts[key] for key in ("read", *OUTCOMES)} for name, counts in table.items()}


def check_identity(counts: Mapping[str, Mapping[str, int]], planned: Counter[str]) -> None:
    """Hold `read = kept + duplicate + quarantined + excluded`, and kept = samples planned, for every source.

    Raises CorruptError with the figures: a sample was lost or counted twice, which is a fault of ours.
    """
    for name, count in counts.items():
        total = sum(count[outcome] for outcome in OUTCOMES)
        if count["read"] != total or count["kept"] != planned[name]:
            raise CorruptError(f"{name}: the counts do not add up: {dict(count)}, {planned[name]} samples planned")


def check_leakage(leaks: Mapping[str, int]) -> None:
    """Raise UsageError where patients, groups or pictures stand in two splits (counts of `leakage`)."""
    found = {kind: number for kind, number in leaks.items() if number}
    if found:
        raise UsageError(f"patients, groups or pictures stand in two splits: {found}. Set split.official to ignore.")
