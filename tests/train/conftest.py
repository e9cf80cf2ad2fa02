"""Tiny valid datasets, written by hand per the contract: a check on the reader that shares no code with the writer."""

from __future__ import annotations

import hashlib
import io
import json
import resource
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

SLUGS = ("dot", "bar", "ring")
FRAMES = ("Picture with {}.", "There is {} here.")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same random weights whichever tests ran before."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process grows over `size` bytes inside: as on a disk that fills up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def uid(source: str, number: int) -> str:
    return f"{source}-{hashlib.sha256(f'{source}/{number}'.encode()).hexdigest()[:16]}"


def text(level: str, words: str, concepts: list[str]) -> dict[str, Any]:
    return {
        "id": "t-" + hashlib.sha256(f"{level}\0{words}".encode()).hexdigest()[:16],
        "text": words,
        "concepts": concepts,
    }


def draw(present: set[str], rng: np.random.Generator, side: tuple[int, int], grey: bool) -> np.ndarray:
    """Noise, and one bright shape of its own place for every finding that is present."""
    height, width = side
    picture = rng.normal(70, 12, (height, width)).clip(0, 255).astype(np.uint8)
    unit = min(height, width)
    if "dot" in present:
        cv2.circle(picture, (unit // 4, unit // 4), unit // 7, 230, -1)
    if "bar" in present:
        cv2.rectangle(picture, (unit // 2, unit // 8), (unit - 8, unit // 4), 230, -1)
    if "ring" in present:
        cv2.circle(picture, (unit // 2, 3 * unit // 4), unit // 7, 230, max(2, unit // 24))
    return picture if grey else cv2.merge([picture // 3, picture // 2, picture])


def vocabulary(modality: str, name: str) -> dict[str, Any]:
    def concept(slug: str, level: str, parents: list[str], nouns: list[str]) -> dict[str, Any]:
        kind = "category" if level == "family" else "diagnostic"
        prompts = {kind: [frame.format(noun) for noun in nouns for frame in FRAMES]} if nouns else {}
        return {
            "id": f"{modality}.{slug}",
            "name": slug,
            "level": level,
            "parents": [f"{modality}.{parent}" for parent in parents],
            "exclusive": [],
            "negates": f"{modality}.bar" if slug == "no_bar" else None,
            "prompts": prompts,
        }

    concepts = [
        concept("root", "root", [], []),
        concept("round", "family", ["root"], ["a round thing"]),
        concept("dot", "finding", ["round"], ["a dot", "a filled disc"]),
        concept("ring", "finding", ["round"], ["a ring", "a circle"]),
        concept("bar", "finding", ["root"], ["a bar", "a box"]),
        concept("no_bar", "negation", ["root"], ["no bar"]),
    ]
    return {"v": 1, "modality": modality, "recipe": name, "concepts": concepts, "levels": ["category", "diagnostic"]}


def sample(
    modality: str, source: str, number: int, split: str, rng: np.random.Generator
) -> tuple[dict[str, Any], set[str]]:
    present = {slug for slug in SLUGS if rng.random() < 0.5}
    unknown = {slug for slug in SLUGS if slug not in present and rng.random() < 0.2}
    closed = present | ({"round"} if present & {"dot", "ring"} else set())
    absent = {slug for slug in SLUGS if slug not in present | unknown}
    if {"dot", "ring"} <= absent:
        absent = absent - {"dot", "ring"} | {"round"}  # stored as the topmost
    if "bar" in absent:
        closed = closed | {"no_bar"}
    full = {slug: f"{modality}.{slug}" for slug in (*SLUGS, "round", "no_bar")}
    nouns = {"dot": "a dot", "ring": "a ring", "bar": "a bar"}
    texts: dict[str, Any] = {"category": [], "diagnostic": []}
    if "round" in closed:
        texts["category"].append(text("category", "There is a round thing here.", [full["round"]]))
    for slug in sorted(present):
        texts["diagnostic"].append(text("diagnostic", FRAMES[number % 2].format(nouns[slug]), [full[slug]]))
    if "no_bar" in closed:
        texts["diagnostic"].append(text("diagnostic", FRAMES[number % 2].format("no bar"), [full["no_bar"]]))
    meta = {
        "v": 1,
        "uid": uid(source, number),
        "source": source,
        "modality": modality,
        "split": split,
        "view": None,
        "laterality": None,
        "patient": f"p-{number // 2:016x}",
        "group": f"g-{number // 2:016x}",
        "licence": "CC0-1.0",
        "attrs": {"sex": None, "age_band": None, "device": None},
        "concepts": {
            "present": sorted(full[s] for s in closed),
            "absent": sorted(full[s] for s in absent),
            "uncertain": [],
        },
        "regions": [],
        "texts": texts,
    }
    return meta, present


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def write_dataset(
    folder: Path,
    *,
    modality: str = "fundus",
    name: str = "shapes",
    counts: dict[str, int] | None = None,
    per_shard: int = 10,
    side: tuple[int, int] = (64, 64),
    suffix: str = ".jpg",
    seed: int = 0,
) -> Path:
    """A whole dataset: vocabulary.json, tars of every split, manifest.json."""
    counts = counts or {"train": 40, "val": 0, "test": 20}
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary(modality, name)))
    splits: dict[str, Any] = {}
    number = 0
    for split, count in counts.items():
        shards = []
        for start in range(0, count, per_shard):
            file = folder / split / f"{start // per_shard:06d}.tar"
            file.parent.mkdir(exist_ok=True)
            with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as tar:
                for _ in range(start, min(start + per_shard, count)):
                    meta, present = sample(modality, name, number, split, rng)
                    picture = draw(present, rng, side, modality == "cxr")
                    ok, encoded = cv2.imencode(suffix, picture)
                    assert ok
                    add(tar, meta["uid"] + suffix, encoded.tobytes())
                    add(tar, meta["uid"] + ".json", json.dumps(meta).encode())
                    add(
                        tar, meta["uid"] + ".txt", f"A picture with {', '.join(sorted(present)) or 'nothing'}.".encode()
                    )
                    number += 1
            shards.append(
                {
                    "file": f"{split}/{file.name}",
                    "samples": min(start + per_shard, count) - start,
                    "bytes": file.stat().st_size,
                    "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                }
            )
        splits[split] = {"samples": count, "patients": (count + 1) // 2, "concepts": {}, "texts": {}, "shards": shards}
    content = hashlib.sha256(json.dumps(splits).encode()).hexdigest()
    manifest = {
        "v": 1,
        "name": name,
        "version": "0.1.0",
        "id": f"0.1.0-{content[:8]}",
        "modality": modality,
        "created_with": {"mgll": "0.1.0"},
        "recipe": {},
        "recipe_sha256": "0" * 64,
        "vocab_sha256": {},
        "secret_sha256": None,
        "levels": ["category", "diagnostic"],
        "sources": {},
        "splits": splits,
        "leakage": {"patients": 0, "groups": 0, "pixels": 0},
        "quarantine": {},
        "content_sha256": content,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., Path]:
    """`make_dataset("name", **options of write_dataset)` writes a dataset under tmp_path and gives its folder."""

    def make(name: str = "shapes", **options: Any) -> Path:
        return write_dataset(tmp_path / "data" / name, name=name, **options)

    return make


def write_model(folder: Path) -> str:
    """Path of a model config that trains in milliseconds a step."""
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    path = folder / "small.json"
    path.write_text(json.dumps(config))
    return str(path)


@pytest.fixture
def small_model(tmp_path: Path) -> str:
    """Path of a model config that trains in milliseconds a step."""
    return write_model(tmp_path)
