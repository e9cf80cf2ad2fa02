"""Drawn chest films: what is drawn is seen, and where it should be."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

from mgll_data.phantoms.chest import FINDINGS, Chest, draw_chest
from mgll_data.phantoms.chest_cases import BOTH_LUNGS, mix
from mgll_data.phantoms.chest_film import Finding, View
from mgll_data.phantoms.layouts import nih_cxr14

# These change the body itself, so the film differs outside their box too.
UNGRADED = {"ett", "ngt", "central_line", "pacemaker", "sternotomy", "chest_tube"}
RESHAPING = {"atelectasis", "cardiomegaly", "emphysema", "fibrosis", "scoliosis"}


def film(seed: int, *findings: Finding, view: View = "pa") -> Chest:
    return draw_chest(np.random.default_rng(seed), findings, view=view)


def side_of(name: str) -> str:
    return "both" if name in BOTH_LUNGS else "right"


@pytest.mark.parametrize("view", ["pa", "ap", "lateral"])
def test_a_film_is_its_seed(view: View) -> None:
    findings = [Finding("effusion"), Finding("nodule", side="left", zone="upper")]
    one, two, other = film(3, *findings, view=view), film(3, *findings, view=view), film(4, *findings, view=view)
    assert one.image.dtype == np.float32 and one.image.shape == (512, 512)
    assert one.image.min() >= 0 and one.image.max() <= 1
    assert np.array_equal(one.image, two.image) and one.boxes == two.boxes
    assert not np.array_equal(one.image, other.image)


@pytest.mark.parametrize("seed", range(6))
def test_the_film_is_the_right_way_up_and_round(seed: int) -> None:
    image = cv2.blur(film(seed).image, (9, 9))
    middle = image[200:320].mean(0)
    spine = 150 + int(np.argmax(middle[150:360]))
    assert image[460:].mean() > image[140:260, spine - 120 : spine - 60].mean() + 0.15  # abdomen against right lung
    heart = image[290:330]
    # The heart reaches further to the patient's left, which is the viewer's right.
    assert heart[:, spine + 20 : spine + 110].mean() > heart[:, spine - 110 : spine - 20].mean()


@pytest.mark.parametrize("view", ["pa", "lateral"])
@pytest.mark.parametrize("name", sorted(FINDINGS))
def test_each_finding_shows_in_its_box(name: str, view: View) -> None:
    for seed in range(4):
        clean, ill = film(seed, view=view), film(seed, Finding(name, 2, side_of(name)), view=view)  # type: ignore[arg-type]
        change = np.abs(ill.image - clean.image)
        inside = np.zeros(change.shape, bool)
        for x0, y0, x1, y1 in ill.boxes[name]:
            assert 0 <= x0 < x1 <= 512 and 0 <= y0 < y1 <= 512
            inside[y0:y1, x0:x1] = True
        assert np.percentile(change[inside], 95) > 0.04, seed
        # Edema thickens vessels everywhere, and a pacemaker's leads go to the heart.
        if name not in RESHAPING | {"edema", "pacemaker"}:
            grown = cv2.dilate(inside.astype(np.uint8), np.ones((31, 31), np.uint8)) > 0
            assert change[~grown].max() < 0.2 and change[~grown].mean() < 0.003, seed


@pytest.mark.parametrize("name", sorted(set(FINDINGS) - UNGRADED))
def test_grades_are_graded(name: str) -> None:
    def change(grade: int) -> float:
        pairs = [(film(seed).image, film(seed, Finding(name, grade, side_of(name))).image) for seed in range(6)]  # type: ignore[arg-type]
        return float(np.mean([np.abs(a - b).mean() for a, b in pairs]))

    assert change(1) < change(3)


@pytest.mark.parametrize(
    ("name", "sign"),
    [("effusion", 1), ("consolidation", 1), ("pneumonia", 1), ("mass", 1), ("pneumothorax", -1)],
)
@pytest.mark.parametrize("side", ["right", "left"])
def test_brighter_or_darker_on_the_patients_side(name: str, sign: int, side: str) -> None:
    for seed in range(4):
        ill = film(seed, Finding(name, 2, side))  # type: ignore[arg-type]
        change = ill.image - film(seed).image
        # Shifted by the patient's position, the midline lies within 60 pixels of the film's.
        right, left = change[:, :196], change[:, 316:]
        here, there = (right, left) if side == "right" else (left, right)
        assert (sign * here > 0.05).mean() > 0.02 and (np.abs(there) > 0.05).mean() < 0.001


def test_a_finding_leaves_the_others_as_they_are() -> None:
    nodule = Finding("nodule", 1, "left", "upper")
    alone, beside = film(5, nodule), film(5, nodule, Finding("sternotomy"), Finding("pneumonia", 1, "right", "lower"))
    assert alone.boxes["nodule"] == beside.boxes["nodule"]


@pytest.mark.parametrize(("grade", "low", "high"), [(0, 0.3, 0.52), (1, 0.52, 0.6), (3, 0.62, 0.75)])
def test_cardiothoracic_ratio(grade: int, low: float, high: float) -> None:
    for seed in range(5):
        from mgll_data.phantoms.chest_anatomy import frontal

        found = {"cardiomegaly": Finding("cardiomegaly", grade)} if grade else {}
        drawn = frontal(512, "pa", found, np.random.default_rng(seed))
        right, left = drawn.lungs["right"].outline[:, 0].min(), drawn.lungs["left"].outline[:, 0].max()
        assert low < (drawn.heart[2] - drawn.heart[0]) / (left - right) < high


def test_wrong_findings_and_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown"):
        film(0, Finding("measles"))
    with pytest.raises(ValueError, match="repeated"):
        film(0, Finding("nodule"), Finding("nodule", 3))
    with pytest.raises(ValueError, match="multiple of 4"):
        draw_chest(np.random.default_rng(0), [], side=510)


@pytest.mark.parametrize("side", [128, 256, 1024])
def test_other_sizes_show_the_same_body(side: int) -> None:
    small = cv2.resize(
        draw_chest(np.random.default_rng(2), [Finding("mass")], side=side).image, (64, 64), interpolation=cv2.INTER_AREA
    )
    large = cv2.resize(film(2, Finding("mass")).image, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(small.ravel(), large.ravel())[0, 1] > 0.9


def test_every_finding_occurs_often_and_hiding_ones_share_the_lungs() -> None:
    rng = np.random.default_rng(0)
    cases = [mix(rng, nih_cxr14.RATES, most=4) for _ in range(400)]
    counts = Counter(finding.name for case in cases for finding in case)
    assert all(24 <= counts[name] <= 200 for name in nih_cxr14.WORDS), counts
    assert 60 <= sum(not case for case in cases) <= 200
    for case in cases:
        sides = {finding.name: finding.side for finding in case}
        assert len(sides) == len(case)
        if "pneumothorax" in sides and "effusion" in sides:
            assert sides["pneumothorax"] != sides["effusion"] and "both" not in sides["effusion"]
