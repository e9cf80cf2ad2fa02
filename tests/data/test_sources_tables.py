"""Tables and picture folders: what every source adapter is built on."""

import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgll_data.errors import SampleError, UsageError
from mgll_data.sources.files import Images, inside, list_images
from mgll_data.sources.tables import age_in_years, columns, corners, first_file, read_csv, sex


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(path, *required, **reading):
    return list(read_csv(path, required=required, **reading))


def problems_of(path, *required, **reading):
    with pytest.raises(UsageError) as caught:
        rows(path, *required, **reading)
    return caught.value.problems


# A lone carriage return ends a line for Python but not for every editor, so it is left out.
cell = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('\n",;'), max_size=12)


@settings(max_examples=150, deadline=None)
@given(table=st.lists(st.tuples(cell, cell, cell), max_size=8), zipped=st.booleans(), mark=st.booleans())
def test_read_csv_gives_back_what_was_written_and_the_line_where_each_row_starts(tmp_path_factory, table, zipped, mark):
    text, expected = io.StringIO(), []
    writer = csv.writer(text)
    writer.writerow(["a", " b ", "c"])
    for row in table:
        line = text.getvalue().count("\n") + 1
        writer.writerow(row)
        values = [value.strip() for value in row]
        if any(row):
            expected.append((line, dict(zip("abc", values, strict=True))))
    data = text.getvalue().encode("utf-8-sig" if mark else "utf-8")
    path = tmp_path_factory.mktemp("t") / ("t.csv.gz" if zipped else "t.csv")
    write(path, gzip.compress(data) if zipped else data)
    assert rows(path, "a", "b", "c") == expected
    assert columns(path) == ("a", "b", "c")


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=60) | st.text('ab,;"\n\r \x00\u00e9', max_size=60).map(str.encode), zipped=st.booleans())
def test_read_csv_reads_any_bytes_or_says_what_is_wrong(tmp_path_factory, data, zipped):
    path = write(
        tmp_path_factory.mktemp("f") / ("t.csv.gz" if zipped else "t.csv"),
        gzip.compress(b"a,b\n" + data) if zipped else b"a,b\n" + data,
    )
    try:
        found = rows(path, "a", "b")
    except UsageError as error:
        assert str(path) in str(error)
        return
    assert all(isinstance(row, SampleError) or set(row) == {"a", "b"} for _, row in found)
    assert [line for line, _ in found] == sorted({line for line, _ in found})


def test_unnamed_columns_are_dropped_and_missing_ones_forgiven(tmp_path):
    path = write(tmp_path / "t.csv", "Image name,Risk ,,,\r\nA,1,,,\r\nB,2\r\n,,,,\r\n\r\nC,3,,,,,\r\n")
    assert rows(path, "Risk") == [
        (2, {"Image name": "A", "Risk": "1"}),
        (3, {"Image name": "B", "Risk": "2"}),
        (6, {"Image name": "C", "Risk": "3"}),
    ]


def test_a_row_number_before_the_first_name_is_dropped(tmp_path):
    assert rows(write(tmp_path / "t.csv", ",image\n0,a.png\n")) == [(2, {"image": "a.png"})]


def test_rows_that_do_not_fit_the_header_are_reported_and_the_others_read(tmp_path):
    path = write(tmp_path / "t.csv", 'a,b,,\n1,2\n1\n1,2,3\n1,2,,,9\n"x"y,2\n5,6\n')
    found = rows(path)
    assert [line for line, _ in found] == [2, 3, 4, 5, 6, 7]
    assert [row for _, row in found if isinstance(row, dict)] == [{"a": "1", "b": "2"}, {"a": "5", "b": "6"}]
    assert all(row.reason == "bad_row" for _, row in found if not isinstance(row, dict))
    assert found[1][1].detail == "1 fields, 2 expected"


def test_a_quote_that_never_closes_is_an_error_with_its_line_not_a_lost_file(tmp_path):
    path = write(tmp_path / "t.csv", 'a,b\n1,2\n3,"4\n5,6\n7,8\n')
    (problem,) = problems_of(path)
    assert f"{path}, line 3:" in problem and "quote" in problem


def test_missing_columns_are_named_together_with_the_nearest(tmp_path):
    path = write(tmp_path / "t.csv", "Image Name,Grade\n")
    first, second = problems_of(path, "Image name", "diagnosis")
    assert "'Image name'" in first and "Image Name, Grade" in first and "nearest is 'Image Name'" in first
    assert "'diagnosis'" in second and str(path) in second


def test_another_delimiter_is_guessed_in_the_message(tmp_path):
    assert "';'" in problems_of(write(tmp_path / "t.csv", "id_code;diagnosis\na;1\n"), "id_code", "diagnosis")[-1]
    assert rows(tmp_path / "t.csv", "diagnosis", delimiter=";") == [(2, {"id_code": "a", "diagnosis": "1"})]


def test_a_column_that_occurs_twice_is_refused(tmp_path):
    assert "'x' occurs twice" in problems_of(write(tmp_path / "t.csv", "x,x \n1,2\n"))[0]


@pytest.mark.parametrize("content", ["", "\n", ",,\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_an_error(tmp_path, content):
    (problem,) = problems_of(write(tmp_path / "t.csv", content), "a")
    assert "empty" in problem and "columns a" in problem


@pytest.mark.parametrize("zipped", [False, True])
def test_a_latin1_byte_is_named_with_its_line_and_the_way_out(tmp_path, zipped):
    data = b"a,b\n1,ok\n2,\xc3\xa9\n3,caf\xe9\n4,\xfc\n"
    path = write(tmp_path / ("t.csv.gz" if zipped else "t.csv"), gzip.compress(data) if zipped else data)
    (problem,) = problems_of(path, "a")
    assert f"{path}, line 4: byte 0xe9" in problem and "iconv -f latin1 -t utf-8" in problem
    assert rows(path, "a", encoding="latin-1")[2] == (4, {"a": "3", "b": "café"})
    assert "caf" not in problem.replace(str(path), "")  # no cell of the table: it may name a patient


def test_a_latin1_header_is_an_error_for_columns_too(tmp_path):
    with pytest.raises(UsageError, match="0xb5"):
        columns(write(tmp_path / "t.csv", b"a,\xb5m\n"))


def test_absent_and_damaged_files_are_user_errors(tmp_path):
    assert "cannot be read" in problems_of(tmp_path / "none.csv", "a")[0]
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 5000)
    assert "damaged" in problems_of(write(tmp_path / "cut.csv.gz", whole[: len(whole) // 2]), "a")[0]
    assert "damaged" in problems_of(write(tmp_path / "no.csv.gz", b"a,b\n1,2\n"), "a")[0]


def test_first_file_takes_the_first_name_zipped_or_not(tmp_path):
    write(tmp_path / "b.csv.gz", b"")
    assert first_file(tmp_path, "a.csv", "b.csv").name == "b.csv.gz"
    write(tmp_path / "a.csv", b"")
    assert first_file(tmp_path, "a.csv", "b.csv").name == "a.csv"
    with pytest.raises(UsageError, match=r"c\.csv or d\.csv"):
        first_file(tmp_path, "c.csv", "d.csv")


@pytest.mark.parametrize(
    ("given_path", "normal"),
    [("a/b.png", "a/b.png"), ("./a//./b.png", "a/b.png"), ("a\\b.png", "a/b.png"), ("a..b/c...png", "a..b/c...png")],
)
def test_inside_normalises(tmp_path, given_path, normal):
    assert inside(tmp_path, given_path) == normal


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a/..", "..\\x", "C:\\x", "c:/x", "\\\\host\\x"])
def test_inside_refuses_paths_that_escape(tmp_path, path):
    with pytest.raises(SampleError) as caught:
        inside(tmp_path, path)
    assert caught.value.reason == "path_escape" and "x" not in caught.value.detail.split()


@pytest.mark.parametrize("path", ["", ".", "a\0b", "x" * 300])
def test_inside_refuses_names_that_no_file_has(tmp_path, path):
    with pytest.raises(SampleError, match="bad_row"):
        inside(tmp_path, path)


@settings(max_examples=200, deadline=None)
@given(
    parts=st.lists(st.sampled_from(["..", ".", "", "a", "b", "a b", "...", "~", "C:", "\\"]), min_size=1, max_size=6)
)
def test_inside_never_lets_a_path_out(tmp_path_factory, parts):
    root = tmp_path_factory.getbasetemp() / "root"
    root.mkdir(exist_ok=True)
    try:
        result = inside(root, "/".join(parts))
    except SampleError:
        return
    assert (root / result).resolve().is_relative_to(root.resolve())
    assert (root / result).resolve() == (root / "/".join(parts).replace("\\", "/")).resolve()


def test_links_may_stay_inside_but_not_leave(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(root / "real/a.png", b"a")
    write(outside / "b.png", b"b")
    (root / "inner.png").symlink_to(root / "real/a.png")
    (root / "leak.png").symlink_to(outside / "b.png")
    (root / "leaks").symlink_to(outside)
    (root / "circle").symlink_to(root / "circle")
    assert inside(root, "inner.png") == "inner.png"
    for path in ("leak.png", "leaks/b.png", "leaks/not-there.png", "circle/a.png", "circle"):
        with pytest.raises(SampleError, match="path_escape"):
            inside(root, path)
    assert list_images(root, ["**/*.png"]) == ["inner.png", "real/a.png"]
    linked = tmp_path / "linked"  # the root itself may be a link
    linked.symlink_to(root)
    assert inside(linked, "real/a.png") == "real/a.png" and list_images(linked, ["real/*.png"]) == ["real/a.png"]


def test_list_images_follows_the_order_of_the_patterns_and_skips_hidden_files(tmp_path):
    for name in (
        "b/x.png",
        "a/x.PNG",
        "a/deep/y.png",
        "z.png",
        "a/.hid.png",
        "__MACOSX/x.png",
        ".git/x.png",
        "a/t.txt",
    ):
        write(tmp_path / name, b"")
    assert list_images(tmp_path, ["b/*.png", "**/*.png"]) == ["b/x.png", "a/deep/y.png", "a/x.PNG", "z.png"]
    assert list_images(tmp_path, ["*/x.png"]) == ["a/x.PNG", "b/x.png"]
    assert list_images(tmp_path, ["a/**/?.png"]) == ["a/deep/y.png", "a/x.PNG"]
    with pytest.raises(UsageError, match="cannot be listed"):
        list_images(tmp_path / "none", ["*"])


def test_images_knows_what_is_on_disk_what_was_named_and_what_is_left(tmp_path):
    for name in ("one/x.png", "two/x.png", "two/y.png"):
        write(tmp_path / name, b"")
    images = Images(tmp_path, ["one/*.png", "two/*.png"])
    assert "x.png" in images and "z.png" not in images
    assert images.take("x.png", "one/x.png") == "one/x.png"
    assert images.take("z.png", "one/./z.png") == "one/z.png"  # not on disk: a later stage says so
    for name in ("x.png", "z.png"):
        with pytest.raises(SampleError, match="earlier row"):
            images.take(name, f"one/{name}")
    with pytest.raises(SampleError, match="path_escape"):
        images.take("../../etc/passwd", "one/../../etc/passwd")
    for key, expected in ((".png", "one/.png"), ("", "one/")):
        with pytest.raises(SampleError, match="names no image"):
            images.take(key, expected)
    assert [(left.image, left.outcome, left.reason) for left in images.unlisted()] == [
        ("two/y.png", "excluded", "unlisted")
    ]


@pytest.mark.parametrize(
    ("text", "age"),
    [
        *(("58", 58), ("058Y", 58), ("57.5", 57.5), ("018M", 1.5), ("000D", 0), ("052W", pytest.approx(1, abs=0.01))),
        *(("0", 0), ("120", 120), ("121", None), ("414", None), ("", None), ("-3", None), ("nan", None), ("inf", None)),
    ],
)
def test_age_in_years(text, age):
    assert age_in_years(text) == age


def test_sex_and_corners():
    assert [sex(word) for word in ("F", "female", "w", " m ", "Male", "", "O", "Unknown")] == [
        *("F", "F", "F", "M", "M", None, None, None)
    ]
    assert corners("10", "20.5", "30", "4") == (10, 20.5, 40, 24.5)
    for box in (
        ("1", "2", "0", "4"),
        ("1", "2", "3", "-4"),
        ("1", "2", "nan", "4"),
        ("inf", "2", "3", "4"),
        ("", *"123"),
    ):
        with pytest.raises(SampleError, match="bad_row"):
            corners(*box)
