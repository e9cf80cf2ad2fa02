"""The HTML report: what it must hold, and what must never be in it."""

from __future__ import annotations

import base64
import json
import random
import re
import socket
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgll_data import counts, hierarchy, report_words, schema, stats
from mgll_data.errors import CorruptError
from mgll_data.hierarchy import CONCEPT_LEVELS, Hierarchy
from mgll_data.manifest import Manifest
from mgll_data.report import BAR, SAMPLES_PER_SOURCE, SLIVER, THUMBNAIL, Candidate, bar, choose, report
from mgll_data.schema import State, arrow_schema, make_uid, text_id

CONCEPTS = """id,name,level,parents,exclusive,negates,evidence_of,synonyms
cxr.root,chest observation,root,,,,,
cxr.normal,normal film,status,cxr.root,,,,
cxr.abnormal,abnormal film,status,cxr.root,,,,
cxr.lung,lung abnormality,family,cxr.abnormal,,,,
cxr.edema,pulmonary edema,disease,cxr.lung,,,,
cxr.nodule,nodule <b>bold</b> & round,finding,cxr.lung,,,,
cxr.effusion,pleural effusion,finding,cxr.abnormal,,,,
cxr.hernia,hiatal hernia,finding,cxr.abnormal,,,,
"""
FINDINGS = ("cxr.normal", "cxr.edema", "cxr.nodule", "cxr.effusion")
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """The page's elements, attributes and visible text; raises AssertionError where tags are not balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


class Dataset:
    """A small made-up dataset: `n` samples a source, findings in turn, one text of each level, a box on a nodule."""

    def __init__(self, root: Path, sources: int = 2, n: int = 12, side: int = 64) -> None:
        root.mkdir(parents=True)
        (root / "hierarchy.csv").write_text(CONCEPTS, encoding="utf-8")
        self.hierarchy: Hierarchy = hierarchy.load(root)
        self.images: dict[str, bytes] = {}
        self.samples: list[dict[str, Any]] = []
        rng = np.random.default_rng(5)
        self.names = [f"source_{number}" for number in range(sources)]
        for name in self.names:
            for number in range(n):
                uid = make_uid(name, "1", str(number))
                self.images[uid] = encode(rng.integers(0, 256, (side, side * 3 // 4, 3), dtype=np.uint8))
                self.samples.append(self._sample(name, uid, number))
        self.levels = list(schema.LEVELS["cxr"])

    def _sample(self, source: str, uid: str, number: int) -> dict[str, Any]:
        concept = "cxr.nodule" if number == 3 else FINDINGS[number % len(FINDINGS)]
        closed = self.hierarchy.close([concept], ["cxr.hernia"], ["cxr.edema"] if number % 3 == 0 else [])
        texts = {
            level: [{"id": text_id(level, text), "text": text, "concepts": asserted}]
            for level in schema.LEVELS["cxr"]
            for text, asserted in [(f"{level} of picture {number} & <{concept}>", [concept] * (level == "diagnostic"))]
        }
        return {
            "v": 1,
            "uid": uid,
            "source": source,
            "modality": "cxr",
            "split": schema.SPLITS[number % 3],
            "view": ("pa", "ap", None)[number % 3],
            "laterality": None,
            "patient": f"p-{number % 3}-{source}",
            "group": f"g-{number % 3}-{source}",
            "licence": "CC0-1.0",
            "attrs": {"sex": "F", "age_band": "90+", "device": None},
            "concepts": {
                "present": sorted(closed.present),
                "absent": sorted(closed.absent),
                "uncertain": sorted(closed.uncertain),
            },
            "regions": [{"concept": concept, "box": [0.25, 0.5, 0.75, 1.0], "rle": None}]
            if concept == "cxr.nodule"
            else [],
            "texts": texts,
        }

    def plan(self) -> pa.Table:
        rows = [
            {"split": s["split"], "uid": s["uid"], "source": s["source"], "pack": s["uid"], "offset": 0, "length": 0}
            | {"shard": 0, "position": n, "extension": "jpg", "sample": json.dumps(s), "caption": ""}
            for n, s in enumerate(self.samples)
        ]
        return pa.Table.from_pylist(rows, schema=arrow_schema("plan"))

    def manifest(self, **changes: Any) -> Manifest:
        contents = self.plan()["sample"].to_pylist()
        splits = counts.split_counts(contents, self.hierarchy.ontology, self.levels)
        for name, split in splits.items():
            split["shards"] = [{"file": f"{name}/000000.tar", "samples": 1, "bytes": 1_234_567, "sha256": "0" * 64}]
        kept = len(self.samples) // len(self.names)
        sources = {
            name: {
                "title": f"Collection {name}",
                "release": "1",
                "licence": "CC0-1.0",
                "access": "open",
                "redistributable": True,
                "url": "https://example.org/data",
                "cite": "@misc{x}",
                "label_origin": "read by two readers",
                "phantom": False,
                "read": kept + 1003,
                "kept": kept,
                "duplicate": 0,
                "quarantined": 1001,
                "excluded": 2,
            }
            for name in self.names
        }
        made = Manifest(
            v=1,
            name="small-xray",
            version="0.1.0",
            id="0.1.0-0123abcd",
            modality="cxr",
            created_with={"mgll": "0.1.0"},
            recipe={},
            recipe_sha256="1" * 64,
            vocab_sha256={"hierarchy.csv": "2" * 64},
            secret_sha256=None,
            levels=self.levels,
            sources=sources,
            splits=splits,
            leakage={"patients": 0, "groups": 0, "pixels": 0, "links": 0},
            quarantine={"truncated": 1000, "zero_bytes": 1002},
            content_sha256="3" * 64,
        )
        return replace(made, **changes)

    def html(self, **changes: Any) -> str:
        manifest, plan = self.manifest(**changes), self.plan()
        index = pa.Table.from_pylist(
            [
                {
                    "uid": s["uid"],
                    "source": s["source"],
                    "mean": 100.0,
                    "std": 50.0,
                    "sharpness": 9.0,
                    "flags": ["dark"],
                }
                for s in self.samples
            ],
            schema=arrow_schema("index"),
        )
        contradictions = pa.Table.from_pylist([], schema=arrow_schema("conflicts"))
        figures = stats.of_build(manifest, plan, index, self.hierarchy, contradictions)
        return report(manifest, figures, plan, self.hierarchy, lambda pack, offset, length: self.images[pack])

    def with_source(self, **changes: Any) -> dict[str, dict[str, Any]]:
        """The manifest's sources with these values in the first one."""
        sources = self.manifest().sources
        return {**sources, self.names[0]: {**sources[self.names[0]], **changes}}


def encode(pixels: np.ndarray, extension: str = ".jpg") -> bytes:
    done, data = cv2.imencode(extension, pixels)
    assert done
    return data.tobytes()


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset(tmp_path / "vocab")


def shown(page: Page) -> list[str]:
    return re.findall(r"source_\d-[0-9a-f]{16}", page.text)


def test_every_text_of_every_sample_shown_is_there(dataset: Dataset) -> None:
    page = Page(dataset.html())
    uids = shown(page)
    assert len(uids) == len(set(uids)) == SAMPLES_PER_SOURCE * len(dataset.names)
    by_uid = {s["uid"]: s for s in dataset.samples}
    for uid in uids:
        for entries in by_uid[uid]["texts"].values():
            for entry in entries:
                assert entry["text"] in page.text
    for name in dataset.names:
        concepts = {c for uid in uids if uid.startswith(name) for c in by_uid[uid]["concepts"]["present"]}
        assert set(FINDINGS) <= concepts


def test_what_comes_from_outside_is_escaped(dataset: Dataset) -> None:
    attack = '</p><script>alert("1")</script><img src=x onerror=alert(1)>'
    for sample in dataset.samples:
        sample["texts"]["diagnostic"] = [
            {"id": text_id("diagnostic", attack), "text": attack, "concepts": ["cxr.nodule"]}
        ]
    sources = dataset.with_source(title=f'"{attack}', url="javascript:alert(1)", licence=attack, label_origin=attack)
    html = dataset.html(sources=sources, name=attack)
    page = Page(html)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "form", "base", "foreignobject"}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert attack in page.text  # as words
    assert "<script" not in html and "<b>bold" not in html
    assert "nodule <b>bold</b> & round" in page.text
    assert not [a for a in page.named("a") if not a["href"].startswith(("#", "https://"))]


def test_nothing_is_fetched(dataset: Dataset) -> None:
    html = dataset.html()
    page = Page(html)
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in page.named("img"))
    assert not [a for tag, a in page.elements if tag != "a" and {"href", "xlink:href", "srcset"} & a.keys()]
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style and "@import" not in style
    anchors = {a["href"][1:] for a in page.named("a") if a["href"].startswith("#")}
    assert anchors <= {a["id"] for _, a in page.elements if "id" in a}


def test_equal_inputs_give_equal_pages_whatever_the_order_of_the_plan(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = dataset.html()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert dataset.html() == first
    random.Random(3).shuffle(dataset.samples)
    assert shown(Page(dataset.html())) == shown(Page(first))


def test_no_path_host_time_or_pseudonym(dataset: Dataset, tmp_path: Path) -> None:
    page = re.sub(r"base64,[A-Za-z0-9+/=]+", "", dataset.html())
    for path in (tmp_path, Path.cwd(), Path.home()):
        assert str(path) not in page
    assert not re.search(r"(?<![<\w.])/(home|root|tmp|work|usr|var|mnt)\b", page)
    assert len(socket.gethostname()) < 4 or socket.gethostname() not in page
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b", page)
    assert not [s for s in dataset.samples if s["patient"] in page or s["group"] in page]


def test_the_page_stays_small(tmp_path: Path) -> None:
    html = Dataset(tmp_path / "vocab", sources=8, n=8, side=512).html()  # noise: the worst that JPEG can meet
    assert len(html.encode()) < 3_000_000


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("shape", [(400, 300, 3), (300, 400), (40, 20, 3)])
def test_pictures_keep_their_shape_and_color(dataset: Dataset, extension: str, shape: tuple[int, ...]) -> None:
    pixels = np.full(shape, 90, np.uint8)
    if len(shape) == 3:
        pixels[:] = (20, 60, 200)  # blue, green, red
    dataset.images = dict.fromkeys(dataset.images, encode(pixels, extension))
    images = Page(dataset.html()).named("img")
    data = base64.b64decode(images[0]["src"].partition(",")[2])
    small = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert small is not None
    height, width = small.shape[:2]
    assert (images[0]["width"], images[0]["height"]) == (str(width), str(height))
    assert max(height, width) == min(THUMBNAIL, max(shape[:2]))
    assert abs(width / height - shape[1] / shape[0]) < 0.02
    expected = (20, 60, 200) if len(shape) == 3 else (90, 90, 90)
    assert np.abs(small.mean((0, 1)) - expected).max() < 4


def test_boxes_lie_where_the_sample_says(dataset: Dataset) -> None:
    page = Page(dataset.html())
    rects = [a for a in page.named("rect") if a["class"] == "c0"]
    nodules = [s for s in dataset.samples if s["uid"] in shown(page) and s["regions"]]
    assert len(rects) == len(nodules) > 0
    for rect in rects:  # pictures of 48 x 64 pixels, box 0.25 0.5 0.75 1
        assert [float(rect[key]) for key in ("x", "y", "width", "height")] == [12, 32, 24, 32]


@pytest.mark.parametrize("data", [b"", b"not a picture"])
def test_a_broken_picture_is_named(dataset: Dataset, data: bytes) -> None:
    dataset.images = dict.fromkeys(dataset.images, data)
    with pytest.raises(CorruptError, match=r"source_0-[0-9a-f]{16}: its stored picture"):
        dataset.html()


def test_phantoms_are_called_so(dataset: Dataset) -> None:
    assert "phantoms" not in Page(dataset.html()).text
    mixed = Page(dataset.html(sources=dataset.with_source(phantom=True))).text
    assert "Drawn phantoms, not patients." in mixed and "The images of source_0 were drawn" in mixed
    drawn = {name: {**source, "phantom": True} for name, source in dataset.manifest().sources.items()}
    assert "Every image here was drawn" in Page(dataset.html(sources=drawn)).text


def test_images_that_may_not_be_shared_carry_a_warning(dataset: Dataset) -> None:
    assert "Do not pass this page on" not in Page(dataset.html()).text
    text = Page(dataset.html(sources=dataset.with_source(redistributable=False))).text
    assert "Do not pass this page on. It shows images of source_0, whose terms" in text


def test_leaks_are_said_in_words(dataset: Dataset) -> None:
    assert "no patient, no group of related images" in Page(dataset.html()).text
    text = Page(dataset.html(leakage={"patients": 2, "groups": 1, "pixels": 0, "links": 0})).text
    assert "2 patients, 1 group of related images stand in more than one split" in text
    assert "The splits are separate" not in text


def test_counts_are_those_of_the_dataset(dataset: Dataset) -> None:
    html = dataset.html()
    text = Page(html).text
    assert "1,015" in text  # read
    assert "The image file is empty zero_bytes 1,002" in text
    assert text.index("The image file is empty") < text.index("breaks off before its end")  # commoner first
    titles = re.findall(r'<tr class="group"><th colspan="6" class="wide">([^<]+)<', html)
    assert titles == ["Overall impression", "Groups of diseases", "Diseases", "Findings"]
    figures: dict[str, dict[str, int]] = {}
    for split in dataset.manifest().splits.values():
        for concept, states in split["concepts"].items():
            for state, number in states.items():
                figures.setdefault(concept, dict.fromkeys(State, 0))[state] += number
    for concept in ("cxr.edema", "cxr.effusion", "cxr.abnormal"):
        row = html[html.index(f'title="{concept}"') :].partition("</tr>")[0]
        numbers = [int(n) for n in re.findall(r'data-label="\w+">([\d,]+)<', row)]
        known = [figures[concept][s] for s in ("present", "uncertain", "absent")]
        assert numbers == [*known, len(dataset.samples) - sum(known)]
    present = [figures[c]["present"] for c in re.findall(r'title="(cxr.(?:nodule|effusion))"', html)]
    assert present == sorted(present, reverse=True) and len(set(present)) == 2  # commonest first
    assert "hiatal hernia" in text and 'title="cxr.hernia"' not in html  # absent only: folded away


def test_every_code_has_words() -> None:
    assert set(schema.QUARANTINE_REASONS) == set(report_words.QUARANTINE)
    assert {level for levels in schema.LEVELS.values() for level in levels} == set(report_words.TEXT_LEVELS)
    assert set(CONCEPT_LEVELS) - {"root"} == set(report_words.CONCEPT_LEVELS)
    assert set(schema.SPLITS) == set(report_words.SPLITS)
    assert set(schema.MODALITIES) == set(report_words.MODALITIES)


@given(st.lists(st.integers(0, 200_000), min_size=1, max_size=4))
def test_a_bar_is_full_and_shows_all_that_occurs(numbers: list[int]) -> None:
    parts = bar({str(n): number for n, number in enumerate(numbers)})
    assert [name for name, _, _ in parts] == [str(n) for n, number in enumerate(numbers) if number]
    if parts:
        assert [start for _, start, _ in parts] == [sum(p[2] for p in parts[:n]) for n in range(len(parts))]
        assert sum(length for _, _, length in parts) == BAR
        for name, _, length in parts:
            assert length >= SLIVER
            assert abs(length - BAR * numbers[int(name)] / sum(numbers)) <= 3 * SLIVER


@given(st.lists(st.frozensets(st.sampled_from("abcdef"), max_size=4), max_size=30), st.integers(0, 8), st.randoms())
def test_the_choice_shows_different_findings(sets: list[frozenset[str]], number: int, rng: random.Random) -> None:
    candidates = [Candidate(row, f"u{row:02}", concepts, frozenset()) for row, concepts in enumerate(sets)]
    chosen = choose(candidates, number)
    assert len({c.row for c in chosen}) == len(chosen) == min(number, len(candidates))
    if number >= 6:  # one a concept suffices
        assert {x for c in chosen for x in c.specific} == {x for c in candidates for x in c.specific}
    shuffled = candidates.copy()
    rng.shuffle(shuffled)
    assert choose(shuffled, number) == chosen


def test_a_sample_with_a_box_goes_first() -> None:
    plain, boxed = (Candidate(n, f"u{n}", frozenset("a"), frozenset("a" * n)) for n in (0, 1))
    crowded = Candidate(2, "t", frozenset("ab"), frozenset())
    assert choose([plain, boxed, crowded], 1) == [boxed]
    assert choose([crowded, plain], 1) == [plain]
