"""Patches and words: beside the very features that the towers give, and no part of a word is padding."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from open_clip.model import CLIP  # noqa: E402
from open_clip.timm_model import TimmModel  # noqa: E402

from mgll_train import lengths, parts  # noqa: E402
from mgll_train.errors import UserError  # noqa: E402
from mgll_train.model import TwoTowers  # noqa: E402

TEXT = {"context_length": 40, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
VIT = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 8}
RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32, "patch_size": None}
TEXTS = ["drusen", "", "moderate nonproliferative retinopathy with hard exudates", "word " * 60]


def clip(vision=VIT, **text):
    torch.manual_seed(0)
    return CLIP(24, vision, {**TEXT, **text}).eval()


def same(one, two):
    torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("vision", "cells", "width"),
    [(VIT, 16, 32), ({**VIT, "pool_type": "avg"}, 16, 32), (RESNET, 4, 16 * 32)],
)
@torch.no_grad()
def test_patches_of_open_clips_towers(vision, cells, width):
    tower = clip(vision).visual
    images = torch.randn(2, 3, vision["image_size"], vision["image_size"])
    pooled, patches = parts.patches(tower, images)
    assert patches.shape == (2, cells, width)
    same(pooled, tower(images))


@pytest.mark.parametrize(
    ("name", "side", "cells"),
    [
        ("test_vit", 160, 100),  # a class token
        ("test_vit3", 160, 100),  # a register token, attention pooling
        ("test_resnet", 160, 25),
        ("test_convnext", 160, 25),
        ("swin_tiny_patch4_window7_224", 224, 49),  # channels last
    ],
)
@torch.no_grad()
def test_patches_of_timm_towers(name, side, cells):
    tower = TimmModel(name, embed_dim=24, image_size=side, pool="").eval()
    images = torch.randn(2, 3, side, side)
    pooled, patches = parts.patches(tower, images)
    assert (pooled.shape, patches.shape) == ((2, 24), (2, cells, tower.trunk.num_features))
    same(pooled, tower(images))


@torch.no_grad()
def test_a_patch_is_a_place_of_the_picture():
    """What changes in one corner changes the first patch of a tower without attention, and not the last."""
    tower = TimmModel("test_resnet", embed_dim=24, image_size=160, pool="avg").eval()
    images = torch.zeros(2, 3, 320, 320)
    images[1, :, :16, :16] = 5
    _, patches = parts.patches(tower, images)
    moved = (patches[0] - patches[1]).norm(dim=1)
    assert moved[0] > 0 and moved[-1] == 0


def test_a_tower_without_patches_is_named():
    with pytest.raises(UserError, match="Linear gives no patches"):
        parts.patches(torch.nn.Linear(1, 1), torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize("text", [{}, {"no_causal_mask": True}])
@torch.no_grad()
def test_words_of_clips_tower(text):
    model = clip(**text)
    tokens = open_clip.SimpleTokenizer(context_length=40)(TEXTS)
    pooled, words, mask = parts.words(model, tokens)
    same(pooled, model.encode_text(tokens))
    ends = tokens.argmax(1)
    assert mask.sum(1).tolist() == (ends - 1).tolist() and mask.sum(1).tolist()[:2] == [2, 0]
    assert not mask[:, 0].any() and not mask[torch.arange(4), ends].any()
    alone, own, _ = parts.words(model, tokens[:1])
    same(alone, pooled[:1])
    same(own[0, : ends[0]], words[0, : ends[0]])
    same(parts.words(model, tokens, trim=False)[0], pooled)


def test_towers_whose_end_is_unknown_are_named():
    with pytest.raises(UserError, match="gives no words"):
        parts.words(clip(pool_type="last"), torch.ones(1, 40, dtype=torch.int64))


def test_texts_in_groups_of_like_length_equal_the_tower(monkeypatch):
    model = TwoTowers(clip()).double().eval()
    tokens = open_clip.SimpleTokenizer(context_length=40)([*TEXTS, *TEXTS[::-1], "macular edema"])
    rows = []
    model.clip.transformer.resblocks[0].register_forward_hook(lambda _m, args, _o: rows.append(args[0].shape[:2]))
    results = {}
    for worth in (10**9, 8):
        monkeypatch.setitem(lengths.WORTH, "cpu", worth)
        rows.clear()
        model.zero_grad()
        features = model.encode_text(tokens)
        features.square().sum().backward()
        results[worth] = features.detach(), model.clip.token_embedding.weight.grad, list(rows)
    assert len(results[10**9][2]) == 1 < len(results[8][2])
    assert sum(count for count, _ in results[8][2]) == len(tokens)
    for one, two in zip(results[8][:2], results[10**9][:2], strict=True):
        torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-12)
    same(results[8][0], model.clip.encode_text(tokens).detach())


@given(st.lists(st.integers(1, 77), max_size=40), st.integers(1, 200))
@settings(max_examples=100, deadline=None)
def test_groups_hold_every_text_once_and_each_cut_saves_its_worth(found, worth):
    made = lengths.groups(found, worth)
    assert sorted(place for group in made for place in group) == list(range(len(found)))
    padded = sum(len(group) * max(found[place] for place in group) for group in made)
    whole = len(found) * max(found, default=0)
    assert whole - padded >= worth * (len(made) - 1) if made else whole == 0
    assert sum(found) <= padded <= whole
    longest = [max(found[place] for place in group) for group in made]
    assert longest == sorted(longest)
