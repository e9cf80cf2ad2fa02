"""`report.html`: a dataset on one page for people, its counts in words and pictures and samples to look at."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mgll_data.errors import CorruptError
from mgll_data.hierarchy import Hierarchy
from mgll_data.manifest import Manifest
from mgll_data.report_words import (
    ATTRIBUTES,
    CONCEPT_LEVELS,
    FLAGS,
    MODALITIES,
    QUARANTINE,
    SPLITS,
    TEXT_LEVELS,
    VALUES,
)
from mgll_data.schema import Ontology, State

if TYPE_CHECKING:
    import pyarrow as pa

TEMPLATE = "report.html.j2"
SAMPLES_PER_SOURCE = 6
THUMBNAIL = 160  # longest side in pixels
JPEG_QUALITY = 80
BAR = 1000  # units of a bar's full length
SLIVER = 6  # the least that a state which occurs takes of a bar, so that a rare finding can be seen
FOLD = 300  # characters of explanations or of a report above which a sample shows them folded


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sample that may be shown: its row in the plan, its most specific present concepts, those with a box."""

    row: int
    uid: str
    specific: frozenset[str]
    boxed: frozenset[str]


def report(
    manifest: Manifest,
    figures: Mapping[str, Any],
    plan: pa.Table,
    hierarchy: Hierarchy,
    read_image: Callable[[str, int, int], bytes],
) -> str:
    """One self-contained HTML file: style, bars and sample pictures are inside, nothing is fetched, no script runs.

    figures: content of stats.json. plan: schema `plan`. read_image(pack, offset, length): an image's encoded bytes.
    Equal inputs give equal text; no time, machine or path is in it. Raises CorruptError for a picture that cannot be
    decoded.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["n"] = lambda value: f"{value:,}"
    environment.filters["size"] = _size
    phantoms = [name for name, source in manifest.sources.items() if source["phantom"]]
    return environment.get_template(TEMPLATE).render(
        manifest=manifest,
        figures=figures,
        modality=MODALITIES[manifest.modality],
        phantoms=phantoms,
        all_phantoms=len(phantoms) == len(manifest.sources),
        private=[name for name, source in manifest.sources.items() if not source["redistributable"]],
        leaks=_leaks(manifest.leakage),
        split_names=SPLITS,
        quarantine=[(QUARANTINE.get(r, r), r, n) for r, n in sorted(manifest.quarantine.items(), key=_by_count)],
        text_levels=TEXT_LEVELS,
        quality={name: _quality(row) for name, row in figures["quality"].items()},
        attributes=_attributes(figures["attributes"]),
        samples=_samples(plan, hierarchy, manifest, read_image),
        **_concepts(manifest, figures),
    )


def bar(counts: Mapping[str, int]) -> list[tuple[str, int, int]]:
    """Parts (name, start, length) of a bar of `BAR` units, as long as their share; no part that occurs falls below
    `SLIVER`, which the longest part pays for."""
    total = sum(counts.values())
    lengths = {name: max(SLIVER, round(BAR * n / total)) for name, n in counts.items() if n}
    if lengths:
        longest = max(lengths, key=lambda name: lengths[name])
        lengths[longest] += BAR - sum(lengths.values())
    parts, start = [], 0
    for name, length in lengths.items():
        parts.append((name, start, length))
        start += length
    return parts


def choose(candidates: Collection[Candidate], number: int) -> list[Candidate]:
    """At most `number` samples that show different findings: for each concept, commonest first, that no sample chosen
    so far shows, the one with a box of it, then with the fewest other concepts. The rest go by uid."""
    frequency = Counter(concept for candidate in candidates for concept in candidate.specific)
    chosen: list[Candidate] = []
    shown: set[str] = set()
    for concept, _ in sorted(frequency.items(), key=_by_count):
        if len(chosen) < number and concept not in shown:
            having = (c for c in candidates if concept in c.specific)
            best = min(having, key=lambda c: (concept not in c.boxed, len(c.specific), c.uid))
            chosen.append(best)
            shown |= best.specific
    taken = {c.row for c in chosen}
    rest = sorted((c for c in candidates if c.row not in taken), key=lambda c: c.uid)
    return chosen + rest[: number - len(chosen)]


def _by_count(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]


def _size(number: int) -> str:
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def _leaks(leakage: Mapping[str, int]) -> list[str]:
    words = {
        "patients": ("patient", "patients"),
        "groups": ("group of related images", "groups of related images"),
        "pixels": ("picture", "pictures"),
        "links": ("photograph that several sources publish", "photographs that several sources publish"),
    }
    return [f"{n:,} {words[kind][n != 1]}" for kind, n in leakage.items() if n]


def _concepts(manifest: Manifest, figures: Mapping[str, Any]) -> dict[str, Any]:
    total = figures["samples"]
    sections: dict[str, list[dict[str, Any]]] = {level: [] for level in CONCEPT_LEVELS}
    unseen = []
    for row in figures["concepts"]:
        counts = {state.value: row[state.value] for state in (State.PRESENT, State.UNCERTAIN, State.ABSENT)}
        counts["unknown"] = total - sum(counts.values())
        per_split = [s["concepts"].get(row["id"], {}).get("present", 0) for s in manifest.splits.values()]
        if row["present"] or row["uncertain"]:
            made = {"id": row["id"], "name": row["name"], "counts": counts, "bar": bar(counts), "splits": per_split}
            sections[row["level"]].append(made)
        else:
            unseen.append(row["name"])
    for rows in sections.values():
        rows.sort(key=lambda row: (-row["counts"]["present"], -row["counts"]["uncertain"], row["id"]))
    listed = {CONCEPT_LEVELS[level]: rows for level, rows in sections.items() if rows}
    return {"concepts": listed, "unseen": sorted(unseen)}


def _attributes(by_source: Mapping[str, Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, list[Any]]]:
    """source -> attribute -> [(value, images, bar)], attributes that no source records left out."""
    recorded = [k for k in ATTRIBUTES if any(v != "unknown" for seen in by_source.values() for v in seen.get(k, {}))]
    made: dict[str, dict[str, list[Any]]] = {}
    for source, seen in by_source.items():
        made[source] = {}
        for key in recorded:
            counts = dict(seen.get(key, {}))
            total, unknown = sum(counts.values()), counts.pop("unknown", 0)
            values = [(VALUES.get(key, {}).get(v, v), n) for v, n in sorted(counts.items())]
            if key != "age_band":
                values.sort(key=_by_count)
            if values and unknown:
                values.append(("Not recorded", unknown))
            made[source][ATTRIBUTES[key]] = [(v, n, bar({"present": n, "unknown": total - n})) for v, n in values]
    return made


def _quality(row: Mapping[str, Any]) -> dict[str, Any]:
    flags = sorted(row["flags"].items(), key=_by_count)
    return {**row, "flags": [(FLAGS.get(flag, flag.replace("_", " ")), n) for flag, n in flags]}


def _samples(
    plan: pa.Table, hierarchy: Hierarchy, manifest: Manifest, read_image: Callable[[str, int, int], bytes]
) -> dict[str, list[dict[str, Any]]]:
    candidates: dict[str, list[Candidate]] = {name: [] for name in manifest.sources}
    for row, content in enumerate(plan["sample"]):
        sample = json.loads(content.as_py())
        specific = frozenset(hierarchy.ontology.lowest(sample["concepts"]["present"]))
        boxed = frozenset(region["concept"] for region in sample["regions"] if region["box"])
        candidates[sample["source"]].append(Candidate(row, sample["uid"], specific, boxed))
    made: dict[str, list[dict[str, Any]]] = {}
    for source, found in candidates.items():
        rows = plan.take([c.row for c in choose(found, SAMPLES_PER_SOURCE)]).to_pylist() if found else []
        made[source] = [
            _sample(json.loads(row["sample"]), hierarchy, read_image(row["pack"], row["offset"], row["length"]))
            for row in rows
        ]
    return made


def _sample(sample: Mapping[str, Any], hierarchy: Hierarchy, image: bytes) -> dict[str, Any]:
    def names(concepts: Iterable[str]) -> list[str]:
        return [hierarchy.concepts[concept].name for concept in concepts]

    uri, width, height = _picture(sample["uid"], image)
    boxed = list(dict.fromkeys(region["concept"] for region in sample["regions"] if region["box"]))
    boxes = []
    for region in sample["regions"]:
        if region["box"]:
            x0, y0, x1, y1 = (round(v * n, 1) for v, n in zip(region["box"], (width, height) * 2, strict=True))
            number = boxed.index(region["concept"]) % 4
            place = {"x": x0, "y": y0, "width": round(x1 - x0, 1), "height": round(y1 - y0, 1)}
            boxes.append({**place, "color": number, "name": names([region["concept"]])[0]})
    ontology: Ontology = hierarchy.ontology
    known = sample["concepts"]
    facts = [
        SPLITS[sample["split"]],
        *(VALUES["view"].get(v, v) for v in [sample["view"]] if v),
        *(f"{v} {'eye' if sample['modality'] == 'fundus' else 'side'}" for v in [sample["laterality"]] if v),
        *(VALUES["sex"].get(v, v) for v in [sample["attrs"]["sex"]] if v),
        *(f"age {v}" for v in [sample["attrs"]["age_band"]] if v),
    ]
    return {
        "uid": sample["uid"],
        "facts": facts,
        "image": {"uri": uri, "width": width, "height": height},
        "boxes": boxes,
        "legend": [(number % 4, name) for number, name in enumerate(names(boxed))],
        "texts": [
            {
                "name": TEXT_LEVELS[level][0],
                "brief": not any(text["concepts"] for text in texts),
                "folded": level in ("explanatory", "report") and sum(len(text["text"]) for text in texts) > FOLD,
                "texts": [(text["text"], names(text["concepts"])) for text in texts],
            }
            for level, texts in sample["texts"].items()
        ],
        "labels": {
            "Present": names(sorted(ontology.lowest(known["present"]))),
            "Uncertain": names(sorted(ontology.lowest(known["uncertain"]))),
            "Absent": names(known["absent"]),
        },
    }


def _picture(uid: str, data: bytes) -> tuple[str, int, int]:
    """A small JPEG of the picture as a data URI, with its width and height in pixels."""
    import cv2
    import numpy as np

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYCOLOR) if data else None
    if pixels is None:
        raise CorruptError(f"{uid}: its stored picture cannot be decoded: delete the build's cache and build again")
    height, width = pixels.shape[:2]
    shrink = min(1.0, THUMBNAIL / max(height, width))
    width, height = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    done, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    if not done:
        raise CorruptError(f"{uid}: no JPEG could be made of its picture")
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii"), width, height
