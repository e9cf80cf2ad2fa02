"""The command line `mgll-data`: typer commands that parse, call and print; no logic."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Builds multi-granular image-text datasets from public fundus and chest X-ray collections.",
    epilog="Start with: mgll-data sources, then mgll-data build --recipe recipes/xray.yaml --skip-missing",
)


class Modality(StrEnum):
    """What a source holds."""

    FUNDUS = "fundus"
    CXR = "cxr"


Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Dataset = Annotated[Path, typer.Argument(help="Folder of a build or of a published dataset.")]


@app.command()
def build(
    recipe: Annotated[Path, typer.Option(help="The recipe: a YAML file, see recipes/.")],
    work: Annotated[Path, typer.Option(help="Where datasets and their cache are built.")] = Path("build"),
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 means one for each processor.")] = 0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read labels, count and split; decode and write no image.")
    ] = False,
    skip_missing: Annotated[
        bool, typer.Option("--skip-missing", help="Build without the sources that are not on disk.")
    ] = False,
    accept_licence: Annotated[list[str] | None, typer.Option(help="Accept this licence id; repeatable.")] = None,
    retry_quarantine: Annotated[bool, typer.Option("--retry-quarantine", help="Try quarantined images again.")] = False,
    json_: Json = False,
) -> None:
    """Build a dataset from a recipe; run it again to resume or to take in what changed.

    Example: mgll-data build --recipe recipes/fundus.yaml --skip-missing
    """
    import os
    from dataclasses import asdict

    from mgll_data import recipe as recipes
    from mgll_data.pipeline import build as run
    from mgll_data.progress import Progress

    report = run(
        recipes.load(recipe),
        work,
        workers=workers or os.cpu_count() or 1,
        dry_run=dry_run,
        skip_missing=skip_missing,
        accept=tuple(accept_licence or ()),
        retry_quarantine=retry_quarantine,
        progress=Progress(quiet=json_),
    )
    if json_:
        _print_json(asdict(report))
        return
    from mgll_data.show import show_build

    show_build(report)


@app.command()
def stats(
    path: Annotated[Path | None, typer.Argument(help="A dataset; without it the newest build under ./build.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also copy the HTML report to this file.")] = None,
    conflicts: Annotated[
        bool, typer.Option("--conflicts", help="Show whose labels contradict themselves, and where.")
    ] = False,
    json_: Json = False,
) -> None:
    """Say what is in a dataset: sources, splits, concepts, texts.

    Example: mgll-data stats published/mgll-xray
    """
    import shutil

    from mgll_data.stats import newest_build
    from mgll_data.validate import load

    folder, manifest = load(path or newest_build(Path("build")))
    figures = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / "report.html", html)
    if json_:
        _print_json(figures["conflicts"] if conflicts else figures)
        return
    from mgll_data.show import show_conflicts, show_stats

    if conflicts:
        show_conflicts(figures)
    else:
        show_stats(folder, manifest, figures)


@app.command()
def validate(
    path: Dataset,
    deep: Annotated[bool, typer.Option("--deep", help="Also read every sample, not only sizes and digests.")] = False,
    json_: Json = False,
) -> None:
    """Check a dataset against its manifest; exit 3 if it differs.

    Example: mgll-data validate published/mgll-xray --deep
    """
    from mgll_data.progress import Progress
    from mgll_data.validate import load
    from mgll_data.validate import validate as run

    _, manifest = load(path)
    total = sum(len(manifest.shards(split)) for split in manifest.splits)
    with Progress(quiet=json_).stage("validate", total, "shards") as advance:
        verdict = run(path, deep=deep, progress=advance)
    if json_:
        _print_json(verdict.to_json())
    else:
        for problem in verdict.problems:
            print(problem)
        print(f"{verdict.id}: {verdict.samples} samples in {verdict.shards} shards, {len(verdict.problems)} problems")
    if verdict.problems:
        raise typer.Exit(3)


@app.command()
def publish(
    path: Dataset,
    to: Annotated[str, typer.Option(help="A folder or an fsspec URL.")],
    public: Annotated[
        bool, typer.Option("--public", help="Strangers can read the place: every source must allow it.")
    ] = False,
    json_: Json = False,
) -> None:
    """Copy a finished dataset to a shared place as an unchangeable version.

    Example: mgll-data publish build/mgll-xray --to /shared/datasets
    """
    from mgll_data.progress import Progress
    from mgll_data.publish import files
    from mgll_data.publish import publish as run
    from mgll_data.validate import load

    with Progress(quiet=json_).stage("publish", len(files(*load(path))), "files") as advance:
        place = run(path, to, public=public, progress=advance)
    if json_:
        _print_json({"published": place})
    else:
        print(place)


@app.command()
def sources(
    name: Annotated[str | None, typer.Argument(help="One source: how to get it and lay it out.")] = None,
    modality: Annotated[Modality | None, typer.Option(help="Only these.")] = None,
    json_: Json = False,
) -> None:
    """List the sources, or teach the preparation of one.

    Example: mgll-data sources nih_cxr14
    """
    import inspect

    from mgll_data.harmonise import label_table, summary
    from mgll_data.recipe import VOCAB
    from mgll_data.sources import base

    cards = [base.find(n).card for n in ([name] if name else base.names())]
    cards = [card for card in cards if name or modality is None or card.modality == modality.value]
    listed = [(card, summary(label_table(VOCAB / card.modality, card.name))) for card in cards]
    if json_:
        _print_json([{**card.public(), "labels": labels} for card, labels in listed])
        return
    from mgll_data.show import show_card, show_sources

    if name:
        show_card(*listed[0], inspect.getdoc(base.find(name).read) or "")
    else:
        show_sources(listed)


@app.command()
def phantoms(
    layout: Annotated[str, typer.Option(help="The source whose folder layout is imitated.")],
    out: Annotated[Path, typer.Option(help="Folder to write; must be empty or hold phantoms.")],
    count: Annotated[int, typer.Option(min=1, help="Number of images, about.")] = 200,
    seed: Annotated[int, typer.Option(help="Equal seeds draw equal images.")] = 0,
    json_: Json = False,
) -> None:
    """Draw images with known findings in the layout of a source, to try everything without any download.

    Example: mgll-data phantoms --layout idrid --count 200 --out build/phantoms/idrid
    """
    from mgll_data.phantoms import draw
    from mgll_data.records import PHANTOM_FILE

    folder = draw(layout, count, out, seed)
    content = json.loads((folder / PHANTOM_FILE).read_text(encoding="utf-8"))
    if json_:
        _print_json(content)
    else:
        print(
            f"{layout}: {content['expected']['read']} drawn images in {folder}; {PHANTOM_FILE} says what to find there"
        )


def _print_json(content: object) -> None:
    print(json.dumps(content, indent=1, ensure_ascii=False))


def main() -> None:
    """Entry point. Exit codes: 0 done, 2 wrong input, 3 corrupt data or a budget spent, 130 interrupted."""
    from mgll_data.errors import MgllError, UsageError
    from mgll_data.stage import disk_problem

    try:
        app()
    except UsageError as error:
        count = len(error.problems)
        print(f"error: {error}" if count == 1 else f"{count} errors:\n{error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except MgllError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as stop:
        if stop.code == 130:  # typer turned a KeyboardInterrupt into this
            print("interrupted: run the same command again to go on from here", file=sys.stderr)
        raise
    except OSError as error:
        known = disk_problem(error, Path(error.filename or "."))
        if not isinstance(known, UsageError):
            raise
        print(f"error: {known}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
