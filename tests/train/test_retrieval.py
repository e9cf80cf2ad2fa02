"""Retrieval with duplicate texts, and evaluation inside a run that leaves the run what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from mgll_train import checkpoint, loop
from mgll_train.errors import DataError, UserError
from mgll_train.evaluate.retrieval import recall
from mgll_train.shards import find, split_shards
from tests.train.test_loop import same, settings

Make = Callable[..., Path]


def by_hand(images: torch.Tensor, texts: torch.Tensor, own: list[int], cut: int) -> tuple[float, float]:
    """Sort and look, wrong answers first among equals."""
    cosines = (images @ texts.T).tolist()
    found, told = [], []
    for row, text in zip(cosines, own, strict=True):
        order = sorted(range(len(texts)), key=lambda k: (-row[k], k == text))
        found.append(text in order[:cut])
    for k in range(len(texts)):
        order = sorted(range(len(own)), key=lambda i: (-cosines[i][k], own[i] == k))
        told.append(any(own[i] == k for i in order[:cut]))
    return sum(found) / len(found), sum(told) / len(told)


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 5))
@profile(max_examples=60, deadline=None)
def test_recall_is_that_of_sorted_lists(seed: int, images: int, texts: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    texts = min(texts, images)
    own = torch.cat([torch.arange(texts), torch.randint(texts, (images - texts,), generator=rng)])
    # Few distinct coordinates, so that there are ties; halves, so that products are exact.
    one, two = (torch.randint(-2, 3, (count, 2), generator=rng).double() / 2 for count in (images, texts))
    found = recall(one, two, own, cuts=(1, 2, 5))
    for cut in (1, 2, 5):
        wanted = by_hand(one, two, own.tolist(), cut)
        assert found[f"image_to_text_r{cut}"] == pytest.approx(wanted[0])
        assert found[f"text_to_image_r{cut}"] == pytest.approx(wanted[1])


def test_images_with_equal_texts_are_each_right_and_a_blind_model_finds_nothing() -> None:
    texts = F.normalize(torch.eye(3), dim=1)
    own = torch.tensor([0, 0, 1, 2])
    assert set(recall(texts[own], texts, own, cuts=(1,)).values()) == {1.0}
    same_feature = torch.ones(4, 3)
    assert set(recall(same_feature, same_feature[:3], own, cuts=(1, 2)).values()) == {0.0}


def test_evaluation_in_the_run_changes_nothing_and_is_logged(
    make_dataset: Make, small_model: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    data = [str(make_dataset(counts={"train": 20, "val": 14})), str(make_dataset("more", counts={"train": 9}))]
    options = {"steps": 5, "objective": "mlip", "ema": 0.9}  # mlip drops features out, at random
    whole = checkpoint.load(loop.pretrain(settings(small_model, **options), data, tmp_path / "plain"))
    capfd.readouterr()
    path = loop.pretrain(settings(small_model, **options, evaluate_every=2), data, tmp_path / "looked")
    assert [key for key, value in whole.items() if not same(value, checkpoint.load(path)[key])] == []
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("val at step")]
    assert [line.split()[3] for line in lines] == ["2", "4", "5"]
    events = EventAccumulator(str(tmp_path / "looked" / "tensorboard"))
    events.Reload()
    tags = {f"val/{side}_r{k}" for side in ("image_to_text", "text_to_image") for k in (1, 5, 10)}
    assert tags | {"val/auc", "val/concepts"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("val/auc")] == [2, 4, 5]
    assert all(0 <= event.value <= 1 for tag in tags | {"val/auc"} for event in events.Scalars(tag))


def test_figures_in_the_run_are_those_of_mgll_train_evaluate(
    make_dataset: Make, small_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mgll_train.evaluate import zero_shot

    seen: list[dict[str, float]] = []
    monkeypatch.setattr(loop.Log, "evaluated", lambda self, step, values: seen.append(dict(values)))
    data = [str(make_dataset(counts={"train": 20, "val": 30}))]
    path = loop.pretrain(settings(small_model, steps=2, evaluate_every=2), data, tmp_path / "run")
    report = zero_shot.evaluate(path, data, split="val", min_count=5, draws=2, workers=0)
    assert seen[0]["val/auc"] == pytest.approx(report["macro_auc"], abs=1e-6)
    assert seen[0]["val/concepts"] == report["concepts_scored"] > 0


def test_broken_images_of_val_are_told_and_counted(
    make_dataset: Make, small_model: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = make_dataset(counts={"train": 20, "val": 14})
    shard, *_ = split_shards(find([str(folder)]), "val")
    content = shard.path.read_bytes()
    start = content.index(b"\xff\xd8\xff")
    shard.path.write_bytes(content[:start] + b"no picture" + content[start + 10 :])
    config = {"steps": 4, "evaluate_every": 2, "workers": 1}
    loop.pretrain(settings(small_model, **config, broken=1 / 14), [str(folder)], tmp_path / "run")
    told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("left out of val: ")]
    assert len(told) == 1 and "val/000000.tar sample" in told[0]
    with pytest.raises(DataError, match="1 broken samples, the budget is 0 of 14"):
        loop.pretrain(settings(small_model, **config, broken=0.0), [str(folder)], tmp_path / "strict")


def test_without_a_val_split_evaluation_is_refused(make_dataset: Make, small_model: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="evaluate_every needs the split val"):
        loop.pretrain(settings(small_model, evaluate_every=1), [str(make_dataset())], tmp_path / "run")
