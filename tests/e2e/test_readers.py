"""The tars as other people's readers see them; counts must agree with the manifest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mgll_data.manifest import Manifest
from mgll_data.schema import sample_problems
from tests.e2e.conftest import Sandbox, build


@pytest.fixture
def dataset(sandbox: Sandbox) -> Path:
    return Path(build(sandbox.recipe("fundus", ("idrid", "odir5k")), sandbox.folder / "b")["folder"])


def tars(folder: Path, split: str) -> list[str]:
    return [str(folder / shard["file"]) for shard in Manifest.load(folder).shards(split)]


def test_webdataset(dataset: Path) -> None:
    import webdataset as wds

    for split, content in Manifest.load(dataset).splits.items():
        seen = 0
        for sample in wds.WebDataset(tars(dataset, split), shardshuffle=False).decode("pil"):
            assert sample["__key__"] == sample["json"]["uid"]
            assert not sample_problems(sample["json"])
            assert max(sample["jpg"].size) <= 128
            assert sample["txt"]
            seen += 1
        assert seen == content["samples"]


def test_hugging_face_datasets(dataset: Path, tmp_path: Path) -> None:
    import datasets

    manifest = Manifest.load(dataset)
    files = {split: tars(dataset, split) for split in manifest.splits}
    loaded = datasets.load_dataset("webdataset", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert {name: len(part) for name, part in loaded.items()} == {
        name: split["samples"] for name, split in manifest.splits.items()
    }
    first = next(iter(loaded.values()))[0]
    assert first["json"]["uid"] == first["__key__"]


OPEN_CLIP = """
    import json, sys
    from types import SimpleNamespace
    import webdataset
    assert webdataset.__version__.startswith("0.2.86"), webdataset.__version__
    import open_clip
    from open_clip_train.data import get_wds_dataset
    pattern, samples = sys.argv[1], int(sys.argv[2])
    arguments = SimpleNamespace(
        train_data=pattern, val_data=pattern, train_num_samples=samples, val_num_samples=samples,
        train_data_upsampling_factors=None, dataset_resampled=False, seed=0, batch_size=1, workers=1, world_size=1,
    )
    seen = 0
    loader = get_wds_dataset(
        arguments,
        open_clip.image_transform(64, is_train=False),
        is_train=False,
        tokenizer=open_clip.get_tokenizer("ViT-B-32"),
    )
    for images, texts in loader.dataloader:
        assert tuple(images.shape[1:]) == (3, 64, 64)
        assert texts.shape[1] == 77
        seen += len(images)
    print(json.dumps(seen))
"""


@pytest.mark.slow
def test_open_clips_own_loader(dataset: Path) -> None:
    overlay = os.environ.get("MGLL_WEBDATASET_OVERLAY")
    if not overlay:
        pytest.skip("set MGLL_WEBDATASET_OVERLAY to a folder with webdataset 0.2.86, as `make test` does")
    assert Path(overlay, "webdataset").is_dir(), f"{overlay} holds no webdataset: run make test"
    for split, content in Manifest.load(dataset).splits.items():
        files = tars(dataset, split)
        pattern = f"{dataset}/{split}/{{{Path(files[0]).stem}..{Path(files[-1]).stem}}}.tar"
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(OPEN_CLIP), pattern, str(content["samples"])],
            env={**os.environ, "PYTHONPATH": overlay},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == content["samples"]


def test_croissant(dataset: Path) -> None:
    import mlcroissant

    described = mlcroissant.Dataset(jsonld=str(dataset / "croissant.json"))
    digests = {f.id: f.sha256 for f in described.metadata.file_objects}
    manifest = Manifest.load(dataset)
    assert digests == {s["file"]: s["sha256"] for split in manifest.splits for s in manifest.shards(split)}


def test_sizes_json_as_open_clip_reads_it(dataset: Path) -> None:
    for split, content in Manifest.load(dataset).splits.items():
        sizes = json.loads((dataset / split / "sizes.json").read_text())
        assert sum(sizes.values()) == content["samples"]
        assert sorted(sizes) == sorted(Path(tar).name for tar in tars(dataset, split))


def test_the_vocabulary_alone_expands_absence_and_gives_prompts(dataset: Path) -> None:
    vocabulary = json.loads((dataset / "vocabulary.json").read_text())
    concepts = {concept["id"]: concept for concept in vocabulary["concepts"]}
    for content in Manifest.load(dataset).splits.values():
        for concept, states in content["concepts"].items():
            assert concept in concepts
            if states["present"]:
                assert concepts[concept]["prompts"]["diagnostic"], concept


def test_every_present_concept_traces_to_a_word_of_its_source(dataset: Path) -> None:
    import pyarrow.parquet as pq
    import webdataset as wds

    said: dict[str, set[str]] = {}
    for row in pq.read_table(dataset / "labels.parquet").to_pylist():
        assert row["raw"]
        if row["state"] == "present":
            said.setdefault(row["uid"], set()).add(row["concept"])
    vocabulary = {c["id"]: c for c in json.loads((dataset / "vocabulary.json").read_text())["concepts"]}
    for split in Manifest.load(dataset).splits:
        for sample in wds.WebDataset(tars(dataset, split), shardshuffle=False).decode():
            present = set(sample["json"]["concepts"]["present"])
            above = {concept for concept in present if any(concept in _ancestors(s, vocabulary) for s in present)}
            negations = {concept for concept in present if vocabulary[concept]["negates"]}
            unsaid = present - said.get(sample["__key__"], set()) - above - negations
            assert not unsaid, (sample["__key__"], unsaid)


def _ancestors(concept: str, vocabulary: dict[str, dict[str, list[str]]]) -> set[str]:
    up = set(vocabulary[concept]["parents"])
    return up.union(*(_ancestors(parent, vocabulary) for parent in up))


def test_stats_list_the_concepts_that_some_image_has_a_label_for(dataset: Path) -> None:
    figures = json.loads((dataset / "stats.json").read_text())
    manifest = Manifest.load(dataset)
    labelled = {concept for content in manifest.splits.values() for concept in content["concepts"]}
    assert {row["id"] for row in figures["concepts"]} == labelled
    for row in figures["concepts"]:
        for state in ("present", "absent", "uncertain"):
            counts = [s["concepts"].get(row["id"], {}).get(state, 0) for s in manifest.splits.values()]
            assert row[state] == sum(counts)
