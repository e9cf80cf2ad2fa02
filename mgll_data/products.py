"""Writes what stands beside the shards of a finished dataset, the manifest last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mgll_data import card, croissant, report, stats
from mgll_data.manifest import FILE, Manifest
from mgll_data.setup import Setup
from mgll_data.stage import write_json, write_table, writing
from mgll_data.vocabulary import vocabulary

if TYPE_CHECKING:
    import pyarrow as pa


def write(
    folder: Path,
    manifest: Manifest,
    setup: Setup,
    plan: pa.Table,
    index: pa.Table,
    quarantine: pa.Table,
    labels: pa.Table,
    contradictions: pa.Table,
    read_image: Callable[[str, int, int], bytes],
) -> None:
    """vocabulary.json, stats.json, quarantine.parquet, labels.parquet, sources.bib, README.md, croissant.json,
    report.html and the manifest. labels.parquet is the trace of every label to its source's own word.

    Nothing here depends on time, place or machine: equal builds write equal files.
    """
    (folder / FILE).unlink(missing_ok=True)  # until the last file is written the folder is not finished
    words = vocabulary(
        setup.hierarchy, setup.templates, modality=manifest.modality, recipe=manifest.name, levels=manifest.levels
    )
    write_json(folder / "vocabulary.json", words)
    write_table(quarantine, folder / "quarantine.parquet")
    write_table(_trace(labels, plan), folder / "labels.parquet")
    figures = stats.of_build(manifest, plan, index, setup.hierarchy, contradictions)
    write_json(folder / "stats.json", figures)
    _write_text(folder / "sources.bib", card.bibliography(manifest))
    _write_text(folder / "README.md", card.card(manifest, figures))
    write_json(folder / "croissant.json", croissant.croissant(manifest))
    _write_text(folder / "report.html", report.report(manifest, figures, plan, setup.hierarchy, read_image))

    write_json(folder / FILE, manifest.to_json())


def _trace(labels: pa.Table, plan: pa.Table) -> pa.Table:
    """LABELS rows of the samples that are in the dataset, without words that were ignored."""
    import pyarrow.compute as pc

    mine = pc.is_in(labels["uid"], value_set=plan["uid"].combine_chunks())
    return labels.filter(pc.and_(mine, pc.not_equal(labels["relation"], "unmapped")))


def _write_text(path: Path, text: str) -> None:
    with writing(path) as part:
        part.write_text(text, encoding="utf-8")
