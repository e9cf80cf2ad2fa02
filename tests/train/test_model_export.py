"""What `mgll-train export` writes: open_clip gives the features of the checkpoint, and so do we."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

from mgll_train import checkpoint, objectives  # noqa: E402
from mgll_train.build import build_model  # noqa: E402
from mgll_train.errors import DataError, UserError  # noqa: E402
from mgll_train.export import export  # noqa: E402
from tests.train.conftest import largest_file  # noqa: E402
from tests.train.test_model_text_towers import write_bert  # noqa: E402


def write_run(folder, model, objective="mgll", text=None):
    """A run folder with one checkpoint, and the model in it."""
    torch.manual_seed(1)
    towers, _, tokenizer = build_model(model, text=text)
    aim = objectives.build(objective, ("category",))
    state = {key: {} for key in checkpoint._KEYS} | {
        "v": checkpoint.VERSION,
        "model": towers.state_dict(),
        "objective": aim.state_dict(),
        "average": {name: value * 0.5 for name, value in towers.state_dict().items()},
        "step": 3,
        "config": {"model": model, "objective": objective, "text_tower": text, "pretrained": None},
        "manifests": [],
    }
    checkpoint.save(folder / "checkpoints", state, 1)
    return towers.eval(), tokenizer, aim


@pytest.mark.parametrize("objective", ["mgll", "siglip"])
@torch.no_grad()
def test_open_clip_gives_the_same_features(tmp_path, objective):
    towers, tokenizer, aim = write_run(tmp_path, "tiny", objective)
    folder = export(tmp_path, tmp_path / "out")
    clip = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True).eval()
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(["drusen", "a large optic cup"])
    assert torch.equal(tokens, tokenizer(["drusen", "a large optic cup"]))
    images = torch.randn(2, 3, 112, 112)
    torch.testing.assert_close(clip.encode_image(images), towers.encode_image(images), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(clip.encode_text(tokens), towers.encode_text(tokens), rtol=1e-5, atol=1e-5)
    assert clip.logit_scale.item() == pytest.approx(aim.logit_scale.item())
    assert (clip.logit_bias is None) if objective == "mgll" else clip.logit_bias.item() == pytest.approx(-10)
    again, wanted, _ = build_model(str(folder))
    assert wanted == build_model("tiny")[1]
    assert torch.equal(again.clip.text_projection, towers.clip.text_projection)


def test_a_model_that_could_not_be_written_leaves_nothing(tmp_path):
    write_run(tmp_path, "tiny")
    with largest_file(100_000), pytest.raises(UserError, match="out: the model cannot be written"):
        export(tmp_path, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]
    (tmp_path / "out.part").mkdir()  # of somebody else
    (tmp_path / "out.part" / "notes").write_text("mine")
    folder = export(tmp_path, tmp_path / "out")
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1  # all may be read alike
    assert (tmp_path / "out.part" / "notes").read_text() == "mine"


@torch.no_grad()
def test_a_hugging_face_text_tower_goes_with_it(tmp_path, small_model):
    pytest.importorskip("transformers")
    bert = write_bert(tmp_path / "bert")
    towers, tokenizer, _ = write_run(tmp_path, small_model, text=str(bert))
    folder = export(tmp_path, tmp_path / "out")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(["mild edema", "no drusen"])
    assert torch.equal(tokens, tokenizer(["mild edema", "no drusen"]))
    clip = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True).eval()
    for one in (clip, build_model(str(folder))[0].eval()):
        torch.testing.assert_close(one.encode_text(tokens), towers.encode_text(tokens), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_running_average(tmp_path, small_model):
    towers, _, _ = write_run(tmp_path, small_model)
    clip = open_clip.create_model(f"local-dir:{export(tmp_path, tmp_path / 'out', average=True)}")
    torch.testing.assert_close(clip.visual.proj, towers.clip.visual.proj / 2)


def test_pictures_are_shown_whole(tmp_path, small_model):
    write_run(tmp_path, small_model)
    described = json.loads((export(tmp_path, tmp_path / "out") / "open_clip_config.json").read_text())
    assert described["preprocess_cfg"]["resize_mode"] == "longest"


def test_what_cannot_be_exported(tmp_path, small_model, monkeypatch):
    write_run(tmp_path, small_model)
    with pytest.raises(UserError, match="not an empty folder"):
        export(tmp_path, tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(UserError, match="the folder that you are in"):
        export(tmp_path, Path())
    state = checkpoint.load(checkpoint.resolve(tmp_path))
    checkpoint.save(tmp_path / "checkpoints", {**state, "config": {**state["config"], "model": "tiny"}}, 1)
    with pytest.raises(DataError, match="do not fit model tiny"):
        export(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_trained_with_a_hugging_face_tower_resumed_and_exported(tmp_path, small_model, make_dataset):
    """A local objective reads the words, a loader process tokenises, and resuming reads no weights of the tower."""
    pytest.importorskip("transformers")
    from mgll_train import loop
    from mgll_train.config import Config

    bert = write_bert(tmp_path / "bert")
    wanted = Config(model=small_model, text_tower=str(bert), objective="mgca", steps=2, batch=8, workers=1, threads=1)
    data = make_dataset()
    before = torch.get_num_threads()
    try:
        loop.pretrain(wanted, [str(data)], tmp_path / "run")
        (bert / "model.safetensors").unlink()
        loop.pretrain(wanted, [str(data)], tmp_path / "run", resume=True)
    finally:
        torch.set_num_threads(before)
    clip = open_clip.create_model(f"local-dir:{export(tmp_path / 'run', tmp_path / 'out')}", require_pretrained=True)
    state = checkpoint.load(checkpoint.resolve(tmp_path / "run"))
    for name, value in clip.visual.state_dict().items():
        assert torch.equal(value, state["model"][f"clip.visual.{name}"])
