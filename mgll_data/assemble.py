"""The stages of one build: each method makes one table from earlier ones, or takes it from the last run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mgll_data import labels, merge, pictures, plan, preflight, records, shard, stage, wording
from mgll_data.curate import groups, links, split
from mgll_data.outcomes import Outcome
from mgll_data.progress import Progress
from mgll_data.recipe import Recipe
from mgll_data.records import OpenSource
from mgll_data.reports import stage as reports
from mgll_data.schema import arrow_schema
from mgll_data.setup import Setup
from mgll_data.texts import targets

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Run:
    """One build's inputs and places; `reused` collects the names of stages that were not run again."""

    recipe: Recipe
    setup: Setup
    found: list[OpenSource]
    cache: Path
    workers: int
    reused: list[str]
    progress: Progress

    @property
    def store(self) -> Path:
        """Folder of the image store."""
        return self.cache / "store"

    def records(self) -> tuple[pa.Table, dict[str, str]]:
        """RECORDS of all sources, in recipe order, and which are one photograph by their sources' word (`links`)."""
        import pyarrow as pa

        tables = []
        with self.progress.stage("records", len(self.found), "sources") as advance:
            for number, source in enumerate(self.found, 1):
                name = f"records-{source.card.name}"
                key = records.source_fingerprint(source, self.recipe.seed)
                tables.append(self._table(name, key, partial(records.read_source, source, self.recipe.seed)))
                advance(number)
        table = pa.concat_tables(tables)
        same, lost = links.resolve(table)
        for (name, other), number in lost.items():
            self.progress.note(f"{name}: {number} pictures name one of {other} that is not there, or there twice")
        return links.with_patients(table, same), same

    def reports(self, table: pa.Table) -> pa.Table | None:
        """REPORTS of the records; None where the recipe asks nothing of reports, or no record has one."""
        found = reports.wanted(self.recipe, self.setup.reports_digest, table["report"].to_pylist())
        if not found:
            return None
        vocab = [self.setup.digests["hierarchy.csv"], self.setup.reports_digest]
        key = stage.fingerprint(
            stage="reports", version=reports.VERSION, vocab=vocab, reports=[reports.key(report) for report in found]
        )
        make = partial(reports.read, found, self.recipe.vocab, self.setup.hierarchy, self.progress)
        return self._table("reports", key, make)

    def harmonise(self, table: pa.Table, report_table: pa.Table | None) -> tuple[pa.Table, pa.Table]:
        """LABELS and CONCEPTS."""
        add = report_table is not None and self.recipe.labels.reports == "add"
        said = reports.states_of(table["report"].to_pylist(), report_table) if add else {}
        key = stage.fingerprint(
            stage="harmonise",
            version=labels.VERSION,
            records=[self._digest(f"records-{s.card.name}") for s in self.found],
            cards=[asdict(s.card) for s in self.found],
            vocab=[self.setup.digests["hierarchy.csv"], self.setup.labels_digest],
            labels=asdict(self.recipe.labels) | {"hierarchy": ""},
            reports=self._digest("reports") if add else "",
        )
        made: list[tuple[pa.Table, pa.Table]] = []

        def make(which: int) -> pa.Table:
            if not made:
                asked = {name: getattr(self.recipe.labels, name) for name in ("unmapped", "uncertain", "votes")}
                vocab, hierarchy = self.recipe.vocab, self.setup.hierarchy
                made.append(labels.harmonise(table, self.setup.maps, hierarchy, vocab=vocab, reports=said, **asked))
            return made[0][which]

        return self._table("labels", key, lambda: make(0)), self._table("concepts", key, lambda: make(1))

    def preflight(self, table: pa.Table) -> list[preflight.Syntax]:
        """Transfer syntaxes of the kept records' DICOM files; those that nothing here decodes are said at once."""
        started = time.monotonic()
        rows = [r for r in table.select(["source", "image", "outcome"]).to_pylist() if r["outcome"] == "kept"]
        roots = {source.card.name: source.use.root for source in self.found}
        syntaxes = preflight.scan(rows, roots, self.cache, self.workers)
        if syntaxes:
            files = sum(syntax.files for syntax in syntaxes)
            summary = f"{files} DICOM files in {len(syntaxes)} transfer syntaxes"
            self.progress.finished("preflight", summary, time.monotonic() - started)
        for line in preflight.advice(syntaxes):
            self.progress.note(f"  {line}")
        return syntaxes

    def images(self, table: pa.Table, label_table: pa.Table, retry: bool) -> tuple[pa.Table, int, int]:
        """INDEX of the kept records, and how many images were decoded and how many taken from the store."""
        started = time.monotonic()
        unusable = labels.unmapped_words(label_table) if self.recipe.labels.unmapped == "quarantine" else {}
        kept = [row for row in table.to_pylist() if row["outcome"] == "kept" and row["uid"] not in unusable]
        with self.progress.stage("images", len(kept), "images") as advance:
            update = pictures.update(self.recipe, self.found, kept, self.store, self.workers, retry, advance)
        seconds = time.monotonic() - started
        rate = f", {update.decoded / seconds:.0f} images/s" if update.decoded else ""
        self.progress.finished("images", f"{update.decoded} decoded, {update.reused} from the store{rate}", seconds)
        return update.table, update.decoded, update.reused

    def read_image(self, pack: str, offset: int, length: int) -> bytes:
        """Encoded bytes of an image in the store."""
        return pictures.read_bytes(self.store, pack, offset, length)

    def groups(
        self, decided: list[Outcome], table: pa.Table, index: pa.Table | None, same: Mapping[str, str]
    ) -> pa.Table:
        """GROUPS of the images still kept. A dry run has no pictures to compare."""
        kept = {o.uid for o in decided if o.outcome == "kept"}
        rows = [r for r in table.select(["uid", "source", "patient", "study"]).to_pylist() if r["uid"] in kept]
        images = {r["uid"]: r for r in index.to_pylist()} if index is not None else {}
        curate = self.recipe.curate
        for row in rows:
            image = images.get(row["uid"])
            row["pixel_sha256"] = image["pixel_sha256"] if image else row["uid"]
            row["dhash"] = image["dhash"] if image else None
            row["same"] = same.get(row["uid"])
        if index is None:
            curate = replace(curate, near=replace(curate.near, action="ignore"))
        key = stage.fingerprint(
            stage="groups",
            version=groups.VERSION,
            rows=rows,
            curate=asdict(curate),
            images=asdict(self.recipe.images),
        )
        ordered = [s.card.name for s in self.found]

        def make() -> pa.Table:
            return groups.group(rows, ordered, curate, lambda i: pictures.thumbnail(self.store, images[rows[i]["uid"]]))

        return self._table("groups" if index is not None else "groups-dry", key, make)

    def splits(self, table: pa.Table, group_table: pa.Table) -> pa.Table:
        """SPLITS of the images that are kept. Copies have a say in their group's split, then they are left out."""
        import pyarrow as pa

        official = {r["uid"]: r for r in table.select(["uid", "source", "official_split"]).to_pylist()}
        grouped = group_table.to_pylist()
        copies = {row["uid"] for row in grouped if row["duplicate_of"]}
        members = [{**official[row["uid"]], "group": row["group"]} for row in grouped]
        assigned = [r for r in split.assign(members, self.recipe.split, self.recipe.seed) if r["uid"] not in copies]
        return pa.Table.from_pylist(assigned, schema=arrow_schema("splits"))

    def merged(self, concepts: pa.Table, label_table: pa.Table, group_table: pa.Table) -> pa.Table:
        """CONCEPTS of the images that are no copies, each with the labels of its copies."""
        uncertain = self.recipe.labels.uncertain
        key = stage.fingerprint(
            stage="merged",
            version=merge.VERSION,
            tables=[self._digest("labels"), self._digest("concepts")],
            copies=merge.copies(group_table),
            hierarchy=self.setup.digests["hierarchy.csv"],
            uncertain=uncertain,
        )
        make = partial(merge.concepts, concepts, label_table, group_table, self.setup.hierarchy, uncertain)
        return self._table("merged", key, make)

    def texts(
        self,
        decided: list[Outcome],
        table: pa.Table,
        concepts: pa.Table,
        index: pa.Table,
        report_table: pa.Table | None,
    ) -> pa.Table:
        """TEXTS of the kept images. table: RECORDS, as `merge.described` gives them."""
        said = reports.texts_of(report_table) if report_table is not None else {}
        kept = {o.uid for o in decided if o.outcome == "kept"}
        subjects = wording.subjects(kept, table, concepts, index, said, self.setup.hierarchy.ontology)
        recipe = self.recipe
        key = stage.fingerprint(
            stage="texts",
            version=targets.VERSION,
            subjects=[asdict(s) | {"present": sorted(s.present), "uncertain": sorted(s.uncertain)} for s in subjects],
            texts=asdict(recipe.texts),
            vocab=self.setup.wording_digest,
        )
        writer = targets.Writer(
            self.setup.hierarchy, self.setup.templates, recipe.modality, recipe.texts.levels, recipe.texts.per_level
        )
        return self._table("texts", key, partial(wording.texts, subjects, writer))

    def plan(
        self,
        decided: list[Outcome],
        table: pa.Table,
        concepts: pa.Table,
        index: pa.Table,
        texts: pa.Table,
        splits: pa.Table,
        group_table: pa.Table,
    ) -> pa.Table:
        """PLAN of the kept images. table: RECORDS of all, copies too."""
        recipe = self.recipe
        copies = merge.copies(group_table)
        kept = {o.uid for o in decided if o.outcome == "kept"}
        key = stage.fingerprint(
            stage="plan",
            version=plan.VERSION,
            kept=sorted(kept),
            tables=[self._digest(n) for n in ("merged", "texts")]
            + [self._digest(f"records-{s.card.name}") for s in self.found],
            splits=splits.to_pylist(),
            copies=copies,
            index=index.select(["uid", "pack", "offset", "length", "file_sha256"]).to_pylist(),
            images=asdict(recipe.images),
            vocab=self.setup.labels_digest,
            seed=recipe.seed,
            shards=asdict(recipe.shards),
            levels=recipe.texts.levels,
            licences=[s.card.licence for s in self.found],
        )

        def make() -> pa.Table:
            by_uid = {row["uid"]: row for row in concepts.to_pylist()}
            again = {uid for others in copies.values() for uid in others}
            rows = {row["uid"]: row for row in table.to_pylist() if row["uid"] in again}
            images = {row["uid"]: row for row in index.to_pylist()}
            where = {row["uid"]: row for row in splits.to_pylist()}
            spans = wording.spans(texts["uid"].to_pylist())
            items = (
                plan.Joined(
                    row,
                    images[row["uid"]],
                    by_uid[row["uid"]],
                    texts.slice(*spans.get(row["uid"], (0, 0))).to_pylist(),
                    where[row["uid"]]["group"],
                    where[row["uid"]]["split"],
                    [(rows[copy], merge.fits(images[row["uid"]], images[copy])) for copy in copies.get(row["uid"], ())],
                )
                for row in merge.described(table, group_table).to_pylist()
                if row["uid"] in kept
            )
            return plan.plan(
                items,
                modality=recipe.modality,
                licences={s.card.name: s.card.licence for s in self.found},
                maps=self.setup.maps,
                levels=recipe.texts.levels,
                seed=recipe.seed,
                per_shard=recipe.shards.samples,
                image_format=recipe.images.encode.format,
            )

        return self._table("plan", key, make)

    def shards(self, table: pa.Table, index: pa.Table, folder: Path) -> tuple[dict[str, list[shard.Shard]], int, int]:
        """Shards of each split, and how many were written and how many were there already."""
        started = time.monotonic()
        digests = dict(zip(index["uid"].to_pylist(), index["file_sha256"].to_pylist(), strict=True))
        tasks = shard.tasks(table.to_pylist(), digests, asdict(self.recipe.images))
        with self.progress.stage("shards", len(tasks), "shards") as advance:
            made, written = shard.make_all(
                tasks, self.read_image, folder, self.cache / "shards", workers=self.workers, progress=advance
            )
        summary = f"{written} written, {len(tasks) - written} unchanged"
        self.progress.finished("shards", summary, time.monotonic() - started)
        return made, written, len(tasks) - written

    def _table(self, name: str, key: str, make: Callable[[], pa.Table]) -> pa.Table:
        started = time.monotonic()
        made, reused = stage.run(self.cache / f"{name}.parquet", key, make)
        if reused:
            self.reused.append(name)
        summary = f"{made.num_rows} rows" + (", unchanged since the last run" if reused else "")
        self.progress.finished(name, summary, time.monotonic() - started)
        return made

    def _digest(self, name: str) -> str:
        record = stage.done(self.cache / f"{name}.parquet")
        assert record is not None, f"stage {name} has not run"
        return record.sha256
