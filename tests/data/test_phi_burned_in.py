"""Rows of characters near the border of a film are found; side markers, anatomy and texture are not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mgll_data.outcomes import check_budget, of_records
from mgll_data.phantoms.chest import draw_chest
from mgll_data.phi.burned_in import text_lines
from tests.conftest import SHARED

HANNOVER = SHARED / "hannover-covid-19-image-repository"


@pytest.fixture(scope="module")
def clean() -> list[np.ndarray]:
    """Drawn films, frontal and lateral."""
    views = ("pa", "ap", "lateral", "pa", "ap", "pa")
    drawn = [draw_chest(np.random.default_rng(n), [], side=1000, view=view).image for n, view in enumerate(views)]
    return [np.rint(image * 255).astype(np.uint8) for image in drawn]


def planted(film: np.ndarray, text: str, corner: int, height: int, ink: int, paper: int | None) -> np.ndarray:
    made = film.copy()
    thickness = max(1, height // 9)
    scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, height, thickness)
    (width, tall), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    x = 25 if corner % 2 == 0 else film.shape[1] - 25 - width
    y = 25 + tall if corner < 2 else film.shape[0] - 25
    if paper is not None:
        cv2.rectangle(made, (x - 6, y - tall - 6), (x + width + 6, y + below), paper, -1)
    cv2.putText(made, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, thickness, cv2.LINE_AA)
    return made


def test_clean_films_and_side_markers_are_left_alone(clean: list[np.ndarray]) -> None:
    for number, film in enumerate(clean):
        assert not text_lines(film)
        for marker in ("L", "R", "PA", "L AP"):
            assert not text_lines(planted(film, marker, number % 4, 40, 255, None))


@pytest.mark.parametrize("height", [14, 20, 34])
@pytest.mark.parametrize(("ink", "paper"), [(255, 0), (0, 230), (245, None)], ids=["white", "black", "bare"])
def test_planted_lines_are_found(clean: list[np.ndarray], height: int, ink: int, paper: int | None) -> None:
    found = tried = 0
    for number, film in enumerate(clean):
        for corner, text in enumerate(("QUILL, TESTA M", "1957-04-12", "MRN 00482913", "12/03/2019 14:22")):
            tried += 1
            found += bool(text_lines(planted(film, text, (corner + number) % 4, height, ink, paper)))
    assert found >= 0.9 * tried if paper is not None else 0.75 * tried


def test_the_box_lies_on_the_text(clean: list[np.ndarray]) -> None:
    (line, *_) = text_lines(planted(clean[0], "QUILL, TESTA", 0, 24, 255, 0))
    x0, y0, x1, y1 = line.box
    assert 0 < x0 < 0.05 and 0 < y0 < 0.05 and 0.1 < x1 < 0.4 and y1 < 0.1
    assert line.characters >= 6


def test_noise_is_not_text_and_costs_little() -> None:
    rng = np.random.default_rng(0)
    for _ in range(3):
        assert not text_lines(rng.integers(0, 256, (900, 900), dtype=np.uint8))
    assert not text_lines(np.zeros((64, 64), np.uint8))
    assert not text_lines(rng.integers(0, 256, (1, 5), dtype=np.uint8))


@pytest.mark.parametrize(("policy", "outcome"), [("quarantine", "quarantined"), ("flag", "kept"), ("ignore", "kept")])
@pytest.mark.parametrize("flag", ["border_text", "burned_in_annotation"])
def test_the_recipe_decides(policy: str, outcome: str, flag: str) -> None:
    row = {"uid": "u", "source": "s", "image": "i", "origin": "o", "view": None} | {
        "outcome": "kept",
        "reason": "",
        "detail": "",
    }
    index = {"u": {"outcome": "kept", "flags": [flag], "view": None}}
    (decided,) = of_records([row], index, {}, {}, policy)
    assert decided.outcome == outcome
    assert (decided.reason == "burned_in_text") == (outcome == "quarantined")
    check_budget([decided], 0.0, "nowhere")  # a choice of the recipe does not spend the budget for broken files


@pytest.mark.skipif(not HANNOVER.is_dir(), reason="no real films here")
def test_real_films() -> None:
    """The first of these real films carries the word Bettaufnahme, the second only a side marker."""
    found = {name: _lines(name) for name in ("436a6348.png", "d7f2ee0f.png", "006f3a8a.png", "0ac7580d.png")}
    assert found["436a6348.png"] and found["d7f2ee0f.png"]
    assert not found["006f3a8a.png"] and not found["0ac7580d.png"]


def _lines(name: str) -> int:
    path = next(Path(HANNOVER).rglob(name))
    return len(text_lines(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)))
