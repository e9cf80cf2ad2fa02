"""build(): the stages in order, nothing else. Each stage is a function of a module that bears its name."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mgll_data import assemble, conflicts, counts, identity, merge, outcomes, preflight, products, publish, validate
from mgll_data import labels as harmonised
from mgll_data.errors import CorruptError
from mgll_data.progress import Progress
from mgll_data.recipe import Recipe
from mgll_data.records import OpenSource, open_sources
from mgll_data.setup import Setup, set_up
from mgll_data.stage import lock, write_table

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Report:
    """What a build did: what `--json` prints."""

    name: str
    folder: str
    dry_run: bool
    id: str | None = None
    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    splits: dict[str, int] = field(default_factory=dict)
    quarantine: dict[str, int] = field(default_factory=dict)
    syntaxes: list[preflight.Syntax] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    images_decoded: int = 0
    images_reused: int = 0
    shards_written: int = 0
    shards_reused: int = 0
    near_duplicates: int = 0
    conflicts: int = 0
    published: str | None = None
    seconds: float = 0.0


def build(
    recipe: Recipe,
    work: Path,
    *,
    workers: int = 1,
    dry_run: bool = False,
    skip_missing: bool = False,
    accept: tuple[str, ...] = (),
    retry_quarantine: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Build the recipe's dataset in `<work>/<name>/`, its stages in `<work>/.cache/<name>/`; publish it if asked.

    Finished work of an earlier run with the same inputs is reused, and a run that was killed goes on where it was.
    Raises UsageError for what the user can mend (exit 2) and CorruptError for damaged data, a spent failure budget or
    counts that do not add up (exit 3).
    """
    progress = progress or Progress()
    started = time.monotonic()
    setup = set_up(recipe)
    found, absent = open_sources(recipe.sources, skip_missing=skip_missing)
    _note_skipped(absent, progress)
    identity.check_licences(found, (*recipe.licences.accept, *accept))
    cache, folder = work / ".cache" / recipe.name, work / recipe.name
    report = Report(recipe.name, str(folder), dry_run, skipped=[message.split(":")[0] for message in absent])
    progress.note(f"{recipe.name} {recipe.version}: {len(found)} sources -> {folder}")
    with lock(cache):
        identity.check_folder(folder, recipe, progress)
        _stages(recipe, setup, found, cache, folder, workers, retry_quarantine, report, progress)
    report.seconds = round(time.monotonic() - started, 1)
    return report


def _stages(
    recipe: Recipe,
    setup: Setup,
    found: list[OpenSource],
    cache: Path,
    folder: Path,
    workers: int,
    retry: bool,
    report: Report,
    progress: Progress,
) -> None:
    run = assemble.Run(recipe, setup, found, cache, workers, report.reused, progress)
    records, same = run.records()
    reports = run.reports(records)
    labels, concepts = run.harmonise(records, reports)
    report.syntaxes = run.preflight(records)
    index: pa.Table | None = None
    if not report.dry_run:
        index, report.images_decoded, report.images_reused = run.images(records, labels, retry)
    images = {row["uid"]: row for row in index.to_pylist()} if index is not None else {}
    decided = outcomes.of_records(
        records.select(["uid", "source", "image", "origin", "view", "outcome", "reason", "detail"]).to_pylist(),
        images,
        harmonised.unmapped_words(labels) if recipe.labels.unmapped == "quarantine" else {},
        {source.card.name: source.use.views for source in found},
        recipe.curate.phi.burned_in,
    )
    private = cache / "quarantine.parquet"
    write_table(outcomes.table(decided, private=True), private)
    outcomes.check_budget(decided, recipe.limits.quarantine, str(private))
    groups = run.groups(decided, records, index, same)
    report.near_duplicates = sum(map(len, groups["near"].to_pylist()))
    splits = run.splits(records, groups)
    lost = merge.lost_regions(records, images, groups) if images else {}
    decided = outcomes.final(decided, groups, splits, lost)
    write_table(outcomes.table(decided, private=True), private)
    report.sources = counts.source_counts(((o.source, o.outcome) for o in decided), [s.card.name for s in found])
    report.quarantine = dict(Counter(o.reason for o in decided if o.outcome == "quarantined").most_common())
    merged = run.merged(concepts, labels, groups)
    contradictions = conflicts.table(concepts, merged, groups, records, setup.hierarchy)
    write_table(contradictions, cache / "conflicts.parquet")
    report.conflicts = len(set(contradictions["uid"].to_pylist()))
    if not any(count["kept"] for count in report.sources.values()):
        raise CorruptError(f"nothing is left to build from: see {private}")
    if report.dry_run:
        report.splits = dict(Counter(row["split"] for row in splits.to_pylist()))
        return
    assert index is not None
    texts = run.texts(decided, merge.described(records, groups), merged, index, reports)
    plan = run.plan(decided, records, merged, index, texts, splits, groups)
    counts.check_identity(report.sources, Counter(plan["source"].to_pylist()))
    shards, report.shards_written, report.shards_reused = run.shards(plan, index, folder)
    manifest = identity.manifest(recipe, setup, found, report.sources, report.quarantine, plan, index, shards, same)
    counts.check_leakage(manifest.leakage)
    not_kept = outcomes.table(decided, private=False)
    traces = merge.traced(labels, groups)
    products.write(folder, manifest, setup, plan, index, not_kept, traces, contradictions, run.read_image)
    report.id = manifest.id
    report.splits = {name: split["samples"] for name, split in manifest.splits.items()}
    started = time.monotonic()
    with progress.stage("validate", sum(map(len, shards.values())), "shards") as advance:
        verdict = validate.validate(folder, progress=advance)
    if verdict.problems:
        raise CorruptError("the finished dataset is not what its manifest says:\n" + "\n".join(verdict.problems))
    progress.finished(
        "validate",
        f"{verdict.samples} samples in {verdict.shards} shards agree with the manifest",
        time.monotonic() - started,
    )
    if recipe.publish is not None:
        started = time.monotonic()
        with progress.stage("publish", len(publish.files(folder, manifest)), "files") as advance:
            report.published = publish.publish(
                folder, recipe.publish.to, public=recipe.publish.public, validated=True, progress=advance
            )
        progress.finished("publish", report.published, time.monotonic() - started)


def _note_skipped(absent: list[str], progress: Progress) -> None:
    """One line for all sources without a folder; one for each whose folder lacks something: that may be a mistake."""
    first = [message.splitlines()[0] for message in absent]
    gone = [line.partition(":")[0] for line in first if line.endswith("no such folder")]
    for line in first:
        if not line.endswith("no such folder"):
            progress.note(f"skipped {line}")
    if gone:
        progress.note(f"left out, no folder: {', '.join(gone)}")
