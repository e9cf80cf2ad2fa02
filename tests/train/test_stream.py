from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mgll_train import shards
from mgll_train.build import build_model
from mgll_train.errors import DataError, UserError
from mgll_train.evaluate.pictures import Pictures, load_pictures
from mgll_train.picture import UnreadablePictureError, View, render
from mgll_train.stream import (
    Broken,
    BrokenSampleError,
    Budget,
    Plan,
    Steps,
    load_steps,
    normalise,
    read_sample,
)

Make = Callable[..., Path]


def encode(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    ok, data = cv2.imencode(suffix, pixels)
    assert ok
    return bytes(data.tobytes())


def picture(height: int, width: int) -> np.ndarray:
    """Smooth colours, so that resampling changes them little."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * y / height, 255 * x / width, 128 + 0 * y], axis=2).astype(np.uint8)


# Pictures


def test_colours_come_out_as_rgb() -> None:
    red = np.zeros((40, 40, 3), np.uint8)
    red[:, :, 2] = 200
    out = render(encode(red), View(20), grey=False)
    assert out.shape == (3, 20, 20) and out.dtype == np.uint8
    assert (out[0] == 200).all() and (out[1:] == 0).all()


def test_grey_gives_three_equal_planes() -> None:
    out = render(encode(picture(30, 30)), View(20), grey=True)
    assert (out[0] == out[1]).all() and (out[0] == out[2]).all()


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("height, width", [(60, 30), (30, 60), (47, 47), (1, 9)])
def test_picture_keeps_its_shape_in_a_black_square(suffix: str, height: int, width: int) -> None:
    white = np.full((height, width, 3), 255, np.uint8)
    out = render(encode(white, suffix), View(32), grey=False)
    shown = out[0] > 128
    rows, columns = shown.any(axis=1).sum(), shown.any(axis=0).sum()
    assert abs(rows - max(1, 32 * height / max(height, width))) <= 1
    assert abs(columns - max(1, 32 * width / max(height, width))) <= 1
    assert shown[16, 16]  # in the middle


def test_nothing_is_mirrored() -> None:
    """Left stays left: over many random views the bright left half is left of the dark one."""
    half = np.zeros((64, 64, 3), np.uint8)
    half[:, :32] = 255
    data = encode(half)
    for seed in range(30):
        out = render(data, View(32, crop=0.5, jitter=0.2), grey=False, rng=np.random.default_rng(seed))
        assert out[0][:, :4].mean() > out[0][:, -4:].mean() + 50


@settings(max_examples=60, deadline=None)
@given(
    st.integers(8, 300), st.integers(8, 300), st.floats(0.3, 1), st.integers(0, 1000), st.sampled_from([".jpg", ".png"])
)
def test_random_view_always_shows_some_of_the_picture(
    height: int, width: int, crop: float, seed: int, suffix: str
) -> None:
    white = np.full((height, width), 255, np.uint8)
    out = render(encode(white, suffix), View(24, crop=crop), grey=True, rng=np.random.default_rng(seed))
    # A window stretches the picture by at most 1 / sqrt(crop * 0.9) and never leaves its centre.
    assert (out[0] > 200).any()
    assert (out[0] > 200).mean() >= 0.4 * min(height, width) / max(height, width) - 0.05


def test_random_window_equals_the_cut_of_the_whole() -> None:
    """A crop of a gradient reads back where it was taken: its mean value is that of the window."""
    y, x = np.mgrid[0:256, 0:256]
    data = encode(np.stack([y, x, x], axis=2).astype(np.uint8))
    sides = []
    for seed in range(40):
        out = render(data, View(64, crop=0.5), grey=False, rng=np.random.default_rng(seed)).astype(float)
        across, down = out[0, :, -1].mean() - out[0, :, 0].mean(), out[2, -1].mean() - out[2, 0].mean()
        assert 0.45 <= across * down / 255**2 <= 1.0
        assert 0.88 <= across / down <= 1.13
        sides.append((across * down) / 255**2)
    assert max(sides) - min(sides) > 0.3


@pytest.mark.parametrize("grey", [True, False])
def test_reduced_decode_is_close_to_the_full_one(grey: bool) -> None:
    data = encode(picture(513, 400), ".jpg")
    for crop, seed in ((1.0, None), (0.6, 3), (0.6, 4)):
        views = [
            render(
                data,
                View(64, crop=crop, reduced=reduced),
                grey=grey,
                rng=None if seed is None else np.random.default_rng(seed),
            ).astype(int)
            for reduced in (True, False)
        ]
        # Away from the picture's border, where the rounding of the reduced size shows.
        assert np.abs(views[0] - views[1])[:, 8:-8, 16:-16].max() <= 6


def test_jitter_changes_grey_levels_within_its_strength() -> None:
    flat = encode(np.full((20, 20, 3), 127, np.uint8))
    means = [
        render(flat, View(16, jitter=0.1), grey=False, rng=np.random.default_rng(seed)).mean() for seed in range(50)
    ]
    assert max(means) > 140 and min(means) < 115
    assert all(127 - 26.5 <= mean <= 127 + 26.5 for mean in means)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_cut_pictures_are_refused_at_every_length(suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    data = encode(noise, suffix)
    for length in {0, 1, 4, 20, 100, len(data) // 2, len(data) - 20, len(data) - 3}:
        with pytest.raises(UnreadablePictureError):
            render(data[:length], View(16), grey=False)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF"]))
def test_any_bytes_give_an_error_of_ours(data: bytes, start: bytes) -> None:
    with pytest.raises(UnreadablePictureError):
        render(start + data, View(16), grey=False)


def test_normalise() -> None:
    _, wanted, _ = build_model("tiny")
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    out = normalise(images, wanted)
    for channel in range(3):
        assert out[0, channel, 0, 0].item() == pytest.approx(-wanted.mean[channel] / wanted.std[channel], rel=1e-5)
        assert out[1, channel, 0, 0].item() == pytest.approx((1 - wanted.mean[channel]) / wanted.std[channel], rel=1e-5)


# Samples and steps


def steps(folders: list[Path], model: str = "tiny", *, batch: int = 8, rank: int = 0, world: int = 1) -> Steps:
    found = shards.find([str(folder) for folder in folders])
    reader = shards.Reader(shards.split_shards(found, "train"))
    _, wanted, tokenizer = build_model(model)
    plan = Plan(7, batch, 16, shards.identity(found), rank, world)
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
    assert len(seen) == len(set(seen)) == 8 * 21
    assert {epoch for epoch, _ in seen} == set(range(8))


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
    assert loaded.batch is None and len(loaded.broken) == 4


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
