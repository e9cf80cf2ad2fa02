"""Drawn fundus photographs: what is drawn is what is said, and each layout is that of its source."""

from __future__ import annotations

import csv
import hashlib
import importlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mgll_data.phantoms import fundus
from mgll_data.phantoms.fundus import FINDINGS, OVER_VESSELS, UNDER_VESSELS, draw_fundus, retinopathy
from mgll_data.phantoms.fundus_anatomy import Build, build_eye
from mgll_data.phantoms.fundus_eye import Eye
from mgll_data.phantoms.layouts import aptos2019, idrid, odir5k, rfmid
from mgll_data.phantoms.writing import units
from mgll_data.schema import QUARANTINE_REASONS
from mgll_data.sources.base import RawRecord, Rejected, find, missing
from tests.conftest import SHARED

PAINTERS = {**UNDER_VESSELS, **OVER_VESSELS}
LAYOUTS = ("idrid", "aptos2019", "rfmid", "odir5k")
COUNT, SEED = 72, 5


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def painted(name: str, severity: float, seed: int) -> tuple[Eye, np.ndarray[Any, Any]]:
    """The eye, and by how much (signed, red green blue) the painter changed each pixel."""
    eye = build_eye(rng(seed, 1), Build(), side=512, pigment=0.4)
    before = eye.planes.copy()
    PAINTERS[name](eye, rng(seed, 2), severity)
    return eye, eye.planes - before


def distances(eye: Eye, point: tuple[float, float]) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[0:512, 0:512]
    return np.hypot(x - point[0], y - point[1])


# Where a finding lies: (centre, greatest distance in design units). What it does to green light: -1 blood and pigment
# take it away, +1 deposits and scars give it back, 0 both.
PLACE: dict[str, tuple[str, float, int]] = {
    "drusen": ("fovea", 105, 1),
    "geographic_atrophy": ("fovea", 110, 1),
    "hemorrhagic_pigment_detachment": ("fovea", 105, -1),
    "choroidal_neovascularization": ("fovea", 145, 0),
    "macular_scar": ("fovea", 90, 0),
    "macular_hole": ("fovea", 50, 0),
    "central_serous": ("fovea", 110, 0),
    "cystoid_edema": ("fovea", 85, 0),
    "parafoveal_telangiectasia": ("fovea", 110, 0),
    "pigment_changes": ("fovea", 100, 0),
    "epiretinal_membrane": ("fovea", 215, 1),
    "macular_exudates": ("fovea", 72, 1),
    "choroidal_folds": ("fovea", 200, 0),
    "microaneurysms": ("fovea", 172, -1),
    "microvascular_abnormalities": ("fovea", 225, -1),
    "disc_edema": ("disc", 130, 0),
    "ischemic_neuropathy": ("disc", 110, 0),
    "optociliary_shunt": ("disc", 75, -1),
    "myopic_crescent": ("disc", 90, 1),
    "peripapillary_atrophy": ("disc", 100, 1),
    "disc_neovascularization": ("disc", 120, -1),
    "myelinated_fibers": ("disc", 140, 1),
    "cotton_wool_spots": ("disc", 215, 1),
    "flame_hemorrhages": ("disc", 240, -1),
    "blot_hemorrhages": ("field", 256, -1),
    "preretinal_hemorrhage": ("field", 256, -1),
    "laser_scars": ("field", 262, 0),
    "asteroid_hyalosis": ("field", 256, 1),
    "branch_vein_occlusion": ("field", 275, -1),
    "central_vein_occlusion": ("field", 275, -1),
}


@pytest.mark.parametrize("name", sorted(PLACE))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_finding_lies_where_it_should_and_has_its_colour(name: str, seed: int) -> None:
    where, reach, sign = PLACE[name]
    eye, change = painted(name, 0.7, seed)
    size = np.abs(change).max(axis=0)
    centre = {"fovea": eye.fovea, "disc": eye.disc, "field": eye.centre}[where]
    assert (size > 20).sum() > 150, "too faint or too small to be seen"
    assert not (size > 4)[distances(eye, centre) > reach].any()
    if sign:
        assert np.sign(change[1][size > 20].sum()) == sign


@pytest.mark.parametrize("name", sorted(PAINTERS))
def test_every_painter_leaves_a_mark(name: str) -> None:
    _, change = painted(name, 0.5, 4)
    assert (np.abs(change).max(axis=0) > 12).sum() > 150
    assert np.isfinite(change).all()


def test_exudates_keep_to_their_side_of_one_disc_diameter() -> None:
    for seed in range(20):
        eye, near = painted("macular_exudates", 1.0, seed)
        inside = distances(eye, eye.fovea) <= 2 * eye.disc_radius
        assert not (np.abs(near).max(axis=0) > 4)[~inside].any()
        eye, far = painted("far_exudates", 1.0, seed)
        assert not (np.abs(far).max(axis=0) > 4)[inside].any()


def test_one_vein_branch_bleeds_in_one_half_and_the_central_vein_in_all_quadrants() -> None:
    for seed in range(5):
        y, x = np.mgrid[0:512, 0:512]
        eye, branch = painted("branch_vein_occlusion", 0.7, seed)
        red = np.abs(branch).max(axis=0) > 15
        upper = red[y < eye.disc[1]].sum() / red.sum()
        assert min(upper, 1 - upper) < 0.2
        eye, central = painted("central_vein_occlusion", 0.7, seed)
        red = np.abs(central).max(axis=0) > 15
        for half in (y < eye.fovea[1], y >= eye.fovea[1]):
            for side in (x < eye.fovea[0], x >= eye.fovea[0]):
                assert red[half & side].sum() > 800


@pytest.mark.parametrize(
    "name",
    [
        *("microaneurysms", "blot_hemorrhages", "cotton_wool_spots", "drusen", "laser_scars", "media_haze", "cataract"),
        *("macular_hole", "geographic_atrophy", "disc_neovascularization", "asteroid_hyalosis"),
    ],
)
def test_severity_means_more(name: str) -> None:
    weak, strong = (sum(np.abs(painted(name, s, seed)[1]).sum() for seed in range(4)) for s in (0.15, 1.0))
    assert strong > weak * 1.05


def test_cup_to_disc_ratio_is_what_was_asked() -> None:
    def pale_share(findings: dict[str, float]) -> float:
        image = draw_fundus(rng(3), findings, laterality="right", pigment=0.5)
        return float((image[..., 2] > 165).sum())

    healthy, some, much = (pale_share(f) for f in ({}, {"disc_cupping": 0.1}, {"disc_cupping": 1.0}))
    assert healthy * 2 < some < much


def test_equal_seeds_give_equal_pictures_and_left_is_the_mirror_of_right() -> None:
    findings = {"drusen": 0.5, "cotton_wool_spots": 0.4}
    right = draw_fundus(rng(8), findings, laterality="right")
    assert np.array_equal(right, draw_fundus(rng(8), findings, laterality="right"))
    assert np.array_equal(right[:, ::-1], draw_fundus(rng(8), findings, laterality="left"))
    assert not np.array_equal(right, draw_fundus(rng(9), findings, laterality="right"))
    assert right.dtype == np.uint8 and right.shape == (512, 512, 3) and right.flags.c_contiguous


def test_disc_is_nasal() -> None:
    for seed in range(10):
        healthy = draw_fundus(rng(seed), {}, laterality="right").astype(int)
        blurred = cv2.GaussianBlur(healthy[..., 1].astype(np.float32), (0, 0), 9)
        assert np.unravel_index(blurred.argmax(), blurred.shape)[1] > 340


def test_findings_are_independent_of_one_another() -> None:
    alone = draw_fundus(rng(4), {}, laterality="right").astype(int)
    drusen = draw_fundus(rng(4), {"drusen": 0.6}, laterality="right").astype(int)
    laser = draw_fundus(rng(4), {"laser_scars": 0.6}, laterality="right").astype(int)
    both = draw_fundus(rng(4), {"laser_scars": 0.6, "drusen": 0.6}, laterality="right").astype(int)
    moved = {name: np.abs(image - alone).max(axis=2) > 0 for name, image in {"drusen": drusen, "laser": laser}.items()}
    only = moved["drusen"] & ~moved["laser"]
    assert np.array_equal(both[only], drusen[only])
    assert np.array_equal(both[~moved["drusen"]], laser[~moved["drusen"]])


@pytest.mark.parametrize("name", ["tessellation", "tortuous_vessels", "disc_pallor", "tilted_disc", "disc_cupping"])
def test_anatomical_findings_show_and_move_nothing_else(name: str) -> None:
    def draw(*names: str) -> np.ndarray[Any, Any]:
        return draw_fundus(rng(6), dict.fromkeys(names, 0.8), laterality="right").astype(int)

    assert (np.abs(draw() - draw(name)).max(axis=2) > 20).sum() > 400
    marks = [np.abs(draw(*with_it) - draw(*with_it, "macular_hole")).max(axis=2) > 8 for with_it in ((), (name,))]
    places = [np.argwhere(mark).mean(axis=0) for mark in marks]
    assert np.abs(places[0] - places[1]).max() < 2


@pytest.mark.parametrize("side", [64, 301, 512, 1000])
def test_any_size_and_all_findings_at_once(side: int) -> None:
    image = draw_fundus(rng(side), dict.fromkeys(FINDINGS, 1.0), side=side, laterality="left")
    assert image.shape == (side, side, 3)
    corner = max(1, side // 9)
    for rows in (slice(0, corner), slice(side - corner, side)):
        for columns in (slice(0, corner), slice(side - corner, side)):
            assert not image[rows, columns].any()
    assert image[side // 2 - 8 : side // 2 + 8, side // 2 - 8 : side // 2 + 8].any()


@pytest.mark.parametrize("findings", [{"drusn": 0.5}, {"drusen": 0.0}, {"drusen": 1.5}])
def test_wrong_findings_are_refused(findings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="drus"):
        draw_fundus(rng(1), findings, laterality="left")


def test_grades_are_composed_by_definition() -> None:
    for seed in range(200):
        parts = [set(retinopathy(rng(seed), grade)) for grade in range(5)]
        assert parts[0] == set()
        assert parts[1] == {"microaneurysms"}
        assert {"microaneurysms", "blot_hemorrhages"} <= parts[2]
        assert {"venous_beading", "microvascular_abnormalities", "blot_hemorrhages"} <= parts[3]
        assert parts[4] & set(fundus.ACTIVE)
        assert not any(part & set(fundus.ACTIVE) for part in parts[:4])
    with pytest.raises(ValueError, match="grade 5"):
        retinopathy(rng(1), 5)


def test_severe_grade_has_many_hemorrhages_in_every_quadrant_and_moderate_has_not() -> None:
    for seed in range(6):
        counts: dict[int, list[int]] = {}
        for grade in (2, 3):
            severity = retinopathy(rng(seed), grade)["blot_hemorrhages"]
            eye, change = painted("blot_hemorrhages", severity, seed)
            red = np.abs(change).max(axis=0) > 15
            y, x = np.mgrid[0:512, 0:512]
            quadrants = [(y < eye.centre[1]) ^ up & (x < eye.centre[0]) for up in (False, True)]
            counts[grade] = [int(red[q].sum()) for q in quadrants]
        assert min(counts[3]) > 2 * max(counts[2])


# --- layouts ---


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Every layout with 72 images (ODIR: 144, so that one patient is damaged): its folder and its expected counts."""
    found = {}
    for name in LAYOUTS:
        folder = tmp_path_factory.mktemp(name)
        count = COUNT * 2 if name == "odir5k" else COUNT
        found[name] = (folder, importlib.import_module(f"mgll_data.phantoms.layouts.{name}").write(folder, count, SEED))
    return found


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def named_images(name: str, folder: Path) -> list[tuple[Path, tuple[str, ...]]]:
    """Every image that the label files name, with the labels of its row: an independent reader of each layout."""
    top = folder / "B. Disease Grading"
    if name == "idrid":
        return [
            (top / images / f"{row[0]}.jpg", tuple(row[1:3]))
            for images, labels in (
                ("1. Original Images/a. Training Set", "2. Groundtruths/a. IDRiD_Disease Grading_Training Labels.csv"),
                ("1. Original Images/b. Testing Set", "2. Groundtruths/b. IDRiD_Disease Grading_Testing Labels.csv"),
            )
            for row in read(top / labels)[1:]
        ]
    if name == "aptos2019":
        return [(folder / "train_images" / f"{code}.png", (grade,)) for code, grade in read(folder / "train.csv")[1:]]
    if name == "rfmid":
        return [
            (folder / f"1. Original Images/{letter}. {title} Set" / f"{row[0]}.png", tuple(row[1:]))
            for letter, title in (("a", "Training"), ("b", "Validation"), ("c", "Testing"))
            for row in read(folder / f"2. Groundtruths/{letter}. RFMiD_{title}_Labels.csv")[1:]
        ]
    with (folder / "full_df.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        (
            folder / "preprocessed_images" / row["filename"],
            (row["Left-Diagnostic Keywords" if "left" in row["filename"] else "Right-Diagnostic Keywords"],),
        )
        for row in rows
    ]


def whole(data: bytes) -> bool:
    """Whether the file has its end marker: EOI of a JPEG, IEND of a PNG."""
    return data.endswith(b"\xff\xd9") or data[-8:-4] == b"IEND"


@pytest.mark.parametrize("name", LAYOUTS)
def test_expected_counts_equal_an_independent_count(name: str, drawn: dict[str, tuple[Path, dict[str, Any]]]) -> None:
    folder, expected = drawn[name]
    images = named_images(name, folder)
    found: Counter[str] = Counter()
    seen: dict[str, tuple[str, ...]] = {}
    copies = 0
    for path, labels in images:
        data = path.read_bytes() if path.is_file() else None
        if data is None:
            found["missing_image"] += 1
        elif not data:
            found["zero_bytes"] += 1
        elif not whole(data):
            found["truncated"] += 1
        else:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            assert image is not None and min(image.shape[:2]) >= 256
            digest = hashlib.sha256(image.tobytes()).hexdigest()
            copies += digest in seen
            assert seen.setdefault(digest, labels) == labels
    # ODIR's table describes both eyes of a patient even where only one has a picture.
    absent = 2 * len({path.name.split("_")[0] for path, _ in images}) - len(images) if name == "odir5k" else 0
    assert expected == {
        "read": len(images) + absent,
        "quarantined": dict(found),
        "excluded": {"no_image": absent} if absent else {},
        "pixel_duplicates": copies,
    }
    assert set(found) <= set(QUARANTINE_REASONS) and 0 < sum(found.values()) < 0.015 * len(images)
    assert copies >= 2
    on_disk = {p for p in folder.rglob("*") if p.suffix in (".jpg", ".png") and "test_images" not in p.parts}
    assert on_disk == {path for path, _ in images if path.is_file()}


@pytest.mark.parametrize("name", LAYOUTS)
def test_equal_seeds_give_equal_bytes_and_a_longer_run_only_adds(
    name: str, drawn: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    folder, _ = drawn[name]
    importlib.import_module(f"mgll_data.phantoms.layouts.{name}").write(tmp_path, 34, SEED)
    short, long = ({p.relative_to(f): labels for p, labels in named_images(name, f)} for f in (tmp_path, folder))
    assert short.items() <= long.items()
    files = [path for path in tmp_path.rglob("*") if path.suffix in (".jpg", ".png")]
    assert files
    for path in files:
        assert path.read_bytes() == (folder / path.relative_to(tmp_path)).read_bytes()


def test_other_seeds_and_other_sources_share_no_picture(
    drawn: dict[str, tuple[Path, dict[str, Any]]], tmp_path: Path
) -> None:
    aptos2019.write(tmp_path, 20, SEED + 1)
    folders = [tmp_path, *(folder for folder, _ in drawn.values())]
    pictures = [{hashlib.sha256(p.read_bytes()).digest() for p in f.rglob("*.[jp][pn]g")} for f in folders]
    assert len(set().union(*pictures)) == sum(map(len, pictures))


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_source_reads_its_phantom(name: str, drawn: dict[str, tuple[Path, dict[str, Any]]]) -> None:
    folder, expected = drawn[name]
    source = find(name)
    assert missing(source.card, folder) == []
    results = list(source.read(folder))
    assert len(results) == expected["read"]
    rejected = Counter(result.reason for result in results if isinstance(result, Rejected))
    assert rejected.keys() <= {"missing_image", "no_image"}
    assert rejected["no_image"] == expected["excluded"].get("no_image", 0)
    kept = [result for result in results if isinstance(result, RawRecord)]
    assert all(record.labels for record in kept)
    assert {record.image for record in kept} >= {
        path.relative_to(folder).as_posix() for path, _ in named_images(name, folder) if path.is_file()
    }


def test_units_meet_the_limits_at_any_count() -> None:
    for count in (1, 69, 70, 100, 210, 1000, 5000):
        listed = list(units(count))
        damaged = {unit.number for unit in listed if unit.damage}
        assert len(listed) == count and len(damaged) < 0.015 * count
        assert not any(unit.is_copy and (unit.shows in damaged or listed[unit.shows].is_copy) for unit in listed)
        assert all(unit.shows in (unit.number, unit.number - 1) for unit in listed)
    assert {unit.damage for unit in units(210)} == {None, "truncated", "missing_image", "zero_bytes"}
    assert sum(unit.is_copy for unit in units(100)) >= 3


def test_idrid_files_and_headers(drawn: dict[str, tuple[Path, dict[str, Any]]]) -> None:
    folder, _ = drawn["idrid"]
    tables = folder / "B. Disease Grading/2. Groundtruths"
    train = (tables / "a. IDRiD_Disease Grading_Training Labels.csv").read_bytes()
    test = (tables / "b. IDRiD_Disease Grading_Testing Labels.csv").read_bytes()
    header = b"\xef\xbb\xbfImage name,Retinopathy grade,Risk of macular edema "
    assert train.startswith(header + b",,,,,,,,,\r\n") and test.startswith(header + b"\r\n")
    names = {
        split: {row.split(b",")[0] for row in data.splitlines()[1:]} for split, data in (("a", train), ("b", test))
    }
    assert names["b"] < names["a"], "the testing set reuses names of the training set"
    for _, (grade, risk) in named_images("idrid", folder):
        assert grade in "01234" and risk in "012" and (risk == "0" or int(grade) >= 2)


def test_idrid_pictures_carry_what_must_not_get_out(drawn: dict[str, tuple[Path, dict[str, Any]]]) -> None:
    image = pytest.importorskip("PIL.Image")
    folder, _ = drawn["idrid"]
    with image.open(next(path for path, _ in named_images("idrid", folder))) as picture:
        exif = picture.getexif()
        assert re.fullmatch(r"PHANTOMNAME\^\d{5}", exif[0x013B].strip("\0"))
        assert exif[0x0132].startswith("1901:02:03")
        assert [float(v) for v in exif.get_ifd(0x8825)[2]] == [12.0, 34.0, 56.0]
        assert picture.info["comment"].startswith(b"PHANTOMCOMMENT-")
        assert picture.size == (768, 512)


def test_aptos_files_and_headers(drawn: dict[str, tuple[Path, dict[str, Any]]]) -> None:
    folder, _ = drawn["aptos2019"]
    train, test = read(folder / "train.csv"), read(folder / "test.csv")
    assert train[0] == ["id_code", "diagnosis"] and test[0] == ["id_code"]
    codes = [row[0] for row in train[1:] + test[1:]]
    assert all(re.fullmatch("[0-9a-f]{12}", code) for code in codes) and len(set(codes)) == len(codes)
    assert {row[1] for row in train[1:]} == set("01234")
    assert all((folder / "test_images" / f"{code}.png").is_file() for (code,) in test[1:]) and len(test) > 1


def test_rfmid_files_and_headers(drawn: dict[str, tuple[Path, dict[str, Any]]]) -> None:
    folder, _ = drawn["rfmid"]
    for letter, title in (("a", "Training"), ("b", "Validation"), ("c", "Testing")):
        rows = read(folder / f"2. Groundtruths/{letter}. RFMiD_{title}_Labels.csv")
        assert len(rows[0]) == 47 and rows[0][:4] == ["ID", "Disease_Risk", "DR", "ARMD"] and rows[0][-1] == "CL"
        assert [row[0] for row in rows[1:]] == [str(i) for i in range(1, len(rows))]
        assert all(set(row[1:]) <= {"0", "1"} and int(row[1]) == int("1" in row[2:]) for row in rows[1:])


def test_rfmid_header_equals_the_real_one() -> None:
    real = SHARED / "RFMiD-labels/Training_Set/Training_Set/RFMiD_Training_Labels.csv"
    if not real.is_file():
        pytest.skip("the real label file is not here")
    assert read(real)[0] == ["ID", "Disease_Risk", *rfmid.CODES]


def test_rfmid_codes_tell_what_is_drawn() -> None:
    seen: Counter[str] = Counter()
    for seed in range(1500):
        findings, codes = rfmid.compose(rng(seed))
        seen.update(codes)
        assert bool(findings) == bool(codes)
        for finding, code in rfmid.ALSO.items():
            assert (finding in findings) <= (code in codes)
        for code in codes - {"DR", "ARMD"}:
            assert set(rfmid.DRAWN[code]) & set(findings), code
        assert ("DR" in codes) == ("microaneurysms" in findings)
    assert set(seen) == set(rfmid.CODES) - set(rfmid.NOT_DRAWN)
    assert min(seen.values()) > 0.025 * 1500


def test_odir_rows_flags_and_keywords(drawn: dict[str, tuple[Path, dict[str, Any]]]) -> None:
    folder, _ = drawn["odir5k"]
    with (folder / "full_df.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert ",".join(reader.fieldnames or ()) == (
        "ID,Patient Age,Patient Sex,Left-Fundus,Right-Fundus,Left-Diagnostic Keywords,Right-Diagnostic Keywords,"
        "N,D,G,C,A,H,M,O,filepath,labels,target,filename"
    )
    flag_of = {word: flag for word, (flag, _, _) in odir5k.KEYWORDS.items()}
    assert any("\uff0c" in row["Left-Diagnostic Keywords"] + row["Right-Diagnostic Keywords"] for row in rows)
    for row in rows:
        words = [
            word
            for side in ("Left", "Right")
            for word in row[f"{side}-Diagnostic Keywords"].split("\uff0c")
            if word not in ("lens dust", "low image quality")
        ]
        union = {flag_of[word] for word in words}
        union = union - {"N"} if len(union) > 1 else union
        assert {flag for flag in "NDGCAHMO" if row[flag] == "1"} == union
        assert row["filename"] in (row["Left-Fundus"], row["Right-Fundus"])
        assert row["filename"].startswith(row["ID"] + "_") and row["filepath"].endswith("/" + row["filename"])
        assert row["labels"][2] in "NDGCAHMO" and row["target"].count("1") == 1
    eyes = Counter(row["ID"] for row in rows)
    assert Counter(eyes.values())[2] > 40 and Counter(eyes.values())[1] >= 2


def test_odir_keywords_are_those_of_the_source() -> None:
    real = SHARED / "noncommercial/ODIR-5K-subset/full_df.annotation-layout.csv"
    if not real.is_file():
        pytest.skip("the real label file is not here")
    with real.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    known = {
        word.strip()
        for row in rows
        for side in ("Left", "Right")
        for word in row[f"{side}-Diagnostic Keywords"].split("\uff0c")
    }
    listed = SHARED.parent / "facts/tables/fundus_label_vocab.csv"
    known |= {row[0] for row in read(listed) if row[1] == "08_ODIR"}
    assert set(odir5k.KEYWORDS) | set(odir5k.ARTEFACTS) <= known


def test_every_layout_can_be_balanced() -> None:
    """No grade or keyword is so rare, or so common, that a few hundred images hold too few of either kind."""
    grades = Counter(idrid._photograph(1, i)[1][0] for i in range(60))
    assert set(grades) == set("01234") and max(grades.values()) < 30
    words: Counter[str] = Counter()
    for seed in range(3000):
        stream = rng(seed)
        words.update(odir5k.compose(stream, odir5k._keyword(stream))[0])
    assert all(0.02 * 3000 <= words[word] <= 0.5 * 3000 for word in odir5k.KEYWORDS)
