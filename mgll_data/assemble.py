"""The stages of one build: each method makes one table from earlier ones, or takes it from the last run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mgll_data import labels, pictures, plan, records, shard, stage
from mgll_data.curate import groups, split
from mgll_data.outcomes import Outcome
from mgll_data.progress import Progress
from mgll_data.recipe import Recipe
from mgll_data.records import OpenSource
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

    def records(self) -> pa.Table:
        """RECORDS of all sources, in recipe order."""
        import pyarrow as pa

        tables = []
        with self.progress.stage("records", len(self.found), "sources") as advance:
            for number, source in enumerate(self.found, 1):
                name = f"records-{source.card.name}"
                key = records.source_fingerprint(source, self.recipe.seed)
                tables.append(self._table(name, key, partial(records.read_source, source, self.recipe.seed)))
                advance(number)
        return pa.concat_tables(tables)

    def harmonise(self, table: pa.Table) -> tuple[pa.Table, pa.Table]:
        """LABELS and CONCEPTS."""
        key = stage.fingerprint(
            stage="harmonise",
            version=labels.VERSION,
            records=[self._digest(f"records-{s.card.name}") for s in self.found],
            cards=[asdict(s.card) for s in self.found],
            vocab=[self.setup.digests["hierarchy.csv"], self.setup.labels_digest],
            labels=asdict(self.recipe.labels) | {"hierarchy": ""},
        )
        made: list[tuple[pa.Table, pa.Table]] = []

        def make(which: int) -> pa.Table:
            if not made:
                wanted = self.recipe.labels
                made.append(
                    labels.harmonise(
                        table,
                        self.setup.maps,
                        self.setup.hierarchy,
                        unmapped=wanted.unmapped,
                        uncertain=wanted.uncertain,
                        vocab=self.recipe.vocab,
                    )
                )
            return made[0][which]

        return self._table("labels", key, lambda: make(0)), self._table("concepts", key, lambda: make(1))

    def images(self, table: pa.Table, label_table: pa.Table, retry: bool) -> tuple[pa.Table, int, int]:
        """INDEX of the kept records, and how many images were decoded and how many taken from the store."""
        started = time.monotonic()
        unusable = unmapped_words(label_table) if self.recipe.labels.unmapped == "quarantine" else {}
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

    def groups(self, decided: list[Outcome], table: pa.Table, index: pa.Table | None) -> pa.Table:
        """GROUPS of the images still kept. A dry run has no pictures to compare."""
        kept = {o.uid for o in decided if o.outcome == "kept"}
        rows = [r for r in table.select(["uid", "source", "patient", "study"]).to_pylist() if r["uid"] in kept]
        images = {r["uid"]: r for r in index.to_pylist()} if index is not None else {}
        curate = self.recipe.curate
        for row in rows:
            image = images.get(row["uid"])
            row["pixel_sha256"] = image["pixel_sha256"] if image else row["uid"]
            row["dhash"] = image["dhash"] if image else None
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

    def texts(self, decided: list[Outcome], table: pa.Table, concepts: pa.Table, index: pa.Table) -> pa.Table:
        """TEXTS of the kept images."""
        import pyarrow as pa

        kept = {o.uid for o in decided if o.outcome == "kept"}
        present = dict(zip(concepts["uid"].to_pylist(), concepts["present"].to_pylist(), strict=True))
        images = {r["uid"]: r for r in index.select(["uid", "view", "laterality", "modality_code"]).to_pylist()}
        subjects = []
        for row in table.select(["uid", "view", "laterality", "captions"]).to_pylist():
            if row["uid"] not in kept:
                continue
            image = images[row["uid"]]
            code = json.loads(row["captions"]).get("modality") or image["modality_code"]
            view, side = row["view"] or image["view"], row["laterality"] or image["laterality"]
            subjects.append(targets.Subject(row["uid"], frozenset(present[row["uid"]]), view, side, code))
        recipe = self.recipe
        key = stage.fingerprint(
            stage="texts",
            version=targets.VERSION,
            subjects=[[s.uid, sorted(s.present), s.view, s.laterality, s.modality_code] for s in subjects],
            texts=asdict(recipe.texts),
            vocab=self.setup.wording_digest,
        )

        def make() -> pa.Table:
            writer = targets.Writer(
                self.setup.hierarchy, self.setup.templates, recipe.modality, recipe.texts.levels, recipe.texts.per_level
            )
            rows = [
                {
                    "uid": s.uid,
                    "level": text.level,
                    "ordinal": n,
                    "id": text.id,
                    "text": text.text,
                    "concepts": text.concepts,
                }
                for s in subjects
                for n, text in enumerate(writer.texts(s))
            ]
            return pa.Table.from_pylist(rows, schema=arrow_schema("texts"))

        return self._table("texts", key, make)

    def plan(
        self,
        decided: list[Outcome],
        table: pa.Table,
        concepts: pa.Table,
        index: pa.Table,
        texts: pa.Table,
        splits: pa.Table,
    ) -> pa.Table:
        """PLAN of the kept images."""
        recipe = self.recipe
        kept = {o.uid for o in decided if o.outcome == "kept"}
        key = stage.fingerprint(
            stage="plan",
            version=plan.VERSION,
            kept=sorted(kept),
            tables=[self._digest(n) for n in ("concepts", "texts")]
            + [self._digest(f"records-{s.card.name}") for s in self.found],
            splits=splits.to_pylist(),
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
            images = {row["uid"]: row for row in index.to_pylist()}
            where = {row["uid"]: row for row in splits.to_pylist()}
            spans = _spans(texts["uid"].to_pylist())
            items = (
                plan.Joined(
                    row,
                    images[row["uid"]],
                    by_uid[row["uid"]],
                    texts.slice(*spans.get(row["uid"], (0, 0))).to_pylist(),
                    where[row["uid"]]["group"],
                    where[row["uid"]]["split"],
                )
                for row in table.to_pylist()
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


def _spans(keys: list[str]) -> dict[str, tuple[int, int]]:
    """Start and length of each key's run of rows (texts as dicts would take 10 KiB a sample)."""
    spans: dict[str, tuple[int, int]] = {}
    for position, key in enumerate(keys):
        start, length = spans.get(key, (position, 0))
        spans[key] = (start, length + 1)
    return spans


def unmapped_words(label_table: pa.Table) -> dict[str, str]:
    """uid -> its first word that no table row lists."""
    found: dict[str, str] = {}
    for row in label_table.select(["uid", "raw", "relation"]).to_pylist():
        if row["relation"] == "unmapped":
            found.setdefault(row["uid"], row["raw"])
    return found
