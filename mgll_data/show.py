"""Tables for the terminal, made to fit 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from mgll_data.manifest import Manifest
    from mgll_data.pipeline import Report
    from mgll_data.sources.base import SourceCard

OUTCOMES = ("read", "kept", "duplicate", "quarantined", "excluded")


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    words = {"kind", "access", "licence"}
    for number, name in enumerate(columns):
        left = number == 0 or name in words
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=name in words)
    return table


def _reflow(text: str, width: int) -> str:
    """Paragraphs filled to the width; a block with an indented line is a folder tree and stays as it is."""
    blocks = text.split("\n\n")
    filled = [
        b if "\n " in b else textwrap.fill(" ".join(b.split("\n")), width, break_on_hyphens=False) for b in blocks
    ]
    return "\n\n".join(filled)


def show_build(report: Report) -> None:
    """What a build did."""
    console = Console(highlight=False)
    table = _table("source", *OUTCOMES)
    for name, count in report.sources.items():
        table.add_row(name, *(str(count[key]) for key in OUTCOMES))
    console.print(table)
    console.print()
    for reason, number in report.quarantine.items():
        console.print(f"quarantined  {reason}: {number}", markup=False)
    if report.conflicts:
        console.print(f"labels       {report.conflicts} images had contradicting labels (the weaker claim was kept)")
    splits = ", ".join(f"{name} {number}" for name, number in report.splits.items())
    console.print(f"splits       {splits}", markup=False)
    if report.dry_run:
        console.print("dry run      nothing was decoded or written; duplicates and broken images show only in a build")
        return
    console.print(f"images       {report.images_decoded} decoded, {report.images_reused} from the store")
    console.print(f"shards       {report.shards_written} written, {report.shards_reused} unchanged")
    console.print(f"dataset      {report.id} in {report.folder}", markup=False, soft_wrap=True)
    console.print(f"report       {report.folder}/report.html", markup=False, soft_wrap=True)
    if report.published:
        console.print(f"published    {report.published}", markup=False, soft_wrap=True)


def show_stats(folder: Path, manifest: Manifest, figures: Mapping[str, Any]) -> None:
    """What is in a dataset: sources, splits, the concepts by number of images."""
    console = Console(highlight=False)
    console.print(f"{manifest.name} {manifest.id} ({manifest.modality}) in {folder}", markup=False, soft_wrap=True)
    console.print()
    table = _table("source", *OUTCOMES)
    for name, source in manifest.sources.items():
        table.add_row(name + (" (phantom)" if source["phantom"] else ""), *(str(source[key]) for key in OUTCOMES))
    console.print(table)
    console.print()
    table = _table("split", "samples", "patients", "shards")
    for name, split in manifest.splits.items():
        table.add_row(name, str(split["samples"]), str(split["patients"]), str(len(split["shards"])))
    console.print(table)
    console.print()
    table = _table("level", "texts", "different")
    for level in manifest.levels:
        table.add_row(level, str(figures["texts"][level]["instances"]), str(figures["texts"][level]["unique"]))
    console.print(table)
    console.print()
    table = _table("concept", "present", "absent", "uncertain")
    for row in figures["concepts"]:
        if row["present"] or row["uncertain"]:
            table.add_row(row["name"], str(row["present"]), str(row["absent"]), str(row["uncertain"]))
    console.print(table)


def show_sources(cards: Sequence[SourceCard]) -> None:
    """All sources, a line each."""
    console = Console(highlight=False)
    table = _table("name", "kind", "images", "access", "licence")
    for card in cards:
        table.add_row(card.name, card.modality, f"{card.images:,}", card.access, card.licence)
    console.print(table)
    console.print(f"\n{len(cards)} sources. How to get and lay out one: mgll-data sources NAME")


def show_card(card: SourceCard) -> None:
    """All of one source."""
    console = Console(highlight=False)
    console.print(f"{card.title} ({card.name})\n", markup=False, soft_wrap=True)
    rows = {
        "modality": card.modality,
        "images": f"{card.images:,} as published",
        "release": card.release,
        "licence": card.licence + ("" if card.open_licence else "  (list it under licences.accept)"),
        "access": card.access,
        "sharing": "may be redistributed" if card.redistributable else "must not be redistributed",
        "get it": card.url,
        "labels": card.label_origin,
        "judges": (", ".join(card.scope) or "nothing") + f" in every image (unmentioned means {card.silence})",
    }
    grid = Table(box=None, pad_edge=False, show_header=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for key, value in rows.items():
        grid.add_row(key, value)
    console.print(grid)
    console.print("\nLayout\n", style="bold")
    console.print(_reflow(card.layout, console.width), markup=False, soft_wrap=True)
    console.print("\nCite\n", style="bold")
    console.print(card.cite, markup=False, soft_wrap=True)
