"""`stats.json`: the figures of a build that people ask for, from its manifest and plan."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mgll_data import conflicts
from mgll_data.errors import UsageError
from mgll_data.hierarchy import Hierarchy
from mgll_data.manifest import FILE, Manifest
from mgll_data.schema import State

if TYPE_CHECKING:
    import pyarrow as pa


def of_build(
    manifest: Manifest, plan: pa.Table, index: pa.Table, hierarchy: Hierarchy, contradictions: pa.Table
) -> dict[str, Any]:
    """Figures over all splits.

    concepts: per concept name, level and number of images per state. attributes: per source number of images by view,
    laterality, sex and age band. texts: per level instances, different texts and the commonest.
    conflicts: per source (or sources of one photograph) the images whose labels contradict themselves, and how.
    quality: per source mean grey, contrast and sharpness (medians), and how often each flag was raised.
    """
    totals: dict[str, Counter[str]] = defaultdict(Counter)
    for split in manifest.splits.values():
        for concept, states in split["concepts"].items():
            totals[concept].update(states)
    labelled = [concept for concept in hierarchy.concepts.values() if concept.id in totals]
    attributes: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    texts: dict[str, Counter[str]] = defaultdict(Counter)
    for content in plan["sample"].to_pylist():
        sample = json.loads(content)
        seen = attributes[sample["source"]]
        for key in ("view", "laterality"):
            seen[key][sample[key] or "unknown"] += 1
        for key in ("sex", "age_band"):
            seen[key][sample["attrs"][key] or "unknown"] += 1
        for level, entries in sample["texts"].items():
            texts[level].update(entry["text"] for entry in entries)
    return {
        "name": manifest.name,
        "id": manifest.id,
        "samples": sum(split["samples"] for split in manifest.splits.values()),
        "splits": {name: split["samples"] for name, split in manifest.splits.items()},
        "sources": {
            name: {key: source[key] for key in ("read", "kept", "duplicate", "quarantined", "excluded")}
            for name, source in manifest.sources.items()
        },
        "quarantine": manifest.quarantine,
        "leakage": manifest.leakage,
        "concepts": [
            {
                "id": concept.id,
                "name": concept.name,
                "level": concept.level,
                **{state.value: totals[concept.id][state.value] for state in State},
            }
            for concept in sorted(labelled, key=lambda c: -totals[c.id]["present"])
        ],
        "conflicts": conflicts.figures(contradictions),
        "attributes": {
            source: {key: dict(sorted(values.items())) for key, values in seen.items()}
            for source, seen in sorted(attributes.items())
        },
        "texts": {
            level: {
                "instances": texts[level].total(),
                "unique": len(texts[level]),
                "commonest": [{"text": text, "count": n} for text, n in _commonest(texts[level], 10)],
            }
            for level in manifest.levels
        },
        "quality": _quality(index, set(plan["uid"].to_pylist())),
    }


def newest_build(work: Path) -> Path:
    """The finished dataset under `work` whose manifest was written last. Raises UsageError if there is none."""
    found = sorted(work.glob(f"*/{FILE}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise UsageError(f"no finished build under {work}: name a dataset, or build one with `mgll-data build`")
    return found[-1].parent


def _commonest(counter: Counter[str], number: int) -> list[tuple[str, int]]:
    # most_common() keeps insertion order among equals, which depends on the plan; ties go by the text instead.
    return sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))[:number]


def _quality(index: pa.Table, kept: set[str]) -> dict[str, Any]:
    from statistics import median

    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in index.select(["uid", "source", "mean", "std", "sharpness", "flags"]).to_pylist():
        if row["uid"] in kept:
            rows[row["source"]].append(row)
    return {
        source: {
            **{key: round(median(row[key] for row in members), 2) for key in ("mean", "std", "sharpness")},
            "flags": dict(sorted(Counter(flag for row in members for flag in row["flags"]).items())),
        }
        for source, members in sorted(rows.items())
    }
