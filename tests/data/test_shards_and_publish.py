"""Plan, tars, manifest, publishing."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from mgll_data import counts, plan, shard, validate
from mgll_data.errors import CorruptError, UsageError
from mgll_data.manifest import Manifest
from mgll_data.publish import publish
from mgll_data.schema import Ontology

IMAGE = b"\xff\xd8\xffnot really a picture\xff\xd9"


def rows(number: int, split: str = "train", source: str = "a") -> list[dict[str, Any]]:
    made = []
    for i in range(number):
        uid = f"{source}-{i:016x}"
        sample = {"uid": uid, "split": split, "patient": None, "group": f"g{i}", "texts": {}}
        sample["concepts"] = {"present": [], "absent": [], "uncertain": []}
        made.append(
            {
                "split": split,
                "shard": i // 4,
                "position": i % 4,
                "uid": uid,
                "source": source,
                "pack": "p",
                "offset": 0,
                "length": len(IMAGE),
                "extension": "jpg",
                "sample": json.dumps(sample),
                "caption": f"caption {i}",
            }
        )
    return made


def read(pack: str, offset: int, length: int) -> bytes:
    return IMAGE[offset : offset + length]


def make(folder: Path, content: list[dict[str, Any]]) -> tuple[dict[str, list[shard.Shard]], int]:
    tasks = shard.tasks(content, {row["uid"]: "digest" for row in content}, {})
    return shard.make_all(tasks, read, folder / "set", folder / "records", workers=2, progress=lambda n: None)


def dataset(folder: Path, content: list[dict[str, Any]], redistributable: bool = True) -> Path:
    shards, _ = make(folder, content)
    digest = shard.content_sha256([s for listed in shards.values() for s in listed])
    split = {
        name: {"samples": sum(s.samples for s in listed), "shards": [s.__dict__ for s in listed]}
        for name, listed in shards.items()
    }
    manifest = Manifest(
        *(1, "set", "0.1.0", f"0.1.0-{digest[:8]}", "cxr", {}, {}, "", {}, None, []),
        *({"a": {"licence": "X", "redistributable": redistributable}}, split, {}, {}, digest),
    )
    (folder / "set" / "README.md").write_text("card")
    (folder / "set" / "vocabulary.json").write_text("{}")
    (folder / "set" / "manifest.json").write_text(json.dumps(manifest.to_json()))
    return folder / "set"


def test_members_are_adjacent_and_headers_say_nothing_of_time_or_machine(tmp_path: Path) -> None:
    made, written = make(tmp_path, rows(6))
    assert (written, [s.samples for s in made["train"]]) == (2, [4, 2])
    with tarfile.open(tmp_path / "set" / "train" / "000000.tar") as tar:
        members = tar.getmembers()
    assert [m.name.partition(".")[2] for m in members] == ["jpg", "json", "txt"] * 4
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o444)}


def test_only_changed_shards_are_written_and_stale_ones_go(tmp_path: Path) -> None:
    first, _ = make(tmp_path, rows(12))
    changed = rows(12)
    changed[5]["caption"] = "another"
    second, written = make(tmp_path, changed)
    assert written == 1
    assert [a.sha256 == b.sha256 for a, b in zip(first["train"], second["train"], strict=True)] == [True, False, True]
    make(tmp_path, rows(3))
    assert [p.name for p in (tmp_path / "set").glob("*/*.tar")] == ["000000.tar"]


def test_a_shard_that_lost_bytes_is_made_again(tmp_path: Path) -> None:
    first, _ = make(tmp_path, rows(4))
    path = tmp_path / "set" / "train" / "000000.tar"
    path.write_bytes(path.read_bytes()[:-100])
    second, written = make(tmp_path, rows(4))
    assert written == 1
    assert first == second


def test_an_error_while_writing_leaves_no_tar(tmp_path: Path) -> None:
    def fails(pack: str, offset: int, length: int) -> bytes:
        raise CorruptError("the store is damaged")

    with pytest.raises(CorruptError):
        shard.write_shard(rows(2), fails, tmp_path / "x.tar")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("uid", ["a.b-0123456789abcdef", "A-0123456789abcdef", "a-123", "../a-0123456789abcdef"])
def test_keys_that_webdataset_would_split_are_refused(tmp_path: Path, uid: str) -> None:
    bad = rows(1)
    bad[0]["uid"] = uid
    with pytest.raises(CorruptError, match="WebDataset key"):
        shard.write_shard(bad, read, tmp_path / "x.tar")


def test_publish_appears_whole_and_links_equal_shards(tmp_path: Path) -> None:
    folder = dataset(tmp_path, rows(8))
    first = Path(publish(folder, str(tmp_path / "pub")))
    assert (tmp_path / "pub" / "set" / "LATEST").read_text().strip() == first.name
    assert not validate.validate(tmp_path / "pub" / "set").problems
    assert publish(folder, str(tmp_path / "pub")) == str(first), "a version that is there is left as it is"
    changed = rows(8)
    changed[7]["caption"] = "new"
    second = Path(publish(dataset(tmp_path, changed), str(tmp_path / "pub")))
    assert second != first
    same, other = "train/000000.tar", "train/000001.tar"
    assert (first / same).stat().st_ino == (second / same).stat().st_ino
    assert (first / other).stat().st_ino != (second / other).stat().st_ino
    assert not list((tmp_path / "pub" / "set").glob(".*")), "no half copy stays"


def test_a_published_version_is_not_silently_kept_for_other_content(tmp_path: Path) -> None:
    folder = dataset(tmp_path, rows(3))
    publish(folder, str(tmp_path / "pub"))
    (folder / "vocabulary.json").write_text('{"prompts": "changed"}')
    with pytest.raises(UsageError, match="raise `version`"):
        publish(folder, str(tmp_path / "pub"))


def test_a_file_of_the_user_among_the_shards_is_not_deleted(tmp_path: Path) -> None:
    make(tmp_path, rows(3))
    (tmp_path / "set" / "train" / "unpacked").mkdir()
    with pytest.raises(UsageError, match="unpacked"):
        make(tmp_path, rows(2))


def test_flipped_bits_in_a_shard_are_mended(tmp_path: Path) -> None:
    first, _ = make(tmp_path, rows(4))
    path = tmp_path / "set" / "train" / "000000.tar"
    path.write_bytes(path.read_bytes().replace(b"caption 1", b"kaption 1"))
    second, written = make(tmp_path, rows(4))
    assert (written, second) == (1, first)


def test_what_may_not_be_shared_is_not_published_in_public(tmp_path: Path) -> None:
    folder = dataset(tmp_path, rows(2), redistributable=False)
    with pytest.raises(UsageError, match="forbid redistribution"):
        publish(folder, str(tmp_path / "pub"), public=True)
    (tmp_path / "marked").mkdir()
    (tmp_path / "marked" / "PUBLIC").touch()
    with pytest.raises(UsageError, match="forbid redistribution"):
        publish(folder, str(tmp_path / "marked"))
    assert publish(folder, str(tmp_path / "private"))


def test_a_damaged_dataset_is_not_published(tmp_path: Path) -> None:
    folder = dataset(tmp_path, rows(2))
    tar = folder / "train" / "000000.tar"
    tar.write_bytes(tar.read_bytes().replace(b"caption", b"CAPTION"))
    with pytest.raises(CorruptError, match="sha256 differs"):
        publish(folder, str(tmp_path / "pub"))
    assert not (tmp_path / "pub").exists()


def test_publish_to_a_url(tmp_path: Path) -> None:
    import fsspec

    place = publish(dataset(tmp_path, rows(3)), "memory://bucket/data")
    system = fsspec.filesystem("memory")
    assert system.exists("/bucket/data/set/LATEST")
    assert system.exists(f"{place.removeprefix('memory:/')}/manifest.json")


def test_regions_follow_the_crop() -> None:
    class Map:
        @staticmethod
        def lookup(word: str) -> tuple[Any, ...]:
            from mgll_data.harmonise import Rule
            from mgll_data.schema import State

            return (Rule("cxr.x", "exact", State.PRESENT, ""),) if word == "x" else ()

    crop = {"crop_x0": 100, "crop_y0": 0, "crop_x1": 300, "crop_y1": 100}
    boxes = [{"label": "x", "box": b} for b in ([150, 25, 200, 75], [0, 0, 110, 10], [0, 0, 90, 50])]
    placed = plan.regions([*boxes, {"label": "y", "box": [150, 25, 200, 75]}], crop, Map())  # type: ignore[arg-type]
    assert [r["box"] for r in placed] == [[0.25, 0.25, 0.5, 0.75], [0.0, 0.0, 0.05, 0.1]]


def test_counts_that_do_not_add_up_are_a_fault() -> None:
    from collections import Counter

    good = counts.source_counts([("a", "kept"), ("a", "excluded"), ("b", "duplicate")], ["a", "b"])
    assert good["a"] == {"read": 2, "kept": 1, "duplicate": 0, "quarantined": 0, "excluded": 1}
    counts.check_identity(good, Counter(a=1))
    with pytest.raises(CorruptError, match="do not add up"):
        counts.check_identity(good, Counter(a=2))
    with pytest.raises(CorruptError, match="do not add up"):
        counts.check_identity(counts.source_counts([("a", "vanished")], ["a"]), Counter())


def test_leaks_are_counted() -> None:
    def sample(uid: str, split: str, patient: str | None, group: str) -> str:
        return json.dumps({"uid": uid, "split": split, "patient": patient, "group": group})

    content = [sample("a", "train", "p", "g"), sample("b", "test", "p", "h"), sample("c", "val", None, "g")]
    pixels = {"a": "1", "b": "2", "c": "2"}
    assert counts.leakage(content, pixels, {}) == {"patients": 1, "groups": 1, "pixels": 1, "links": 0}
    assert counts.leakage(content, pixels, {"a": "x", "b": "x", "c": "x"})["links"] == 1


def test_ontology_refuses_unknown_parents_and_cycles() -> None:
    with pytest.raises(ValueError, match="not a concept"):
        Ontology({"a": ["b"]})
    with pytest.raises(ValueError, match="cycle"):
        Ontology({"a": ["b"], "b": ["a"]})
