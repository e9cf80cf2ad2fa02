"""Building models without a network, and what their towers give."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

from mgll_train import build as models  # noqa: E402
from mgll_train.batch import Batch, LevelBatch  # noqa: E402
from mgll_train.build import build_model  # noqa: E402
from mgll_train.errors import UserError  # noqa: E402
from mgll_train.model import Widths  # noqa: E402

SMALL = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture
def small(tmp_path):
    file = tmp_path / "small.json"
    file.write_text(json.dumps(SMALL))
    return build_model(str(file))


def test_tiny_by_name():
    model, wanted, tokenizer = build_model("tiny")
    images = torch.zeros(2, 3, wanted.image_size, wanted.image_size)
    assert len(wanted.mean) == len(wanted.std) == 3
    image, text = model.encode_image(images), model.encode_text(tokenizer(["a fundus photograph", "a chest film"]))
    assert image.shape == text.shape
    assert not {n for n, p in model.named_parameters() if not p.requires_grad} - {"clip.logit_scale"}


def test_tiny_is_found_where_the_package_is_installed_without_a_checkout(tmp_path, monkeypatch):
    source = models.REPOSITORY / "recipes" / "models" / "tiny.json"
    installed = tmp_path / "share" / "mgll" / "recipes" / "models"
    installed.mkdir(parents=True)
    (installed / "tiny.json").write_text(source.read_text())
    monkeypatch.setattr(models, "REPOSITORY", tmp_path / "site-packages")
    assert models._find_own("tiny") is None
    monkeypatch.setattr(models.sysconfig, "get_path", lambda _: str(tmp_path))
    assert build_model("tiny")[1].image_size == json.loads(source.read_text())["vision_cfg"]["image_size"]


def test_trimmed_text_equals_open_clip(small):
    model, _, tokenizer = small
    model.double()  # a sum over fewer tokens rounds differently in fp32
    tokens = tokenizer(["one", "moderate non-proliferative retinopathy with exudates", "word " * 100])
    with torch.no_grad():
        expected = model.clip.encode_text(tokens)
        torch.testing.assert_close(model.encode_text(tokens), expected, rtol=1e-12, atol=1e-12)
        short = model.encode_text(tokens[:2])
    torch.testing.assert_close(short, expected[:2], rtol=1e-12, atol=1e-12)


def batch_of(tokenizer, image_size, levels):
    rows = 3
    made = {}
    for name, texts in levels.items():
        tokens = tokenizer(texts) if texts else tokenizer([""])[:0]
        count = len(texts)
        flags = torch.zeros(rows, count, dtype=torch.bool)
        made[name] = LevelBatch(
            torch.arange(count), tokens, flags[:count, :1], flags[:count, :1], flags, flags.float(), flags
        )
    nothing = torch.zeros(rows, 1, dtype=torch.bool)
    images = torch.randn(rows, 3, image_size, image_size)
    return Batch(images, ("a", "b", "c"), nothing, nothing, made, "mask")


def test_forward_encodes_each_unique_text_once_and_equals_the_towers(small):
    model, wanted, tokenizer = small
    model.eval()
    texts = {"modality": ["a fundus photograph"], "category": [], "diagnostic": ["drusen", "a large optic cup"]}
    batch = batch_of(tokenizer, wanted.image_size, texts)
    rows = []
    model.clip.ln_final.register_forward_hook(lambda _module, args, _output: rows.append(args[0].shape[0]))
    features = model(batch)
    assert rows == [3]
    torch.testing.assert_close(features.image, model.encode_image(batch.images))
    for level in texts:
        assert features.text[level].shape == (len(texts[level]), 32)
        alone = model.encode_text(batch.levels[level].tokens)
        torch.testing.assert_close(features.text[level], alone, rtol=1e-5, atol=1e-5)


def test_batch_without_texts_reaches_every_parameter(small):
    model, wanted, tokenizer = small
    batch = batch_of(tokenizer, wanted.image_size, {"category": [], "diagnostic": []})
    features = model(batch)
    (features.image.sum() + sum(text.sum() for text in features.text.values())).backward()
    missing = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert missing == []
    assert model(replace(batch, levels={})).text == {}


def test_weights_from_a_file(tmp_path, small):
    model, _, tokenizer = small
    torch.save(model.clip.state_dict(), tmp_path / "weights.pt")
    again, _, _ = build_model(str(tmp_path / "small.json"), tmp_path / "weights.pt")
    tokens = tokenizer(["drusen"])
    torch.testing.assert_close(again.encode_text(tokens), model.encode_text(tokens))
    with pytest.raises(UserError, match="neither a file nor a folder nor a pretrained tag of model small"):
        build_model(str(tmp_path / "small.json"), "openai")


def test_model_from_a_folder(tmp_path):
    (tmp_path / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": SMALL, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}})
    )
    _, wanted, _ = build_model(str(tmp_path))
    assert (wanted.image_size, wanted.mean, wanted.std) == (32, (0.5,) * 3, (0.25,) * 3)


def test_other_text_towers_are_not_trimmed(tmp_path):
    other = {**SMALL, "custom_text": True}
    (tmp_path / "custom.json").write_text(json.dumps(other))
    model, _, tokenizer = build_model(str(tmp_path / "custom.json"))
    tokens = tokenizer(["drusen"])
    torch.testing.assert_close(model.encode_text(tokens), model.clip.encode_text(tokens))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tinny", "did you mean tiny"),
        ("ViT-B/23", "did you mean .*ViT-B-"),
        ("hf-hub:org/model", "hf download org/model"),
        ("ViT-B-16-SigLIP", "hub|downloaded"),
        ("roberta-ViT-B-32", "hub"),
        ("missing.json", "no such model config"),
    ],
)
def test_models_that_cannot_be_built_are_explained(name, message):
    with pytest.raises(UserError, match=message):
        build_model(name)


def test_json_that_is_no_model_config(tmp_path):
    for content in ("{oops", "[]", '{"embed_dim": 3}'):
        file = Path(tmp_path / "wrong.json")
        file.write_text(content)
        with pytest.raises(UserError, match=r"wrong\.json"):
            build_model(str(file))


def test_a_timm_image_tower_by_name():
    model, wanted, tokenizer = build_model("timm-vit-tiny")
    assert wanted.image_size == 224 and model.widths(224) == Widths(128, 192, 64)
    assert model.encode_text(tokenizer(["drusen"])).shape == (1, 128)


@pytest.mark.parametrize("name", ["resnet50-clinicalbert", "vit-b-16-biomedbert"])
def test_models_of_ours_with_hugging_face_towers_say_what_to_fetch(name, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    pytest.importorskip("transformers")
    with pytest.raises(UserError, match=r"hf download (emilyalsentzer/Bio_ClinicalBERT|microsoft/BiomedNLP)"):
        build_model(name)
