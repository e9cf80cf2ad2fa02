"""The field of view on real photographs, against circles that were fitted another way.

`fundus_circles.csv` holds them, in pixels of the file: along 1,440 rays from the lit middle the steepest fall of the
red channel was taken at full size, and a circle put through these points by RANSAC; then each was looked at.
"""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from mgll_data.images.fundus import blank_surround, find_field
from mgll_data.images.laterality import estimate_laterality
from tests.conftest import SHARED

IDRID = SHARED / "IDRiD" / "B. Disease Grading" / "1. Original Images" / "b. Testing Set"
ODIR = SHARED / "noncommercial" / "ODIR-5K-subset" / "preprocessed_images"
with (Path(__file__).parent / "fundus_circles.csv").open(newline="") as file:
    CIRCLES = {
        row["image"]: tuple(float(row[k]) for k in ("center_x", "center_y", "radius")) for row in csv.DictReader(file)
    }


def photograph(name: str) -> np.ndarray:
    if name == "retina.png":
        data = pytest.importorskip("skimage.data")
        return np.ascontiguousarray(data.retina()[..., ::-1])
    path = (IDRID if name.startswith("IDRiD") else ODIR) / name
    if not path.is_file():
        pytest.skip("the shared photographs are not there")
    return cv2.imread(str(path))


def disc(shape: tuple[int, ...], center: tuple[float, float], radii: tuple[float, float]) -> np.ndarray:
    """Mask of the outline within the picture, at 1,024 pixels on the longer side at most."""
    height, width = shape[:2]
    step = max(1.0, max(height, width) / 1024)
    y, x = np.mgrid[0 : round(height / step), 0 : round(width / step)]
    return ((x + 0.5) * step - center[0]) ** 2 / radii[0] ** 2 + ((y + 0.5) * step - center[1]) ** 2 / radii[
        1
    ] ** 2 <= 1


@pytest.mark.parametrize("name", CIRCLES)
def test_the_field_is_the_circle_that_was_fitted_independently(name: str) -> None:
    picture = photograph(name)
    x, y, radius = CIRCLES[name]
    found = find_field(picture)
    assert found is not None
    wanted, got = disc(picture.shape, (x, y), (radius, radius)), disc(picture.shape, found.center, found.radii)
    assert (wanted & got).sum() / (wanted | got).sum() >= 0.98


def test_there_are_thirty_circles_of_both_collections() -> None:
    assert len(CIRCLES) >= 30
    assert sum(name.startswith("IDRiD") for name in CIRCLES) >= 15


@pytest.mark.parametrize("name", ["IDRiD_001.jpg", "506_right.jpg", "retina.png"])
@pytest.mark.parametrize("change", ["dark", "overexposed", "clipped", "square", "bright_surround"])
def test_a_worse_photograph_gives_the_same_field(name: str, change: str) -> None:
    """Exposure moves nothing; what is cut off moves the outline with the cut and nothing else."""
    picture = photograph(name)
    x, y, radius = CIRCLES[name]
    if change == "dark":
        picture = (picture * 0.25).astype(np.uint8)
    elif change == "overexposed":
        picture = np.clip(picture * 2.5, 0, 255).astype(np.uint8)
    elif change == "bright_surround":
        picture = np.clip(picture.astype(int) + 20, 0, 255).astype(np.uint8)
    elif change == "clipped":
        cut = int(y - 0.85 * radius)
        picture = np.ascontiguousarray(picture[max(0, cut) : int(y + 0.85 * radius)])
        y -= max(0, cut)
    elif change == "square":
        left = max(0, int(x - 0.9 * radius))
        picture = np.ascontiguousarray(picture[:, left : int(x + 0.9 * radius)])
        x -= left
    found = find_field(picture)
    assert found is not None
    wanted, got = disc(picture.shape, (x, y), (radius, radius)), disc(picture.shape, found.center, found.radii)
    assert (wanted & got).sum() / (wanted | got).sum() >= 0.98


def _eyes() -> list[tuple[str, np.ndarray]]:
    if not ODIR.is_dir():
        pytest.skip("the shared photographs are not there")
    eyes = []
    for path in sorted(ODIR.glob("*.jpg")):
        picture = cv2.imread(str(path))
        field = find_field(picture)
        if field is not None:
            x0, y0, x1, y1 = field.box
            eyes.append((path.stem.rpartition("_")[2], picture[y0:y1, x0:x1]))
    return eyes


def test_the_estimated_eye_agrees_with_the_files_word_and_a_mirror_turns_it() -> None:
    """ODIR names each file after its eye: 99 % of the estimates agree, and more than half of the eyes get one."""
    eyes = _eyes()
    found = [(word, estimate_laterality(picture)) for word, picture in eyes]
    told = [(word, side) for word, side in found if side is not None]
    assert len(told) > 0.6 * len(eyes) > 150
    assert sum(word == side for word, side in told) >= 0.98 * len(told)
    turned = {"left": "right", "right": "left", None: None}
    mirrored = [estimate_laterality(np.ascontiguousarray(picture[:, ::-1])) for _, picture in eyes[:60]]
    assert sum(turned[side] == other for (_, side), other in zip(found, mirrored, strict=False)) >= 58


def test_no_eye_is_told_where_no_disc_shows() -> None:
    rng = np.random.default_rng(3)
    blank = np.full((300, 300, 3), (20, 60, 140), np.uint8)
    assert estimate_laterality(blank) is None
    assert estimate_laterality(cv2.GaussianBlur(rng.integers(40, 90, (300, 300, 3), dtype=np.uint8), (0, 0), 9)) is None


def test_what_a_camera_prints_into_the_surround_is_gone_and_the_field_is_untouched() -> None:
    eye = np.zeros((600, 800, 3), np.uint8)
    cv2.circle(eye, (400, 300), 250, (40, 80, 170), -1)
    printed = cv2.putText(eye.copy(), "DOE 12/16", (152, 72), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 2)
    field = find_field(printed)
    assert field is not None
    x0, y0, x1, y1 = field.box
    crop = (x0, y0, x1, y1)
    cut = printed[y0:y1, x0:x1]
    assert not np.array_equal(cut, eye[y0:y1, x0:x1]), "some of it lies in the crop"
    blanked = blank_surround(cut, field, crop)
    assert np.array_equal(blanked, eye[y0:y1, x0:x1])
    half = cv2.resize(cut, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    clean = cv2.resize(eye[y0:y1, x0:x1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert np.abs(blank_surround(half, field, crop).astype(int) - clean).max() <= 2
