"""Hugging Face text towers from a folder and from the cache: masked means, words, and what is said of missing files."""

from __future__ import annotations

import json
import shutil

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from mgll_train import text_towers, weights  # noqa: E402
from mgll_train.batch import Batch, LevelBatch  # noqa: E402
from mgll_train.build import build_model  # noqa: E402
from mgll_train.errors import UserError  # noqa: E402

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "drusen", "mild", "edema", "large", "soft", "no", "."]
VISION = {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16}
TEXTS = ["drusen", "mild edema .", "no large soft drusen . no mild edema ."]


def write_bert(folder, **settings):
    """A BERT of random weights as most medical ones are published: config, weights and vocab.txt."""
    torch.manual_seed(3)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BertConfig(vocab_size=len(VOCABULARY), max_position_embeddings=20, **{**sizes, **settings})
    transformers.BertModel(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    return folder


@pytest.fixture
def bert(tmp_path):
    return write_bert(tmp_path / "bert")


@pytest.fixture
def small(tmp_path):
    file = tmp_path / "small.json"
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    file.write_text(json.dumps({"embed_dim": 24, "vision_cfg": VISION, "text_cfg": text}))
    return str(file)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty Hugging Face cache, and a way to put a folder into it as a repository."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)

    def put(name, folder):
        home = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        (home / "refs").mkdir(parents=True)
        (home / "refs" / "main").write_text("a" * 40)
        shutil.copytree(folder, home / "snapshots" / ("a" * 40))

    return put


def batch_of(tokens, captions):
    rows, count = len(captions), len(tokens)
    own = torch.zeros(rows, count, dtype=torch.bool)
    own[torch.arange(rows), torch.tensor(captions)] = True
    flags = torch.zeros(count, 1, dtype=torch.bool)
    level = LevelBatch(torch.arange(count), tokens, flags, flags, own, own.float(), own)
    nothing = torch.zeros(rows, 1, dtype=torch.bool)
    return Batch(torch.randn(rows, 3, 32, 32), ("a",) * rows, nothing, nothing, {"caption": level}, "mask")


def test_the_feature_is_the_mean_of_the_real_tokens_projected(small, bert):
    model, _, tokenizer = build_model(small, text=str(bert))
    model.eval()
    plain = transformers.BertModel.from_pretrained(bert).eval()
    tokens = tokenizer(TEXTS)
    assert tokens.shape == (3, 20) and tokens[1].tolist()[:6] == [2, 6, 7, 11, 3, 0]
    for row, text in zip(tokens, model.encode_text(tokens), strict=True):
        real = row[row != 0]
        hidden = plain(input_ids=real[None]).last_hidden_state[0]
        torch.testing.assert_close(text, model.clip.text.proj(hidden.mean(0)), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_neither_padding_nor_the_other_texts_change_a_feature(small, bert):
    model, _, tokenizer = build_model(small, text=str(bert))
    model.eval()
    tokens = tokenizer(TEXTS)
    together = model.encode_text(tokens)
    for row in range(3):
        alone = model.encode_text(tokens[row : row + 1])
        torch.testing.assert_close(alone, together[row : row + 1], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model.clip.encode_text(tokens), together, rtol=1e-5, atol=1e-5)


def test_words_for_the_local_objectives(small, bert):
    model, _, tokenizer = build_model(small, text=str(bert))
    model.eval()
    features = model(batch_of(tokenizer(TEXTS), [2, 0, 1, 1]), local=True)
    assert features.local.words.shape == (4, 11, 16) and features.local.patches.shape == (4, 4, 32)
    assert features.local.mask.sum(1).tolist() == [9, 1, 3, 3]  # neither [CLS] nor [SEP] nor padding
    assert model.widths(32).word == 16
    features.local.words[features.local.mask].sum().backward()
    short = model(batch_of(tokenizer(TEXTS[:2]), [0, 1]), local=True).local
    torch.testing.assert_close(short.words[0, :3], features.local.words[1, :3], rtol=1e-5, atol=1e-5)


def test_a_batch_without_texts_gives_finite_gradients(small, bert):
    """A text of nothing but padding has no mean."""
    model, _, tokenizer = build_model(small, text=str(bert))
    empty = batch_of(tokenizer(TEXTS), [0, 1]).levels["caption"]
    empty = LevelBatch(
        *(value[:0] for value in (empty.text_ids, empty.tokens, empty.concepts, empty.about)),
        *(value[:, :0] for value in (empty.own, empty.Y, empty.valid)),
    )
    features = model(Batch(torch.randn(2, 3, 32, 32), ("a", "b"), empty.own, empty.own, {"category": empty}, "mask"))
    (features.image.sum() + features.text["category"].sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


def test_by_name_from_the_cache_and_from_a_config(small, bert, cache, tmp_path):
    cache("clinic/bert", bert)
    named, _, tokenizer = build_model(small, text="clinic/bert")
    own, _, _ = build_model(small, text=str(bert))
    file = tmp_path / "named.json"
    text = {**text_towers.config("clinic/bert"), "context_length": 9}
    file.write_text(json.dumps({"embed_dim": 24, "vision_cfg": VISION, "text_cfg": text}))
    configured, _, shorter = build_model(str(file))
    weight = "embeddings.word_embeddings.weight"
    for model in (named, configured):
        assert torch.equal(
            model.clip.text.transformer.state_dict()[weight], own.clip.text.transformer.state_dict()[weight]
        )
    assert tokenizer(TEXTS).shape == (3, 20) and shorter(TEXTS).shape == (3, 9)


def test_empty_needs_no_weights(small, bert):
    (bert / "model.safetensors").unlink()
    with pytest.raises(UserError, match="no weights in"):
        build_model(small, text=str(bert))
    model, _, tokenizer = build_model(small, text=str(bert), empty=True)
    assert model.encode_text(tokenizer(TEXTS)).shape == (3, 24)


def test_what_is_missing_is_named_with_the_command_that_fetches_it(small, cache):
    for build in (lambda: build_model(small, text="clinic/bert"), lambda: build_model("hf-hub:clinic/bert")):
        with pytest.raises(UserError, match=r"clinic/bert'.*network is not used.*hf download clinic/bert"):
            build()
    with pytest.raises(UserError, match="roberta-base"):
        build_model("roberta-ViT-B-32")
    with pytest.raises(UserError, match=r"hf download timm/ViT-B-16-SigLIP"):
        build_model("ViT-B-16-SigLIP")
    with pytest.raises(UserError, match=r"hf download laion/CLIP-ViT-B-32-laion2B-s34B-b79K open_clip_model"):
        build_model("ViT-B-32", "laion2b_s34b_b79k")
    with pytest.raises(UserError, match=r"tag of model ViT-B-32; its tags: .*laion2b"):
        build_model("ViT-B-32", "nonsense")
    with pytest.raises(UserError, match="neither a folder nor the name of a repository"):
        build_model(small, text="not a name")


@pytest.mark.parametrize("value", ["0", "no", "False"])
def test_the_network_is_used_only_where_that_is_said(value, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert weights.offline()
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert not weights.offline()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "vocab.txt").unlink(), "tokenizer .*none in"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "config.json").write_text("{"), "not JSON"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "gpt2"}'), "'gpt2'; open_clip takes bert"),
        (lambda folder: write_bert(folder, pad_token_id=4), "padding is token 4, its tokenizer's is 0"),
    ],
)
def test_folders_that_are_no_text_tower(spoil, message, small, bert):
    spoil(bert)
    with pytest.raises(UserError, match=message):
        build_model(small, text=str(bert))


def test_a_tag_in_the_cache_brings_its_weights_and_its_preprocessing(cache, tmp_path, monkeypatch):
    import open_clip
    from safetensors.torch import save_file

    tag = {"hf_hub": "some/weights/", "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "quick_gelu": True}
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda _model, given: tag if given == "first" else {})
    trained, _, _ = build_model("tiny")
    folder = tmp_path / "weights"
    folder.mkdir()
    save_file(
        {name: value.contiguous() for name, value in trained.clip.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    cache("some/weights", folder)
    model, wanted, _ = build_model("tiny", "first")
    assert (wanted.mean, wanted.std) == (tag["mean"], tag["std"])
    assert type(model.clip.transformer.resblocks[0].mlp.gelu).__name__ == "QuickGELU"
    assert torch.equal(model.clip.text_projection, trained.clip.text_projection)
    other, wanted, _ = build_model("tiny", "first", empty=True)
    assert wanted.mean == tag["mean"] and not torch.equal(other.clip.text_projection, trained.clip.text_projection)


def test_weights_of_a_timm_tower_come_from_the_cache(cache, tmp_path):
    import timm
    from safetensors.torch import save_file

    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}
    vision = {"timm_model_name": "test_vit", "timm_model_pretrained": True, "timm_pool": "", "image_size": 160}
    file = tmp_path / "timm.json"
    file.write_text(json.dumps({"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}))
    with pytest.raises(UserError, match=r"image tower test_vit: timm/test_vit\.r160_in1k/model.*hf download"):
        build_model(str(file))
    build_model(str(file), empty=True)
    trunk = timm.create_model("test_vit")
    (tmp_path / "trunk").mkdir()
    save_file(trunk.state_dict(), tmp_path / "trunk" / "model.safetensors")
    cache("timm/test_vit.r160_in1k", tmp_path / "trunk")
    model, _, _ = build_model(str(file))
    assert torch.equal(model.clip.visual.trunk.pos_embed, trunk.pos_embed)
