"""Photographs that several fundus sets publish: counted once, with the labels of all, in one split."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import pyarrow.parquet as pq

from mgll_data import phantoms, pipeline, recipe
from mgll_data.progress import Progress
from mgll_data.sources.base import find, names


def built(home: Path, work: Path, sources: list[str]) -> tuple[pipeline.Report, list[dict[str, Any]]]:
    work.mkdir()
    path = work / "r.yaml"
    listed = "".join(f"  - {{use: {name}, root: {home / name}}}\n" for name in sources)
    path.write_text(
        "name: d\nversion: 0.1.0\nlabels: {hierarchy: fundus}\ntexts: {levels: [modality, diagnostic]}\n"
        f"images: {{side: 64}}\nlicences: {{accept: [LicenseRef-Messidor, LicenseRef-Messidor-2]}}\nsources:\n{listed}"
    )
    report = pipeline.build(recipe.load(path), work, progress=Progress(quiet=True))
    plan = pq.read_table(work / ".cache" / "d" / "plan.parquet")
    return report, [json.loads(text) for text in plan["sample"].to_pylist()]


def drawn(home: Path, *sources: str) -> None:
    for name in sources:
        phantoms.draw(name, 12, home / name, 3)


def test_three_sets_of_eyepacs_pictures_count_each_once(tmp_path: Path) -> None:
    children = ["eyeq", "retinal_lesions", "dr_arranged"]
    drawn(tmp_path, "eyepacs", *children)
    report, samples = built(tmp_path, tmp_path / "w", ["eyepacs", *children])
    again = sum(report.sources[name]["duplicate"] for name in children)
    assert report.sources["eyepacs"]["duplicate"] == 0 and again > 12
    read = sum(report.sources[name]["kept"] for name in ["eyepacs", *children])
    assert len(samples) == read, "a duplicate is not counted as kept"
    shared = [s for s in samples if {"eyepacs", "eyeq"} <= set(s["attrs"]["sources"])]
    assert shared and all(s["source"] == "eyepacs" for s in shared)
    judged = [set(s["concepts"]["present"]) | set(s["concepts"]["uncertain"]) for s in shared]
    assert all({"fundus.gradable", "fundus.ungradable"} & concepts for concepts in judged), "the quality is EyeQ's"
    splits = defaultdict(set)
    for sample in samples:
        splits[sample["patient"]].add(sample["split"])
    assert all(len(found) == 1 for found in splits.values())


def test_messidor_is_the_same_picture_in_messidor_2_and_in_maples(tmp_path: Path) -> None:
    drawn(tmp_path, "messidor")
    pictures = sorted((tmp_path / "messidor").rglob("*.tif"))[:3]
    for name in ("messidor2", "maples_dr"):
        (tmp_path / name / "images").mkdir(parents=True)
        for picture in pictures:
            shutil.copy(picture, tmp_path / name / "images")
    stems = [picture.stem for picture in pictures]
    rows = [f"{stem}.jpg,{grade},0,1" for stem, grade in zip(stems, "024", strict=True)]
    header = "image_id,adjudicated_dr_grade,adjudicated_dme,adjudicated_gradable"
    (tmp_path / "messidor2" / "messidor_data.csv").write_text("\n".join([header, *rows]) + "\n")
    (tmp_path / "messidor2" / "messidor-2.csv").write_text(f"left,right\n{stems[0]}.png,{stems[1]}.png\n")
    (tmp_path / "maples_dr" / "train").mkdir()
    rows = [f"{stem},{grade},M0" for stem, grade in zip(stems, ("R0", "R2", "R4A"), strict=True)]
    (tmp_path / "maples_dr" / "train" / "diagnosis.csv").write_text("\n".join(["name,DR,ME", *rows]) + "\n")
    for path in (tmp_path / "maples_dr" / "images").iterdir():  # of another size: only the name links them
        pixels = cv2.imread(str(path))
        assert pixels is not None and cv2.imwrite(str(path), cv2.resize(pixels, None, fx=0.75, fy=0.75))
    report, samples = built(tmp_path, tmp_path / "w", ["messidor", "messidor2", "maples_dr"])
    assert [report.sources[name]["duplicate"] for name in ("messidor", "messidor2", "maples_dr")] == [0, 3, 3]
    assert len(samples) == 12
    together = [s for s in samples if set(s["attrs"]["sources"]) == {"messidor", "messidor2", "maples_dr"}]
    assert together, "labels of all three are merged"


def test_no_card_gives_away_pictures_of_a_set_that_does_not() -> None:
    """Pictures of another set keep its terms; only MuReD publishes its own copies of them, under CC BY 4.0."""
    for name in names():
        card = find(name).card
        if card.modality == "fundus" and card.name != "mured":
            parents = [find(parent).card for parent in card.derives]
            assert all(parent.redistributable for parent in parents) or not card.redistributable, name
            assert all(parent.open_licence for parent in parents) or not card.open_licence, name
