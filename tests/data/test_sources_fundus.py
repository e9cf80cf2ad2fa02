"""Fundus sources: invented files in each native layout with its traps, and the real label files where they are."""

import csv
from collections import Counter
from urllib.parse import quote

import pytest

from mgll_data.errors import UsageError
from mgll_data.schema import State
from mgll_data.sources import aptos2019, idrid, rfmid
from mgll_data.sources.base import find, missing, names
from tests.data.source_files import put, real, split


def faults(rejected):
    return [(item.image, item.origin, item.reason) for item in rejected]


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


# ---- every source


@pytest.mark.parametrize("name", names())
def test_cards_are_complete_and_a_missing_folder_is_told(tmp_path, name):
    card = find(name).card
    assert card.name == name
    assert card.needs and missing(card, tmp_path / "none") == missing(card, tmp_path) == list(card.needs)
    assert card.cite.startswith("@") and card.cite.count("{") == card.cite.count("}")
    assert card.url.startswith("http") and card.layout and card.label_origin
    assert all(concept.startswith(f"{card.modality}.") for concept in card.scope)
    assert not card.open_licence or card.licence.startswith(("CC-BY-", "CC0-", "ODC-By-")) or card.name == "nih_cxr14"
    assert not ("-NC" in card.licence or "-ND" in card.licence) or not card.open_licence


# ---- IDRiD


def idrid_files(root, train, test, encode=str):
    base = root / encode("B. Disease Grading")
    folder = base / encode("2. Groundtruths")
    put(
        folder / encode("a. IDRiD_Disease Grading_Training Labels.csv"),
        "\ufeffImage name,Retinopathy grade,Risk of macular edema ,,,,,,,,,\r\n"
        + "".join(f"{r},,,,,,,,,\r\n" for r in train),
    )
    put(
        folder / encode("b. IDRiD_Disease Grading_Testing Labels.csv"),
        "Image name,Retinopathy grade,Risk of macular edema \r\n" + "".join(f"{r}\r\n" for r in test),
    )
    return base


@pytest.mark.parametrize("encode", [str, quote])
@pytest.mark.parametrize("inner", [False, True])
def test_idrid_keeps_reused_names_apart(tmp_path, encode, inner):
    base = idrid_files(tmp_path, ["IDRiD_001,3,2", "IDRiD_002,0,", ""], ["IDRiD_001,4,0"], encode)
    images = encode("1. Original Images")
    put(base / images / encode("a. Training Set") / "IDRiD_001.jpg")
    put(base / images / encode("b. Testing Set") / "IDRiD_001.jpg")
    put(base / images / encode("b. Testing Set") / "IDRiD_777.jpg")
    put(tmp_path / "C. Localization/1. Original Images/a. Training Set/IDRiD_002.jpg")  # the same names again
    root = base if inner else tmp_path
    prefix = "" if inner else encode("B. Disease Grading") + "/"
    assert not missing(idrid.CARD, root)
    records, rejected = split(list(idrid.read(root)))
    assert [(record.official_split, list(record.labels)) for record in records] == [
        ("train", ["Retinopathy grade=3", "Risk of macular edema=2"]),
        ("train", ["Retinopathy grade=0"]),
        ("test", ["Retinopathy grade=4", "Risk of macular edema=0"]),
    ]
    assert [(root / record.image).is_file() for record in records] == [True, False, True]
    assert records[1].image == f"{prefix}1. Original Images/a. Training Set/IDRiD_002.jpg"
    assert {record.patient for record in records} == {None}
    left = f"{prefix}{images}/{encode('b. Testing Set')}/IDRiD_777.jpg"
    assert faults(rejected) == [(left, "", "unlisted")]


def test_idrid_counts_bad_rows(tmp_path):
    idrid_files(tmp_path, ["../../../etc/passwd,1,1", "IDRiD_001,,", "IDRiD_002,1,1", "IDRiD_002,2,1"], ["IDRiD_001,1"])
    records, rejected = split(list(idrid.read(tmp_path)))
    assert [list(record.labels) for record in records] == [["Retinopathy grade=1", "Risk of macular edema=1"]]
    assert [item.reason for item in rejected] == ["path_escape", "bad_row", "bad_row", "bad_row"]
    assert rejected[-1].origin == "b. IDRiD_Disease Grading_Testing Labels.csv:2"


def test_idrid_wants_both_tables_and_the_right_columns(tmp_path):
    base = idrid_files(tmp_path, [], [])
    target = base / "2. Groundtruths" / "b. IDRiD_Disease Grading_Testing Labels.csv"
    target.write_text("Image name,Retinopathy_grade\n")
    with pytest.raises(UsageError) as caught:
        list(idrid.read(tmp_path))
    assert len(caught.value.problems) == 2 and "nearest is 'Retinopathy_grade'" in caught.value.problems[0]
    target.unlink()
    with pytest.raises(UsageError, match=r"Testing Labels\.csv"):
        list(idrid.read(tmp_path))


def test_idrid_real_tables():
    root = real("IDRiD")
    folder = root / "B. Disease Grading" / "2. Groundtruths"
    records, rejected = split(list(idrid.read(root)))
    assert not rejected
    for part, file, count in (
        ("train", "a. IDRiD_Disease Grading_Training", 413),
        ("test", "b. IDRiD_Disease Grading_Testing", 103),
    ):
        rows = table(folder / f"{file} Labels.csv")
        ours = [record for record in records if record.official_split == part]
        assert len(ours) == len(rows) == count
        for column in ("Retinopathy grade", "Risk of macular edema "):
            grades = Counter(f"{column.strip()}={row[column]}" for row in rows)
            assert Counter(word for r in ours for word in r.labels if word.startswith(column.strip())) == grades
    test = [record for record in records if record.official_split == "test"]
    assert all((root / record.image).is_file() for record in test)
    assert Counter(next(iter(record.labels))[-1] for record in test) == {"0": 34, "1": 5, "2": 32, "3": 19, "4": 13}


# ---- APTOS


def test_aptos_fixture(tmp_path):
    put(tmp_path / "train.csv", "id_code,diagnosis\n0a1b,2\n0a1c,0\n0a1d,\n/etc/passwd/../x,1\n0a1b,3\n")
    put(tmp_path / "test.csv", "id_code\nffff\n")
    put(tmp_path / "test_images/ffff.png")
    put(tmp_path / "train_images/0a1b.png")
    put(tmp_path / "train_images/eeee.png")
    records, rejected = split(list(aptos2019.read(tmp_path)))
    assert [(r.image, dict(r.labels), r.patient, r.laterality, r.official_split) for r in records] == [
        ("train_images/0a1b.png", {"diagnosis=2": State.PRESENT}, None, None, None),
        ("train_images/0a1c.png", {"diagnosis=0": State.PRESENT}, None, None, None),
    ]
    assert faults(rejected) == [
        ("", "train.csv:4", "bad_row"),
        ("", "train.csv:5", "path_escape"),
        ("", "train.csv:6", "bad_row"),
        ("train_images/eeee.png", "", "unlisted"),
    ]


# ---- RFMiD

LAYOUTS = {
    "dataport": [
        ("2. Groundtruths/a. RFMiD_Training_Labels.csv", "1. Original Images/a. Training Set/"),
        ("2. Groundtruths/b. RFMiD_Validation_Labels.csv", "1. Original Images/b. Validation Set/"),
        ("2. Groundtruths/c. RFMiD_Testing_Labels.csv", "1. Original Images/c. Testing Set/"),
    ],
    "quoted": [
        ("2.%20Groundtruths/a.%20RFMiD_Training_Labels.csv", "1.%20Original%20Images/a.%20Training%20Set/"),
        ("2.%20Groundtruths/b.%20RFMiD_Validation_Labels.csv", "1.%20Original%20Images/b.%20Validation%20Set/"),
        ("2.%20Groundtruths/c.%20RFMiD_Testing_Labels.csv", "1.%20Original%20Images/c.%20Testing%20Set/"),
    ],
    "kaggle": [
        ("Training_Set/Training_Set/RFMiD_Training_Labels.csv", "Training_Set/Training_Set/Training/"),
        ("Evaluation_Set/Evaluation_Set/RFMiD_Validation_Labels.csv", "Evaluation_Set/Evaluation_Set/Validation/"),
        ("Test_Set/Test_Set/RFMiD_Testing_Labels.csv", "Test_Set/Test_Set/Test/"),
    ],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rfmid_keeps_ids_that_restart_apart(tmp_path, layout):
    for number, (labels, folder) in enumerate(LAYOUTS[layout]):
        put(tmp_path / labels, f"\ufeffID,Disease_Risk,DR,MH,OTHER\r\n1,1,{number % 2},1,0\r\n2,0,0,0,\r\n")
        put(tmp_path / folder / "1.png")
    put(tmp_path / LAYOUTS[layout][1][1] / "77.png")
    put(tmp_path / "stray.png")
    assert not missing(rfmid.CARD, tmp_path)
    records, rejected = split(list(rfmid.read(tmp_path)))
    assert [record.official_split for record in records] == ["train", "train", "val", "val", "test", "test"]
    assert [record.image for record in records[::2]] == [f"{folder}1.png" for _, folder in LAYOUTS[layout]]
    assert records[2].labels == {
        "Disease_Risk=1": State.PRESENT,
        "DR": State.PRESENT,
        "MH": State.PRESENT,
        "OTHER": State.ABSENT,
    }
    assert records[3].labels == {"Disease_Risk=0": State.PRESENT, "DR": State.ABSENT, "MH": State.ABSENT}
    assert {(item.image, item.reason) for item in rejected} == {
        (f"{LAYOUTS[layout][1][1]}77.png", "unlisted"),
        ("stray.png", "unlisted"),
    }


def test_rfmid_counts_bad_rows_and_refuses_two_tables_of_a_set(tmp_path):
    name = "RFMiD_Training_Labels.csv"
    put(tmp_path / name, "ID,Disease_Risk,DR\n1,1,2\n1,1,1\n../../x,1,1\n2,,\n,1,1\n3,1,1\n")
    records, rejected = split(list(rfmid.read(tmp_path)))
    assert [record.image for record in records] == ["1. Original Images/a. Training Set/3.png"]
    assert [item.reason for item in rejected] == ["bad_row", "bad_row", "path_escape", "bad_row", "bad_row"]
    put(tmp_path / "copy" / name, "ID,Disease_Risk\n")
    with pytest.raises(UsageError, match="second label table"):
        list(rfmid.read(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"no RFMiD_Training_Labels\.csv"):
        list(rfmid.read(tmp_path / "empty"))


def test_rfmid_real_table():
    root = real("RFMiD-labels")
    rows = table(root / "Training_Set/Training_Set/RFMiD_Training_Labels.csv")
    records, rejected = split(list(rfmid.read(root)))
    assert len(records) == len(rows) == 1920 and not rejected
    columns = [column for column in rows[0] if column not in ("ID", "Disease_Risk")]
    assert len(columns) == 45
    for column in columns:
        for state, value in ((State.PRESENT, "1"), (State.ABSENT, "0")):
            assert sum(r.labels[column] == state for r in records) == sum(row[column] == value for row in rows)
    assert Counter(word for r in records for word in r.labels if "=" in word) == Counter(
        f"Disease_Risk={row['Disease_Risk']}" for row in rows
    )
