"""What a build may be: licences accepted, the output folder its own, the manifest that names it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mgll_data import counts
from mgll_data.errors import UsageError
from mgll_data.manifest import FILE, Manifest
from mgll_data.progress import Progress
from mgll_data.recipe import Recipe
from mgll_data.records import OpenSource, key_bytes
from mgll_data.setup import Setup
from mgll_data.shard import Shard, content_sha256

if TYPE_CHECKING:
    import pyarrow as pa

TOOLS = ("numpy", "opencv-python-headless", "pydicom", "pyarrow")


def check_licences(found: list[OpenSource], accepted: tuple[str, ...]) -> None:
    """Raise UsageError for every source whose licence asks for consent that was not given."""
    problems = [
        f"{s.card.name}: its licence ({s.card.licence}) asks for more than attribution: read it at {s.card.url}, then "
        f"list {s.card.licence} under licences.accept or pass --accept-licence {s.card.licence}"
        for s in found
        if not s.card.open_licence and s.card.licence not in accepted
    ]
    if problems:
        raise UsageError(problems)


def check_folder(folder: Path, recipe: Recipe, progress: Progress) -> None:
    """Never mix two configurations in silence: refuse a folder that is not a build's, name every change of recipe."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder}: a file stands where the dataset goes: move it away or use another --work")
    kept = {"train", "val", "test", "README.md", "sources.bib", "report.html"}
    foreign = sorted(
        p.name for p in folder.iterdir() if p.name not in kept and p.suffix not in (".json", ".parquet", ".part")
    )
    if foreign:
        raise UsageError(f"{folder}: holds files that are not a build's ({', '.join(foreign[:5])}): use another --work")
    manifest = folder / FILE
    if not manifest.is_file():
        return
    try:
        before = Manifest.load(folder)
    except ValueError as error:
        raise UsageError(f"{error}: delete {manifest} to build here again") from error
    changed = differences(before.recipe, recipe.identity())
    if changed:
        progress.note(f"the recipe has changed since {before.id} was built here; what depends on it is made again:")
        for line in changed:
            progress.note(f"    {line}")


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """Every value that differs between two resolved recipes, as `key: old -> new`."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
        return [line for k in keys for line in differences(old.get(k), new.get(k), f"{where}.{k}" if where else k)]
    return [] if old == new else [f"{where}: {json.dumps(old)} -> {json.dumps(new)}"]


def manifest(
    recipe: Recipe,
    setup: Setup,
    found: list[OpenSource],
    source_counts: Mapping[str, Mapping[str, int]],
    quarantine: dict[str, int],
    plan: pa.Table,
    index: pa.Table,
    shards: Mapping[str, list[Shard]],
    same: Mapping[str, str],
) -> Manifest:
    """The manifest of a finished build. It names no path, no time and no machine, so equal builds have equal ones."""
    samples = plan["sample"].to_pylist()
    pixels = dict(zip(index["uid"].to_pylist(), index["pixel_sha256"].to_pylist(), strict=True))
    splits = counts.split_counts(samples, setup.hierarchy.ontology, recipe.texts.levels)
    for split, content in splits.items():
        content["shards"] = [s.__dict__ for s in shards[split]]
    digest = content_sha256([s for listed in shards.values() for s in listed])
    return Manifest(
        v=1,
        name=recipe.name,
        version=recipe.version,
        id=f"{recipe.version}-{digest[:8]}",
        modality=recipe.modality,
        created_with={"mgll": _version("mgll"), "python": platform.python_version(), **{t: _version(t) for t in TOOLS}},
        recipe=recipe.identity(),
        recipe_sha256=recipe.sha256(),
        vocab_sha256=setup.digests,
        secret_sha256=key_bytes(recipe.seed)[1],
        levels=list(recipe.texts.levels),
        sources={s.card.name: _source(s, source_counts[s.card.name]) for s in found},
        splits=splits,
        leakage=counts.leakage(samples, pixels, same),
        quarantine=quarantine,
        content_sha256=digest,
    )


def _source(source: OpenSource, count: Mapping[str, int]) -> dict[str, Any]:
    card = source.card
    return {
        "title": card.title,
        "release": card.release,
        "licence": card.licence,
        "access": card.access,
        "redistributable": card.redistributable,
        "url": card.url,
        "cite": card.cite,
        "label_origin": card.label_origin,
        "phantom": source.phantom,
        **count,
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
