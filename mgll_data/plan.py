"""The plan: every sample of every shard, decided before a byte is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mgll_data.harmonise import LabelMap
from mgll_data.schema import CONTRACT_VERSION, SPLITS, State, arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 2
EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp"}


@dataclass(frozen=True)
class Joined:
    """All that is known of one kept image, gathered from the stages' tables (rows as dicts).

    copies: of each dropped copy its record and the INDEX row that places its regions, see `merge.fits`.
    """

    record: Mapping[str, Any]
    index: Mapping[str, Any]
    concepts: Mapping[str, Any]
    texts: Sequence[Mapping[str, Any]]
    group: str
    split: str
    copies: Sequence[tuple[Mapping[str, Any], Mapping[str, Any] | None]] = ()


def sample_json(
    item: Joined, modality: str, licences: Mapping[str, str], maps: Mapping[str, LabelMap]
) -> dict[str, Any]:
    """The JSON member of a sample, contract version 1 (`schema.sample_problems` holds it to that).

    licences, maps: by source. Where the labels of several sources are in, all of their licences hold.
    """
    record, index = item.record, item.index
    sources = item.concepts["sources"]
    boxes: list[dict[str, Any]] = []
    for said, placed in ((record, index), *item.copies):
        found = regions(json.loads(said["regions"]), placed, maps[said["source"]]) if placed else []
        boxes += [box for box in found if box not in boxes]
    texts: dict[str, list[dict[str, Any]]] = {}
    for row in item.texts:
        about = {"about": row["about"]} if row["about"] else {}
        entry = {"id": row["id"], "text": row["text"], "concepts": row["concepts"], **about}
        texts.setdefault(row["level"], []).append(entry)
    return {
        "v": CONTRACT_VERSION,
        "uid": record["uid"],
        "source": record["source"],
        "modality": modality,
        "split": item.split,
        "view": record["view"] or index["view"],
        "laterality": record["laterality"] or index["laterality"],
        "patient": record["patient"],
        "group": item.group,
        "licence": " AND ".join(dict.fromkeys(licences[source] for source in sources)),
        "attrs": {
            **json.loads(record["attrs"]),
            "sex": record["sex"],
            "age_band": record["age_band"],
            "device": record["device"],
            "sources": sources,
            "view_from": "label table" if record["view"] else index["view_from"],
        },
        "concepts": {state.value: item.concepts[state.value] for state in State},
        "qualifiers": json.loads(item.concepts["qualifiers"]),
        "regions": boxes,
        "texts": texts,
    }


def regions(raw: Iterable[Mapping[str, Any]], index: Mapping[str, Any], labels: LabelMap) -> list[dict[str, Any]]:
    """Boxes in pixels of the original as fractions of the stored image, under the concept that their word means.

    That is the one it means exactly, else a broader one. What the crop cut away is clipped; a box wholly outside, or
    under a word that makes no concept present, is left out. Masks (`rle`) are null until a source brings some.
    """
    x0, y0 = index["crop_x0"], index["crop_y0"]
    width, height = index["crop_x1"] - x0, index["crop_y1"] - y0
    placed = []
    for region in raw:
        rules = labels.lookup(region["label"]) or ()
        meant = {r.relation: r.concept for r in reversed(rules) if r.asserts is State.PRESENT}
        concept = meant.get("exact") or meant.get("broader")
        left, top, right, bottom = region["box"]
        box = [
            round(min(max(value, 0.0), 1.0), 6)
            for value in ((left - x0) / width, (top - y0) / height, (right - x0) / width, (bottom - y0) / height)
        ]
        if concept is not None and box[0] < box[2] and box[1] < box[3]:
            placed.append({"concept": concept, "box": box, "rle": None})
    return placed


def caption(sample: Mapping[str, Any], levels: Sequence[str]) -> str:
    """The sample's one caption for stock loaders: its first text of the finest level that it has."""
    for level in reversed(levels):
        for text in sample["texts"].get(level, ()):
            return str(text["text"])
    return ""


def plan(
    items: Iterable[Joined],
    *,
    modality: str,
    licences: Mapping[str, str],
    maps: Mapping[str, LabelMap],
    levels: Sequence[str],
    seed: int,
    per_shard: int,
    image_format: str,
) -> pa.Table:
    """PLAN: samples of each split shuffled by sha256(seed, uid), cut into shards of `per_shard`.

    Shuffling here mixes the sources through all shards, so a reader needs only a small window of its own.
    """
    import pyarrow as pa

    by_split: dict[str, list[tuple[str, Joined]]] = {split: [] for split in SPLITS}
    for item in items:
        uid = item.record["uid"]
        by_split[item.split].append((hashlib.sha256(f"{seed}\x00{uid}".encode()).hexdigest(), item))
    rows = []
    for split, members in by_split.items():
        for position, (_, item) in enumerate(sorted(members, key=lambda pair: pair[0])):
            source = item.record["source"]
            sample = sample_json(item, modality, licences, maps)
            rows.append(
                {
                    "split": split,
                    "shard": position // per_shard,
                    "position": position % per_shard,
                    "uid": item.record["uid"],
                    "source": source,
                    "pack": item.index["pack"],
                    "offset": item.index["offset"],
                    "length": item.index["length"],
                    "extension": EXTENSIONS[image_format],
                    "sample": json.dumps(sample, ensure_ascii=False, separators=(",", ":")),
                    "caption": caption(sample, levels),
                }
            )
    return pa.Table.from_pylist(rows, schema=arrow_schema("plan"))
