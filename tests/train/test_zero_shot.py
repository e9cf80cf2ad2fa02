from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from mgll_train import checkpoint, loop, shards
from mgll_train.config import Config
from mgll_train.errors import DataError, UserError
from mgll_train.evaluate import zero_shot
from mgll_train.evaluate.report import summary, write

Make = Callable[..., Path]


def train(folders: list[Path], model: str, out: Path, steps: int = 1, **changes: Any) -> Path:
    config = Config(**{"model": model, "steps": steps, "batch": 20, "workers": 0, "threads": 1, "crop": 1.0, **changes})
    return loop.pretrain(config, [str(folder) for folder in folders], out)


def evaluate(path: Path, folders: list[Path], **changes: Any) -> dict[str, Any]:
    options = {"min_count": 3, "draws": 100, "workers": 0, **changes}
    return zero_shot.evaluate(path, [str(folder) for folder in folders], **options)


def test_labels_are_the_stored_ones_expanded(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    """Counted from the JSON members by hand: closure of absent, silence left out, other modality left out."""
    folders = [make_dataset("one"), make_dataset("two", modality="cxr", counts={"train": 20, "test": 30}, seed=1)]
    report = evaluate(train(folders, small_model, tmp_path / "run"), folders)
    counts: dict[str, list[int]] = {}
    reader = shards.Reader(shards.split_shards(shards.find([str(f) for f in folders]), "test"))
    for number in range(len(reader)):
        meta = json.loads(reader.read(number)[2])
        modality = meta["modality"]
        present, absent = set(meta["concepts"]["present"]), set(meta["concepts"]["absent"])
        if f"{modality}.round" in absent:
            absent |= {f"{modality}.dot", f"{modality}.ring"}
        for slug in ("dot", "ring", "bar", "round"):
            name = f"{modality}.{slug}"
            row = counts.setdefault(name, [0, 0, 0])
            row[0 if name in present else 1 if name in absent else 2] += 1
    assert sum(row[2] for row in counts.values()) > 0
    assert set(report["concepts"]) == set(counts)
    other = {"fundus": 30, "cxr": 20}
    for name, (positives, negatives, unknown) in counts.items():
        found = report["concepts"][name]
        assert (found["positives"], found["negatives"]) == (positives, negatives)
        assert found["left_out"] == unknown + other[name.split(".")[0]]
    assert report["images"] == 50 and report["broken"] == 0


def test_scores_are_cosines_to_the_prompts(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    """One concept's AUC from features computed here, one image and one prompt at a time."""
    from mgll_train.build import build_model
    from mgll_train.picture import View, render
    from mgll_train.stream import normalise

    sklearn = pytest.importorskip("sklearn.metrics")
    folder = make_dataset()
    path = train([folder], small_model, tmp_path / "run", steps=5)
    report = evaluate(path, [folder], batch=7)
    model, wanted, tokenizer = build_model(small_model)
    model.load_state_dict(checkpoint.load(path)["model"])
    model.eval()
    prompts = {c["id"]: c["prompts"] for c in json.loads((folder / "vocabulary.json").read_text())["concepts"]}
    with torch.no_grad():
        pair = []
        for name in ("fundus.bar", "fundus.no_bar"):
            rows = [model.encode_text(tokenizer([prompt]))[0] for prompt in prompts[name]["diagnostic"]]
            pair.append(torch.stack([row / row.norm() for row in rows]).mean(0))
        labels, scores = [], []
        reader = shards.Reader(shards.split_shards(shards.find([str(folder)]), "test"))
        for number in range(len(reader)):
            _, image, text, _ = reader.read(number)
            concepts = json.loads(text)["concepts"]
            if "fundus.bar" in concepts["present"] + concepts["absent"]:
                pixels = torch.from_numpy(render(image, View(wanted.image_size), grey=False))
                feature = model.encode_image(normalise(pixels[None], wanted))[0]
                labels.append("fundus.bar" in concepts["present"])
                bar, no_bar = (float(torch.cosine_similarity(feature, concept, dim=0)) for concept in pair)
                scores.append(bar - no_bar)
    assert report["concepts"]["fundus.bar"]["auc"] == pytest.approx(sklearn.roc_auc_score(labels, scores), abs=1e-9)
    assert report["concepts"]["fundus.bar"]["ap"] == pytest.approx(
        sklearn.average_precision_score(labels, scores), abs=1e-9
    )


def test_a_model_that_learnt_scores_above_one_that_did_not(
    make_dataset: Make, small_model: str, tmp_path: Path
) -> None:
    folder = make_dataset(counts={"train": 200, "test": 100}, per_shard=50)
    before = evaluate(train([folder], small_model, tmp_path / "a", lr=0.0), [folder])
    after = evaluate(train([folder], small_model, tmp_path / "b", steps=200, lr=3e-3), [folder])
    # Telling "a bar" from "no bar" takes this text tower some 800 steps; the other findings come early.
    for name in ("fundus.dot", "fundus.ring", "fundus.round"):
        assert after["concepts"][name]["auc"] > 0.9
    assert after["macro_auc"] > before["macro_auc"] + 0.1
    low, high = after["macro_auc_interval"]
    assert low <= after["macro_auc"] <= high
    assert after["macro_auc"] == pytest.approx(np.mean([c["auc"] for c in after["concepts"].values()]))


def test_report_has_what_the_contract_names(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    folder = make_dataset()
    path = train([folder], small_model, tmp_path / "run")
    every = evaluate(path, [folder], min_count=1)["concepts"].values()
    least = max(min(entry["positives"], entry["negatives"]) for entry in every)
    report = evaluate(tmp_path / "run", [folder], min_count=least, seed=5)
    assert report["task"] == "zero-shot" and report["seed"] == 5 and report["checkpoint"] == path.name
    assert report["manifests"] == report["trained_on"] == list(shards.identity(shards.find([str(folder)])))
    assert report == evaluate(path, [folder], min_count=least, seed=5)
    refused = dict(report["not_scored"])
    assert refused.pop("fundus.no_bar")["reason"] == "the opposite of fundus.bar", "one fact is scored once"
    assert refused and all(
        entry["reason"] in (f"fewer than {least} positives", f"fewer than {least} negatives")
        and min(entry["positives"], entry["negatives"]) < least
        for entry in refused.values()
    )
    assert not set(refused) & set(report["concepts"])
    report["macro_auc"] = float("nan")
    write(report, tmp_path / "evaluation.json")
    assert json.loads((tmp_path / "evaluation.json").read_text())["macro_auc"] is None
    assert str(tmp_path) not in (tmp_path / "evaluation.json").read_text().replace(small_model, "")


def test_table_fits_80_columns(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    folder = make_dataset()
    report = evaluate(train([folder], small_model, tmp_path / "run"), [folder])
    report["concepts"]["fundus.bar"]["name"] = "a very long name of a concept " * 4
    stream = io.StringIO()
    Console(file=stream, width=80).print(summary(report))
    lines = stream.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert sum("0." in line or "1.000" in line for line in lines) >= len(report["concepts"])


def test_concepts_without_prompts_are_listed(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    folder = make_dataset()
    path = train([folder], small_model, tmp_path / "run")
    report = evaluate(path, [folder], prompts=["category"])
    assert set(report["concepts"]) == {"fundus.round"}
    assert report["not_scored"]["fundus.bar"]["reason"] == "no prompt of level category"


def test_wrong_input_is_named(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    folder = make_dataset()
    path = train([folder], small_model, tmp_path / "run")
    with pytest.raises(UserError, match="prompts: report given; they are of levels category"):
        evaluate(path, [folder], prompts=["report"])
    with pytest.raises(UserError, match="has 50 positives and 50 negatives"):
        evaluate(path, [folder], min_count=50)
    with pytest.raises(UserError, match="no sample in split 'val'"):
        evaluate(path, [folder], split="val")
    tar = folder / "test" / "000000.tar"
    tar.write_bytes(tar.read_bytes().replace(b"\xff\xd8\xff", b"\xff\xd8\x00"))
    with pytest.raises(DataError, match="broken samples, the budget is 0 of 20"):
        evaluate(path, [folder])
