"""Layouts of drawn chest films: files, headers and counts are those of the real sources; the folder is safe."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
import tarfile
from collections import Counter
from itertools import product
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from mgll_data import phantoms
from mgll_data.errors import UsageError
from mgll_data.phantoms import LAYOUTS, draw
from mgll_data.phantoms.chest import draw_chest
from mgll_data.phantoms.chest_cases import BOTH_LUNGS
from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.chest_reports import index_terms, report
from mgll_data.phantoms.layouts import covid19_hannover, nih_cxr14, openi, rsna_pneumonia
from mgll_data.sources.base import RawRecord, find
from tests.conftest import SHARED

CHEST = ("covid19_hannover", "nih_cxr14", "openi", "rsna_pneumonia")


def tree(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_layouts_are_found() -> None:
    assert set(CHEST) <= set(LAYOUTS)


@pytest.mark.parametrize("layout", CHEST)
def test_equal_seed_equal_bytes_and_images_do_not_depend_on_the_count(layout: str, tmp_path: Path) -> None:
    long, again, short, other = (
        tree(draw(layout, count, tmp_path / name, seed))
        for name, count, seed in [("a", 12, 7), ("b", 12, 7), ("c", 6, 7), ("d", 12, 8)]
    )
    assert long == again
    pictures = {name: digest for name, digest in short.items() if name.endswith((".png", ".dcm"))}
    assert len(pictures) == 6
    assert all(long[name] == digest for name, digest in pictures.items())
    assert not set(long.values()) & {digest for name, digest in other.items() if name.endswith((".png", ".dcm"))}


def pictures_named(layout: str, root: Path) -> list[Path]:
    """The file of every row, by the layout's own tables."""
    if layout == "nih_cxr14":
        return [root / "images_001" / "images" / row[0] for row in rows(root / "Data_Entry_2017_v2020.csv")[1:]]
    if layout == "covid19_hannover":
        return [root / "png" / f"{row[1]}.png" for row in rows(root / "data.csv")[1:]]
    if layout == "rsna_pneumonia":
        names = dict.fromkeys(row[0] for row in rows(root / "stage_2_train_labels.csv")[1:])
        return [root / "stage_2_train_images" / f"{name}.dcm" for name in names]
    reports = sorted((root / "ecgen-radiology").glob("*.xml"), key=lambda path: int(path.stem))
    ids = [image.get("id") for path in reports for image in ElementTree.parse(path).iter("parentImage")]
    return [root / "NLMCXR_png" / f"{name}.png" for name in ids]


def pixels(path: Path) -> NDArray[np.generic] | str:
    """The picture's pixels, or why it has none."""
    if not path.exists():
        return "missing_image"
    data = path.read_bytes()
    if not data:
        return "zero_bytes"
    if path.suffix == ".dcm":
        try:
            return np.asarray(pydicom.dcmread(path).pixel_array)
        except Exception:
            return "truncated"
    if not data.endswith(b"IEND\xaeB`\x82"):
        return "truncated"
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return np.asarray(image)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("phantoms")
    return {layout: draw(layout, 141 if layout == "openi" else 75, base / layout, 11) for layout in CHEST}


@pytest.mark.parametrize("layout", CHEST)
def test_expected_is_what_an_independent_count_finds(layout: str, roots: dict[str, Path]) -> None:
    root = roots[layout]
    facts = json.loads((root / "phantoms.json").read_text())
    named = pictures_named(layout, root)
    count = 141 if layout == "openi" else 75
    assert {key: facts[key] for key in ("v", "source", "seed", "count", "release")} == {
        "v": 1, "source": layout, "seed": 11, "count": count, "release": "phantom-11",
    }  # fmt: skip
    found = [pixels(path) for path in named]
    broken = Counter(picture for picture in found if isinstance(picture, str))
    whole = [(p.shape, hashlib.sha256(p.tobytes()).hexdigest()) for p in found if not isinstance(p, str)]
    assert facts["expected"] == {
        "read": len(named),
        "quarantined": dict(broken),
        "excluded": {},
        "pixel_duplicates": len(whole) - len(set(whole)),
    }
    assert len(named) == count and sum(broken.values()) >= 1 and len(set(whole)) < len(whole)
    assert {path.name for path in root.rglob("*.[pd][nc][gm]")} <= {path.name for path in named}


@pytest.mark.parametrize("layout", CHEST)
def test_the_source_reads_every_row(layout: str, roots: dict[str, Path]) -> None:
    read = list(find(layout).read(roots[layout]))
    expected = json.loads((roots[layout] / "phantoms.json").read_text())["expected"]
    assert len(read) == expected["read"]
    records = [item for item in read if isinstance(item, RawRecord)]
    assert all(record.labels for record in records)
    if layout in ("nih_cxr14", "rsna_pneumonia"):
        boxes = [region.box for record in records for region in record.regions]
        assert boxes and all(0 <= x0 < x1 <= 512 and 0 <= y0 < y1 <= 512 for x0, y0, x1, y1 in boxes)


@pytest.mark.parametrize("share", [69, 70, 100, 140, 211, 600])
def test_damage_stays_rare(share: int) -> None:
    from mgll_data.phantoms.writing import units

    fates = list(units(share))
    assert sum(unit.damage is not None for unit in fates) < 0.015 * share
    assert all(fates[unit.shows].damage is None and not fates[unit.shows].is_copy for unit in fates if unit.is_copy)


def test_nih_names_splits_and_labels(roots: dict[str, Path]) -> None:
    root = roots["nih_cxr14"]
    entries = rows(root / "Data_Entry_2017_v2020.csv")[1:]
    assert all(re.fullmatch(r"\d{8}_\d{3}\.png", row[0]) and len(row) == 11 for row in entries)
    assert all(int(row[0][:8]) == int(row[3]) and int(row[0][9:12]) == int(row[2]) for row in entries)
    assert len({row[0] for row in entries}) == len(entries) > len({row[3] for row in entries})
    lists = {name: set((root / f"{name}.txt").read_text().split()) for name in ("train_val_list", "test_list")}
    assert lists["train_val_list"] | lists["test_list"] == {row[0] for row in entries}
    assert not {n[:8] for n in lists["train_val_list"]} & {n[:8] for n in lists["test_list"]}
    words = {word for row in entries for word in row[1].split("|")}
    assert words <= {"No Finding", *nih_cxr14.WORDS.values()} and len(words) > 10
    assert all("No Finding" not in row[1] or row[1] == "No Finding" for row in entries)
    modes = Counter(p.ndim for p in map(pixels, pictures_named("nih_cxr14", root)) if not isinstance(p, str))
    assert modes[2] > modes[3] > 0
    # A copy has the labels and the split of its original.
    by_pixels: dict[str, list[list[str]]] = {}
    for row in entries:
        image = pixels(root / "images_001" / "images" / row[0])
        if not isinstance(image, str):
            by_pixels.setdefault(hashlib.sha256(image.tobytes()).hexdigest(), []).append(row)
    for same in by_pixels.values():
        assert len({row[1] for row in same}) == 1 and len({row[0] in lists["test_list"] for row in same}) == 1


def test_nih_labels_are_what_was_drawn() -> None:
    assert nih_cxr14.labels([]) == ["No Finding"]
    assert nih_cxr14.labels([Finding("pneumonia"), Finding("effusion")]) == ["Consolidation", "Effusion", "Pneumonia"]


def test_headers_are_those_of_the_published_files() -> None:
    entry, boxes = (
        SHARED / "NIH_ChestXray14" / f"{name}.csv.gz" for name in ("Data_Entry_2017_v2020", "BBox_List_2017")
    )
    hannover = SHARED / "hannover-covid-19-image-repository" / "data.csv"
    if not (entry.exists() and hannover.exists()):
        pytest.skip("the shared real files are not here")
    for path, header in ((entry, nih_cxr14.ENTRY_HEADER), (boxes, nih_cxr14.BOX_HEADER)):
        assert gzip.decompress(path.read_bytes()).decode().splitlines()[0] == header
    with gzip.open(boxes, "rt") as file:
        assert {row[1] for row in list(csv.reader(file))[1:]} == set(nih_cxr14.BOXED.values())
    assert hannover.read_text().splitlines()[0] == covid19_hannover.HEADER


def test_hannover(roots: dict[str, Path]) -> None:
    entries = rows(roots["covid19_hannover"] / "data.csv")
    assert all(len(row) == len(entries[0]) == 28 for row in entries)
    assert {(row[10], row[11]) for row in entries[1:]} <= {("CR", "ap"), ("CR", "pa"), ("DX", "pa")}
    assert all(re.fullmatch(r"[0-9a-f]{8}", row[0]) and re.fullmatch(r"[0-9a-f]{8}", row[1]) for row in entries[1:])
    assert all(
        p.shape[1] == 640
        for p in map(pixels, pictures_named("covid19_hannover", roots["covid19_hannover"]))
        if not isinstance(p, str)
    )


def test_rsna_dicom(roots: dict[str, Path]) -> None:
    kinds = Counter()
    for path in pictures_named("rsna_pneumonia", roots["rsna_pneumonia"]):
        if isinstance(pixels(path), str):
            continue
        ds = pydicom.dcmread(path)
        kinds[ds.PhotometricInterpretation, ds.BitsStored] += 1
        shown = pydicom.pixels.apply_voi_lut(ds.pixel_array, ds).astype(float)
        top = 2**ds.BitsStored - 1
        shown = (top - shown if ds.PhotometricInterpretation == "MONOCHROME1" else shown) / top
        # Dark around the body and in the lungs, white in the middle.
        assert 0 <= shown.min() < 0.25 and 0.6 < shown.max() <= 1
        assert shown[430:500, 180:330].mean() > np.percentile(shown[150:260], 10) + 0.2
        text = path.read_bytes().decode("latin-1")
        assert all(token in text for token in (*rsna_pneumonia.PLANTED, *rsna_pneumonia.PLANTED_DATES))
    assert kinds["MONOCHROME1", 12] > kinds["MONOCHROME2", 8] > 0 and len(kinds) == 2


def test_rsna_pixels_are_the_drawing(tmp_path: Path) -> None:
    drawn = draw_chest(np.random.default_rng(1), [Finding("pneumonia")]).image
    for number in (0, 1, 2):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(rsna_pneumonia._dicom(drawn, number, number, "PA"))
        ds = pydicom.dcmread(path)
        top = 2**ds.BitsStored - 1
        shown = pydicom.pixels.apply_voi_lut(ds.pixel_array, ds).astype(float) / top
        shown = 1 - shown if ds.PhotometricInterpretation == "MONOCHROME1" else shown
        assert np.abs(shown - drawn).max() < 0.004


def test_rsna_tables(roots: dict[str, Path]) -> None:
    root = roots["rsna_pneumonia"]
    labels, classes = rows(root / "stage_2_train_labels.csv"), rows(root / "stage_2_detailed_class_info.csv")
    assert labels[0] == ["patientId", "x", "y", "width", "height", "Target"] and classes[0] == ["patientId", "class"]
    assert [row[0] for row in labels] == [row[0] for row in classes]
    for label, (_, kind) in zip(labels[1:], classes[1:], strict=True):
        assert (label[5] == "1") == (kind == "Lung Opacity") == all(label[1:5])
    assert {row[1] for row in classes[1:]} == {"Normal", "No Lung Opacity / Not Normal", "Lung Opacity"}
    assert len(labels) > 1 + len({row[0] for row in labels[1:]})  # a film with two boxes


def every_finding() -> list[Finding]:
    cases = []
    for name, side, zone, grade in product(
        openi.RATES, ("right", "left", "both"), ("upper", "middle", "lower"), (1, 2, 3)
    ):
        if (side == "both") == (
            name in BOTH_LUNGS | {"cardiomegaly", "hernia", "ett", "ngt", "sternotomy"}
        ) or name == "effusion":
            cases.append(Finding(name, grade, side, zone))  # type: ignore[arg-type]
    return cases


def test_openi_index_terms_occur_in_the_real_reports() -> None:
    archive = SHARED / "noncommercial" / "openi-indiana-reports" / "NLMCXR_reports.tgz"
    if not archive.exists():
        pytest.skip("the shared real reports are not here")
    real = set()
    with tarfile.open(archive) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.name.endswith(".xml") else None
            if file:
                real |= set(re.findall(r"<major>(.*?)</major>", file.read().decode("utf-8", "replace")))
    terms = {term for finding in every_finding() for term in index_terms([finding])}
    assert len(terms) > 80 and terms - real == set()


def test_openi_index_terms_are_listed_words() -> None:
    table = Path(phantoms.__file__).parents[1] / "vocab" / "cxr" / "labels" / "openi.csv"
    with table.open(newline="", encoding="utf-8") as file:
        listed = {row["label"] for row in csv.DictReader(file) if row["concept"]}
    for finding in every_finding():
        parts = index_terms([finding])[0].split("/")
        assert any("/".join(parts[:stop]) in listed for stop in range(1, len(parts) + 1)), parts


def test_openi_reports_name_what_is_drawn() -> None:
    rng = np.random.default_rng(0)
    for finding in every_finding():
        sections = report([finding], rng)
        assert list(sections) == ["COMPARISON", "INDICATION", "FINDINGS", "IMPRESSION"]
        assert "{" not in "".join(sections.values())
        stem = {"effusion": "effusion", "nodule": "nodul", "hernia": "hernia", "cardiomegaly": "enlarged|cardiomegaly"}
        assert re.search(stem.get(finding.name, "."), sections["FINDINGS"]) and sections["IMPRESSION"]
        if finding.name == "pneumothorax":
            assert "No pneumothorax" not in sections["FINDINGS"]


def test_openi_studies(roots: dict[str, Path]) -> None:
    root = roots["openi"]
    views = {row[1]: row[2] for row in rows(root / "indiana_projections.csv")[1:]}
    stems = [path.stem for path in pictures_named("openi", root)]
    assert all(re.fullmatch(r"CXR\d+_IM-\d+-\d+", stem) for stem in stems)
    assert [views[f"{stem.removeprefix('CXR')}.dcm.png"] for stem in stems[:2]] == ["Frontal", "Lateral"]
    assert len(views) == len(stems)
    texts = [path.read_text() for path in (root / "ecgen-radiology").glob("*.xml")]
    assert any("XXXX" in text for text in texts)


# The folder


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="not phantoms"):
        draw("nih_cxr14", 2, tmp_path, 0)
    assert tree(tmp_path).keys() == {"thesis.txt"}
    with pytest.raises(UsageError, match="is a file"):
        draw("nih_cxr14", 2, tmp_path / "thesis.txt", 0)


def test_an_empty_or_a_phantom_folder_is_filled(tmp_path: Path) -> None:
    out = tmp_path / "new"
    out.mkdir()
    first = tree(draw("covid19_hannover", 3, out, 1))
    second = tree(draw("covid19_hannover", 2, out, 2))
    assert not set(first) & set(second) - {"data.csv", "phantoms.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_failed_drawing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(out: Path, count: int, seed: int) -> dict[str, object]:
        (out / "half.png").write_bytes(b"x")
        raise OSError("disk full")

    monkeypatch.setattr(nih_cxr14, "write", fail)
    with pytest.raises(OSError, match="disk full"):
        draw("nih_cxr14", 2, tmp_path / "out", 0)
    assert list(tmp_path.iterdir()) == []


def test_wrong_arguments_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean nih_cxr14"):
        draw("nih_cxr", 2, tmp_path / "a", 0)
    with pytest.raises(UsageError, match="the layouts are"):
        draw("zzz", 2, tmp_path / "a", 0)
    with pytest.raises(UsageError, match="count 0"):
        draw("nih_cxr14", 0, tmp_path / "a", 0)
