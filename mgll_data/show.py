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
    for number, name in enumerate(columns):
        left = number == 0 or name in ("access", "licence")
        whole = (number == 0 and "licence" in columns) or name in ("images", "labels", "access")
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=whole)
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
    if report.syntaxes:
        listed = _table("transfer syntax", "files", "decoder")
        for syntax in report.syntaxes:
            missing = f"none: pip install {syntax.install}" if syntax.install else "none known"
            listed.add_row(syntax.name, str(syntax.files), syntax.decoder or missing)
        console.print(listed)
        console.print()
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


def show_conflicts(figures: Mapping[str, Any]) -> None:
    """Which labels contradict themselves, by source: how many images, why, and some of their uids."""
    console = Console(highlight=False)
    for source, found in figures["conflicts"].items():
        console.print(f"{source}: {found['images']} images", style="bold", markup=False)
        for entry in found["reasons"]:
            console.print(f"  {entry['images']:>6}  {entry['reason']}", markup=False)
            console.print(f"          {' '.join(entry['examples'][:2])}", style="dim", markup=False)
    if not figures["conflicts"]:
        console.print("no image has labels that contradict each other")
    else:
        console.print("\nAll of them, with files and lines: conflicts.parquet in the build's cache folder")


def show_sources(sources: Sequence[tuple[SourceCard, Mapping[str, Any]]]) -> None:
    """All sources, a line each, with the summary of their label tables."""
    console = Console(highlight=False)
    for modality in dict.fromkeys(card.modality for card, _ in sources):
        mine = [(card, labels) for card, labels in sources if card.modality == modality]
        table = _table("name", "images", "labels", "access", "licence", title=f"{modality} ({len(mine)})")
        for card, labels in mine:
            covered = f"{labels['mapped']}/{labels['words']}"
            table.add_row(card.name, f"{card.images:,}", covered, card.access, card.licence)
        console.print(table)
        console.print()
    console.print("labels: of the words that the source uses, those that say something of a concept")
    console.print(f"{len(sources)} sources. How to get and lay out one: mgll-data sources NAME")


def show_card(card: SourceCard, labels: Mapping[str, Any], reader: str) -> None:
    """All of one source. labels: summary of its label table. reader: what its `read` says of itself."""
    console = Console(highlight=False)
    console.print(f"{card.title} ({card.name})\n", markup=False, soft_wrap=True)
    relations = ", ".join(f"{name} {number}" for name, number in labels["relations"].items() if number)
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
        "words": f"{labels['mapped']} of {labels['words']} speak of {labels['concepts']} concepts ({relations})",
    }
    if card.votes:
        rows["readers"] = "several; the recipe's labels.votes (majority, any, all) makes states of what they saw"
    if card.derives:
        rows["pictures"] = f"those of {', '.join(card.derives)}, whole or in part: in one recipe each counts once"
    grid = Table(box=None, pad_edge=False, show_header=False)
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for key, value in rows.items():
        grid.add_row(key, value)
    console.print(grid)
    sections = {
        "Layout": _reflow(card.layout, console.width),
        "What is read": _reflow(reader, console.width),
        "In the recipe": snippet(card),
        "Cite": card.cite,
    }
    for heading, text in sections.items():
        console.print(f"\n{heading}\n", style="bold")
        console.print(text, markup=False, soft_wrap=True)


def snippet(card: SourceCard) -> str:
    """The lines of a recipe that take this source in."""
    lines = ["sources:", f'  - {{use: {card.name}, root: "${{MGLL_DATA:-data}}/{card.name}"}}']
    if not card.open_licence:
        lines.append(f"licences: {{accept: [{card.licence}]}}")
    return "\n".join(lines)
