from __future__ import annotations

import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mgll_train import shards
from mgll_train.errors import DataError, UserError

Make = Callable[..., Path]


def test_reads_every_sample_as_tarfile_does(make_dataset: Make) -> None:
    found = shards.find([str(make_dataset(counts={"train": 25}))])
    listed = shards.split_shards(found, "train")
    reader = shards.Reader(listed)
    assert len(reader) == 25
    number = 0
    for shard in listed:
        with tarfile.open(shard.path) as tar:
            names = tar.getnames()
            for name in names[::3]:
                key = name.split(".")[0]
                parts = [tar.extractfile(f"{key}.{e}").read() for e in ("jpg", "json", "txt")]  # type: ignore[union-attr]
                assert reader.read(number) == (key, *parts)
                number += 1
    assert number == 25
    reader.close()
    assert reader.read(24)[0] == key  # opens again


def test_reader_travels_to_another_process(make_dataset: Make) -> None:
    reader = shards.Reader(shards.split_shards(shards.find([str(make_dataset())]), "train"))
    first = reader.read(3)
    assert pickle.loads(pickle.dumps(reader)).read(3) == first


def test_open_files_are_bounded(make_dataset: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "_OPEN_FILES", 2)
    reader = shards.Reader(shards.split_shards(shards.find([str(make_dataset(per_shard=4))]), "train"))
    keys = [reader.read(number)[0] for number in (*range(40), *range(39, -1, -1))]
    assert keys == keys[::-1] and len(reader._files) <= 2


def test_finds_folders_globs_and_published_versions(make_dataset: Make, tmp_path: Path) -> None:
    one, two = make_dataset("one"), make_dataset("two", modality="cxr")
    published = tmp_path / "published" / "one"
    published.mkdir(parents=True)
    one.rename(published / "0.1.0-abc")
    (published / "LATEST").write_text("0.1.0-abc\n")
    found = shards.find([str(published), str(tmp_path / "data" / "*"), str(two)])
    assert [d.manifest.name for d in found] == ["one", "two"]  # `two` once, though named twice
    assert found[0].folder == published / "0.1.0-abc"
    assert shards.levels(found) == ("category", "diagnostic")
    assert len(shards.split_shards(found, "train")) == 8


def test_every_wrong_path_is_named(make_dataset: Make, tmp_path: Path) -> None:
    folder = make_dataset()
    (tmp_path / "escape").mkdir()
    (tmp_path / "escape" / "LATEST").write_text("../data/shapes")
    given = ["/nowhere/at/all", str(folder / "train"), str(folder / "train" / "000000.tar"), "/no/match/*"]
    with pytest.raises(UserError) as error:
        shards.find([*given, str(tmp_path / "escape")])
    assert len(error.value.problems) == 5
    assert all(path in problem for path, problem in zip(given, error.value.problems, strict=False))
    assert "one level too deep" in error.value.problems[1]


def test_no_sample_names_what_was_found(make_dataset: Make) -> None:
    found = shards.find([str(make_dataset(counts={"train": 5, "test": 3}))])
    with pytest.raises(UserError, match=r"split 'val'.*train 5, test 3"):
        shards.split_shards(found, "val")


def test_unknown_level_names_the_known(make_dataset: Make) -> None:
    found = shards.find([str(make_dataset())])
    with pytest.raises(UserError, match="no dataset holds 'report'; they hold category, diagnostic"):
        shards.levels(found, ["report", "category"])
    assert shards.levels(found, ["diagnostic", "category"]) == ("category", "diagnostic")


def _read_all(folder: Path) -> None:
    reader = shards.Reader(shards.split_shards(shards.find([str(folder)]), "train"))
    for number in range(len(reader)):
        reader.read(number)


def test_manifest_that_is_no_manifest(make_dataset: Make) -> None:
    folder = make_dataset()
    (folder / "manifest.json").write_text('{"v": 1}')
    with pytest.raises(DataError, match=r"manifest.json cannot be used: .*missing"):
        shards.find([str(folder)])
    (folder / "manifest.json").write_text('{"v": 1')
    with pytest.raises(DataError, match=r"manifest.json cannot be used"):
        shards.find([str(folder)])


@pytest.mark.parametrize("keep", [0.3, 0.5, 0.97])
def test_truncated_tar_is_named(make_dataset: Make, keep: float) -> None:
    folder = make_dataset()
    tar = folder / "train" / "000002.tar"
    data = tar.read_bytes()
    tar.write_bytes(data[: int(len(data.rstrip(b"\0")) * keep)])
    with pytest.raises(DataError, match=r"000002\.tar"):
        _read_all(folder)


def test_damaged_header_wrong_count_and_missing_tar(make_dataset: Make) -> None:
    folder = make_dataset()
    tar = folder / "train" / "000001.tar"
    whole = tar.read_bytes()
    tar.write_bytes(b"x" + whole[1:])
    with pytest.raises(DataError, match="damaged tar header at byte 0"):
        _read_all(folder)
    tar.write_bytes((b"not a tar" * len(whole))[: len(whole)])
    with pytest.raises(DataError, match=r"no tar header|damaged tar header"):
        _read_all(folder)
    tar.write_bytes(whole)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["splits"]["train"]["shards"][1]["samples"] = 9
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="10 samples, its manifest says 9"):
        _read_all(folder)
    tar.unlink()
    with pytest.raises(DataError, match=r"missing: .*000001\.tar"):
        _read_all(folder)


def test_shard_outside_the_dataset_is_refused(make_dataset: Make) -> None:
    folder = make_dataset()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["splits"]["train"]["shards"][0]["file"] = "../../elsewhere.tar"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="outside the dataset"):
        _read_all(folder)
