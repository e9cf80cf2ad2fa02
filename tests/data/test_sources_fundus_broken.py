"""Downloads that are not quite as published, and words that claim less than they seem to."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

import openpyxl
import pytest

from mgll_data import phantoms
from mgll_data.errors import UsageError
from mgll_data.sources.base import RawRecord, find
from mgll_data.sources.layouts import PICTURES, spreadsheet
from mgll_data.sources.tables import read_csv
from tests.data.fundus_labels import says

SUFFIXES = {pattern.rpartition("*")[2] for pattern in PICTURES}


def pictures(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]


def outcomes(name: str, root: Path) -> Counter[str]:
    items = list(find(name).read(root))
    assert all((root / item.image).is_file() for item in items if isinstance(item, RawRecord))
    return Counter("kept" if isinstance(item, RawRecord) else item.reason for item in items)


@pytest.mark.parametrize("name", ["aptos2019", "ddr", "eyepacs", "g1020", "gamma", "odir5k", "papila", "refuge2"])
def test_suffixes_in_capitals_are_the_same_files(name: str, tmp_path: Path) -> None:
    phantoms.draw(name, 6, tmp_path, 2)
    before = outcomes(name, tmp_path)
    for path in pictures(tmp_path):
        path.rename(path.with_suffix(path.suffix.upper()))
    assert outcomes(name, tmp_path) == before


@pytest.mark.parametrize("name", ["ddr_segmentation", "deepdrid", "e_ophtha", "idrid_segmentation", "rim_one_dl"])
def test_stray_pictures_and_masks_stop_no_reader(name: str, tmp_path: Path) -> None:
    phantoms.draw(name, 6, tmp_path, 2)
    before = outcomes(name, tmp_path)["kept"]
    for path in pictures(tmp_path):
        for folder in (tmp_path, path.parent / "more"):
            folder.mkdir(exist_ok=True)
            shutil.copy(path, folder / f"x{path.name}")
    assert outcomes(name, tmp_path)["kept"] >= before


def test_a_picture_set_without_its_top_folder_is_read(tmp_path: Path) -> None:
    phantoms.draw("ddr_segmentation", 6, tmp_path, 2)
    inner = next(path.parent for path in sorted(tmp_path.rglob("image")))
    assert outcomes("ddr_segmentation", inner)["kept"] > 0


def test_an_image_id_of_neither_eye_is_a_bad_row(tmp_path: Path) -> None:
    phantoms.draw("deepdrid", 6, tmp_path, 2)
    table = next(tmp_path.rglob("regular-fundus-training.csv"))
    lines = table.read_text(encoding="utf-8-sig").splitlines()
    column = lines[0].split(",").index("image_id")
    cells = lines[1].split(",")
    cells[column] = "9_x1"
    table.write_text("\n".join([*lines, ",".join(cells)]) + "\n")
    assert outcomes("deepdrid", tmp_path)["bad_row"] == 1


@pytest.mark.parametrize("name", ["drishti_gs", "papila"])
def test_a_sheet_saved_as_csv_says_the_same(name: str, tmp_path: Path) -> None:
    phantoms.draw(name, 6, tmp_path, 2)
    before = [(r.image, dict(r.labels)) for r in find(name).read(tmp_path) if isinstance(r, RawRecord)]
    for path in sorted(tmp_path.rglob("*.xlsx")):
        rows = openpyxl.load_workbook(path).worksheets[0].iter_rows(values_only=True)
        with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        path.unlink()
    assert [(r.image, dict(r.labels)) for r in find(name).read(tmp_path) if isinstance(r, RawRecord)] == before


def test_an_empty_sheet_is_refused_and_a_saved_first_sheet_is_not_taken_for_another(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_sheet("two").append(["a"])
    book["two"].append([7])
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(UsageError, match=r"an empty sheet\. One with the columns a"):
        list(spreadsheet(tmp_path / "t.xlsx", required=("a",)))
    (tmp_path / "t.csv").write_text("a\n1\n")
    assert [row["a"] for _, row in spreadsheet(tmp_path / "t.xlsx", required=("a",)) if isinstance(row, dict)] == ["1"]
    assert list(spreadsheet(tmp_path / "t.xlsx", required=("a",), sheet="two")) == [(2, {"a": "7"})]


def test_rows_above_a_header_keep_their_line_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("title,\n\n,b\n1,2\n")
    assert list(read_csv(tmp_path / "t.csv", required=("a", "b"), skip=2, first="a")) == [(4, {"a": "1", "b": "2"})]


def test_a_suspect_is_a_suspect_in_every_set_that_says_so() -> None:
    words = {"odir5k": "suspected glaucoma", "jsiec": "10.0.Possible glaucoma", "chaksu": "GLAUCOMA SUSPECT"}
    for name, word in words.items():
        closed = says(name, word)
        assert "fundus.glau_sus" in closed.present and "fundus.glau" in closed.uncertain, name


@pytest.mark.parametrize(
    ("name", "word"),
    [("aria", "aria_c_markups"), ("dr1_dr2", "Normal Images"), ("e_ophtha", "healthy"), ("palm", "N")],
)
def test_free_of_what_was_sought_is_not_a_normal_fundus(name: str, word: str) -> None:
    closed = says(name, word)
    assert "fundus.normal" in closed.uncertain and not closed.present & {"fundus.normal", "fundus.abnormal"}


def test_words_of_two_readings_raise_both_and_assert_neither() -> None:
    swelling = says("jsiec", "12.Disc swelling and elevation")
    assert "fundus.f_disc" in swelling.present and "fundus.ode" in swelling.uncertain
    fibrosis = says("jsiec", "26.Fibrosis")
    assert "fundus.f_find" in fibrosis.present and "fundus.fibrosis" in fibrosis.uncertain


def test_a_refraction_is_no_abnormal_fundus_and_diabetic_edema_is_one_of_the_macula() -> None:
    assert "fundus.abnormal" not in says("palm", "H").present
    assert "fundus.f_mac" in says("idrid", "Risk of macular edema=2").present
