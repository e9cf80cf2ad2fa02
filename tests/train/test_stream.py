from __future__ import annotations

import json
import multiprocessing
from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from mgll_train import shards
from mgll_train.batch import text_key
from mgll_train.budget import Broken, Budget
from mgll_train.build import build_model
from mgll_train.errors import DataError, UserError
from mgll_train.evaluate.pictures import Pictures, load_pictures
from mgll_train.picture import View, render
from mgll_train.stream import (
    BrokenSampleError,
    Plan,
    Steps,
    normalise,
    read_sample,
)
from mgll_train.workers import load_steps

Make = Callable[..., Path]


def test_normalise() -> None:
    _, wanted, _ = build_model("tiny")
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    out = normalise(images, wanted)
    for channel in range(3):
        assert out[0, channel, 0, 0].item() == pytest.approx(-wanted.mean[channel] / wanted.std[channel], rel=1e-5)
        assert out[1, channel, 0, 0].item() == pytest.approx((1 - wanted.mean[channel]) / wanted.std[channel], rel=1e-5)
    assert torch.equal(normalise(images[:, :1], wanted), out)  # grey images are sent as one plane


def steps(
    folders: list[Path], model: str = "tiny", *, batch: int = 8, rank: int = 0, world: int = 1, **more: Any
) -> Steps:
    found = shards.find([str(folder) for folder in folders])
    reader = shards.Reader(shards.split_shards(found, "train"))
    _, wanted, tokenizer = build_model(model)
    plan = Plan(7, batch, 16, shards.identity(found), rank, world, **more)
    return Steps(
        reader,
        plan,
        View(wanted.image_size, crop=0.6, jitter=0.1),
        levels=shards.levels(found),
        vocabulary=shards.vocabulary(found),
        tokenizer=tokenizer,
        unknown="mask",
    )


def test_an_epoch_is_every_sample_once(make_dataset: Make, small_model: str) -> None:
    data = steps([make_dataset("one"), make_dataset("two", modality="cxr")], small_model)
    uids = [uid for step in range(10) for uid in data[step].batch.uids]  # type: ignore[union-attr]
    assert len(uids) == 80 and len(set(uids)) == 80
    again = [uid for step in range(10, 20) for uid in data[step].batch.uids]  # type: ignore[union-attr]
    assert set(again) == set(uids) and again != uids


def test_epochs_follow_without_a_gap(make_dataset: Make, small_model: str) -> None:
    data = steps([make_dataset(counts={"train": 21})], small_model)
    seen = [pair for step in range(21) for pair in data.numbers(step)]
    for epoch in range(8):
        assert sorted(number for at, number in seen if at // 21 == epoch) == list(range(21))
    assert sorted(at for at, _ in seen) == list(range(8 * 21))


def test_ranks_share_the_global_batch(make_dataset: Make, small_model: str) -> None:
    folder = make_dataset()
    whole = steps([folder], small_model)
    parts = [steps([folder], small_model, rank=rank, world=4) for rank in range(4)]
    for step in range(12):
        shares = [part.numbers(step) for part in parts]
        assert {len(share) for share in shares} == {2}
        assert sorted(chain(*shares)) == sorted(whole.numbers(step))
    with pytest.raises(UserError, match="cannot be shared by 3 ranks"):
        steps([folder], small_model, world=3)


def equal(one: Any, other: Any) -> bool:
    one, other = one.batch, other.batch
    levels = all(
        torch.equal(getattr(one.levels[name], field), getattr(other.levels[name], field))
        for name in one.levels
        for field in ("text_ids", "tokens", "Y", "valid")
    )
    return bool(one.uids == other.uids and torch.equal(one.images, other.images) and levels)


def test_workers_give_the_same_batches_from_any_step(make_dataset: Make, small_model: str) -> None:
    data = steps([make_dataset()], small_model)
    alone = list(load_steps(data, 3, 9, workers=0, cuda=False))
    assert len(alone) == 6
    for workers in (1, 3):
        found = list(load_steps(data, 3, 9, workers=workers, cuda=False))
        assert all(equal(a, b) for a, b in zip(alone, found, strict=True))
    assert equal(next(load_steps(data, 5, 6, workers=0, cuda=False)), alone[2])


@pytest.mark.slow
def test_workers_may_be_spawned(make_dataset: Make, small_model: str) -> None:
    data = steps([make_dataset()], small_model)
    before = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("spawn", force=True)
    try:
        found = list(load_steps(data, 0, 2, workers=1, cuda=False))
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert equal(found[1], data[1])


def test_targets_come_with_the_images(make_dataset: Make, small_model: str) -> None:
    """Each image's own texts are positive, and its absent concepts' texts negative."""
    loaded = steps([make_dataset()], small_model, batch=32)[0]
    assert loaded.batch is not None and loaded.broken == ()
    level = loaded.batch.levels["diagnostic"]
    assert loaded.batch.images.dtype == torch.uint8
    assert (level.Y[level.own] == 1).all()
    assert not (level.Y.bool() & ~level.valid).any()
    assert (~level.valid).any()  # the datasets of the tests leave some concepts unknown


def _edit(folder: Path, old: bytes, new: bytes, count: int = 1) -> None:
    assert len(old) == len(new)
    tar = folder / "train" / "000000.tar"
    data = tar.read_bytes()
    assert data.count(old) >= count
    tar.write_bytes(data.replace(old, new, count))


@pytest.mark.parametrize(
    "old, new, message",
    [
        (b'"v": 1,', b'"v": 2,', "contract version 2"),
        (b'"v": 1,', b'"v" 1 ,', "JSON is damaged"),
        (b'"split": "train"', b'"split": "trayn"', "split 'trayn'"),
        (b'"modality": "fundus"', b'"modality": "kidney"', "modality 'kidney'"),
        (b'"fundus.bar"', b'"fundus.bat"', "vocabulary.json does not hold: fundus.bat"),
        (b'"regions": []', b'"regions": 00', "JSON is damaged"),
        (b'"regions": []', b'"regions": {}', "'regions' is dict"),
        (b"\xff\xd8\xff", b"\xff\xd8\x00", "neither JPEG"),
        (b'"id": "t-', b'"id": "u-', "wrong id"),
    ],
)
def test_broken_samples_are_named_with_their_reason(
    make_dataset: Make, small_model: str, old: bytes, new: bytes, message: str
) -> None:
    folder = make_dataset()
    _edit(folder, old, new)
    data = steps([folder], small_model, batch=40)
    loaded = data[0]
    assert loaded.batch is not None and len(loaded.batch.uids) == 39
    (broken,) = loaded.broken
    assert message in broken.message and "train/000000.tar sample" in broken.message
    assert str(folder) not in broken.message


def test_uid_must_be_the_name_of_the_member(make_dataset: Make, small_model: str) -> None:
    folder = make_dataset()
    data = steps([folder], small_model)
    key = data.reader.read(0)[0]
    _edit(folder, f'"uid": "{key}"'.encode(), f'"uid": "{key[:-16]}0000000000000000"'.encode())
    with pytest.raises(BrokenSampleError, match="is not the member's name"):
        read_sample(steps([folder], small_model).reader, 0, data.view, data.concepts)


def test_batch_without_a_readable_sample_is_none(make_dataset: Make, small_model: str) -> None:
    folder = make_dataset(counts={"train": 4})
    _edit(folder, b"\xff\xd8\xff", b"\xff\xd8\x00", 4)
    loaded = steps([folder], small_model, batch=4)[0]
    assert loaded.batch is None and {entry.number for entry in loaded.broken} == set(range(4))


def test_a_step_without_a_readable_sample_takes_one_of_a_later_step(make_dataset: Make, small_model: str) -> None:
    folder = make_dataset()
    data = steps([folder], small_model, batch=2)
    lost = {number for _, number in data.numbers(5)}
    for number in lost:
        image = data.reader.read(number)[1]
        tar = data.reader.shards[number // 10].path
        tar.write_bytes(tar.read_bytes().replace(image, b"XXX" + image[3:]))
    loaded = steps([folder], small_model, batch=2)[5]
    assert loaded.batch is not None and {entry.number for entry in loaded.broken} == lost
    key = data.reader.read(data.numbers(6)[0][1])[0]
    assert loaded.batch.uids == (key,)


def test_budget_counts_a_sample_once() -> None:
    budget = Budget(0.1, 20)
    assert budget.spend([Broken(3, "a"), Broken(5, "b")]) == ["a", "b"]
    assert budget.spend([Broken(3, "a")]) == [] and len(budget) == 2
    with pytest.raises(DataError, match=r"3 broken samples, the budget is 2 of 20(.|\n)*a\n(.|\n)*c"):
        budget.spend([Broken(6, "c")])


def test_pictures_for_evaluation_come_whole_and_in_order(make_dataset: Make, small_model: str) -> None:
    found = shards.find([str(make_dataset())])
    reader = shards.Reader(shards.split_shards(found, "test"))
    for workers in (0, 2):
        pictures = Pictures(reader, View(32), shards.vocabulary(found))
        packs = list(load_pictures(pictures, 6, workers=workers))
        assert [len(pack.metas) for pack in packs] == [6, 6, 6, 2]
        assert not any(pack.broken for pack in packs)
        stacked = torch.cat([pack.images for pack in packs if pack.images is not None])
        metas = [meta for pack in packs for meta in pack.metas]
        for number in range(20):
            key, image, meta, _ = reader.read(number)
            assert metas[number] == json.loads(meta) and metas[number]["uid"] == key
            assert (stacked[number].numpy() == render(image, View(32), grey=False)).all()


def test_texts_are_drawn_anew_each_time_and_alike_on_any_rank(make_dataset: Make, small_model: str) -> None:
    folder = make_dataset(counts={"train": 12})
    alone = steps([folder], small_model, batch=1, texts=1)
    drawn: dict[int, set[int]] = {number: set() for number in range(12)}
    for step in range(12 * 10):  # ten epochs
        ((_, number),) = alone.numbers(step)
        batch = alone[step].batch
        assert batch is not None
        ids = batch.levels["diagnostic"].text_ids.tolist()
        assert len(ids) <= 1
        drawn[number].update(ids)
    for number, ids in drawn.items():
        held = {text_key(text["id"]) for text in json.loads(alone.reader.read(number)[2])["texts"]["diagnostic"]}
        assert ids <= held and len(ids) >= min(2, len(held))
    whole = steps([folder], small_model, batch=4, texts=1)
    parts = [steps([folder], small_model, batch=4, texts=1, rank=rank, world=2) for rank in (0, 1)]
    for step in range(6):
        texts = [d[step].batch.levels["diagnostic"].text_ids.tolist() for d in (whole, *parts)]  # type: ignore[union-attr]
        assert set(texts[0]) == {*texts[1], *texts[2]}


def test_one_level_a_step_brings_that_level_alone_on_every_rank(make_dataset: Make, small_model: str) -> None:
    folder = make_dataset()
    brought = []
    for step in range(12):
        ranks = [steps([folder], small_model, rank=rank, world=2, one_level=True)[step].batch for rank in (0, 1)]
        chosen = [[name for name, level in part.levels.items() if len(level.text_ids)] for part in ranks if part]
        assert chosen[0] == chosen[1] and len(chosen[0]) == 1
        brought.append(chosen[0][0])
    assert set(brought) == {"category", "diagnostic"}


def test_weights_change_what_an_epoch_holds(make_dataset: Make, small_model: str) -> None:
    folders = [make_dataset("one"), make_dataset("two", modality="cxr")]
    data = steps(folders, small_model, weights=(3.0, 1.0))
    for epoch in range(4):
        seen = Counter(uid.split("-")[0] for step in range(10) for uid in data[10 * epoch + step].batch.uids)  # type: ignore[union-attr]
        assert seen == {"one": 60, "two": 20}
    # A sample that comes twice in an epoch is cropped differently.
    numbers = [number for step in range(10) for _, number in data.numbers(step)]
    twice = next(number for number, times in Counter(numbers).items() if times == 2)
    places = [(step, i) for step in range(10) for i, (_, number) in enumerate(data.numbers(step)) if number == twice]
    views = [data[step].batch.images[i] for step, i in places]  # type: ignore[union-attr]
    assert not torch.equal(views[0], views[1])
