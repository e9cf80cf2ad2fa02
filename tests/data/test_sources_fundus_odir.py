"""ODIR-5K: keywords of each eye against flags of the patient, in small tables and in the real ones where they are."""

import csv
from collections import Counter

import pytest

from mgll_data.errors import UsageError
from mgll_data.phantoms.writing import workbook
from mgll_data.sources import odir5k
from tests.data.source_files import put, real, split


def faults(rejected):
    return [(item.image, item.origin, item.reason) for item in rejected]


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


LONG = "Normal ,Diabetes,Glaucoma,Cataract,Age related Macular Degeneration ,Hypertension,Pathological Myopia,"
LONG += "Other diseases/abnormalities"
TWO = "ID,Patient Age,Patient Sex,Left-Fundus,Right-Fundus,Left-Diagnostic Keywords,Right-Diagnostic Keywords,"
FLAGS = "0,0,0,1,0,0,0,0"
CONFLICTS = (1445, 760)  # pictures listed, and those of them whose only keyword is normal fundus


def test_odir_takes_the_words_of_the_eye_and_never_the_flags_of_the_patient(tmp_path):
    rows = [
        f"0,69,Female,0_left.jpg,0_right.jpg,cataract,normal fundus,{FLAGS}",
        f'1,140,Male,1_left.jpg,1_right.jpg,Lens Dust\uff0cmoderate retinopathy ,"laser spot, drusen\uff0c",{FLAGS}',
        f"0,69,Female,0_left.jpg,0_right.jpg,cataract,normal fundus,{FLAGS}",  # a row per image: the same eyes again
    ]
    put(tmp_path / "full_df.annotation-layout.csv", "\n".join(["\ufeff" + TWO + LONG, *rows]))
    put(
        tmp_path / "full_df.csv",
        "ID,Patient Age,Patient Sex,Fundus,Diagnostic Keywords\n0,69,Female,0_right.jpg,glaucoma\n",
    )
    put(tmp_path / "preprocessed_images/0_left.jpg")
    put(tmp_path / "preprocessed_images/1_left.jpg")
    put(tmp_path / "ODIR-5K/ODIR-5K/Training Images/1_left.jpg")
    put(tmp_path / "ODIR-5K/ODIR-5K/Testing Images/9_left.jpg")
    put(tmp_path / "preprocessed_images/8_left.jpg")
    records, rejected = split(list(odir5k.read(tmp_path)))
    assert [(r.image, r.laterality, r.patient, r.age, r.sex, list(r.labels)) for r in records] == [
        ("preprocessed_images/0_left.jpg", "left", "0", 69, "F", ["cataract"]),
        ("Training Images/0_right.jpg", "right", "0", 69, "F", ["normal fundus"]),
        ("ODIR-5K/ODIR-5K/Training Images/1_left.jpg", "left", "1", None, "M", ["lens dust", "moderate retinopathy"]),
        ("Training Images/1_right.jpg", "right", "1", None, "M", ["laser spot", "drusen"]),
    ]
    assert faults(rejected) == [("preprocessed_images/8_left.jpg", "", "unlisted")]


def test_odir_with_a_file_column_excludes_the_eyes_that_the_release_left_out(tmp_path):
    header = TWO + "N,D,G,C,A,H,M,O,filepath,labels,target,filename"
    tail = f"{FLAGS},../input/odir/0_right.jpg,['N'],\"[1, 0, 0, 0, 0, 0, 0, 0]\""
    rows = [
        f"0,69,Female,0_left.jpg,0_right.jpg,anterior segment image,normal fundus,{tail},0_right.jpg",
        f"1,60,Male,1_left.jpg,1_right.jpg,cataract,glaucoma,{tail},1_right.jpg",
        f"1,60,Male,1_left.jpg,1_right.jpg,cataract,glaucoma,{tail},1_left.jpg",
        f"2,60,Male,2_left.jpg,2_right.jpg,low image quality,glaucoma,{tail},2_right.jpg",
    ]
    put(tmp_path / "full_df.csv", "\n".join([header, *rows]))
    put(tmp_path / "Training Images/2_left.jpg")
    records, rejected = split(list(odir5k.read(tmp_path)))
    assert [record.image.rpartition("/")[2] for record in records] == [
        *("0_right.jpg", "1_left.jpg", "1_right.jpg", "2_left.jpg", "2_right.jpg")
    ]
    assert faults(rejected) == [("", "full_df.csv:2", "no_image")] and rejected[0].outcome == "excluded"


def test_odir_with_one_eye_a_row(tmp_path):
    put(
        tmp_path / "full_df.csv",
        "ID,Patient Age,Patient Sex,Fundus,Diagnostic Keywords,N\n7,60,Male,7_right.jpg,glaucoma\uff0cdrusen,0\n",
    )
    records, _ = split(list(odir5k.read(tmp_path)))
    assert [(r.laterality, r.patient, list(r.labels)) for r in records] == [("right", "7", ["glaucoma", "drusen"])]


def test_odir_counts_contradictions_empty_words_and_escapes(tmp_path):
    rows = [
        f"0,69,Female,0_left.jpg,0_right.jpg,cataract,\uff0c,{FLAGS}",
        f"0,69,Female,0_left.jpg,0_right.jpg,glaucoma,\uff0c,{FLAGS}",
        f"1,69,Female,../1_left.jpg,1_right.jpg,glaucoma,drusen,{FLAGS}",
        "2,69",
    ]
    put(tmp_path / "data.csv", "\n".join([TWO + LONG, *rows]))
    records, rejected = split(list(odir5k.read(tmp_path)))
    assert [record.image for record in records] == ["Training Images/1_right.jpg"]
    assert Counter(item.reason for item in rejected) == {"bad_row": 3, "path_escape": 1}


def test_odir_without_a_table_says_how_to_make_one(tmp_path):
    with pytest.raises(UsageError, match=r"no label table full_df\.csv, data\.xlsx"):
        list(odir5k.read(tmp_path))
    put(tmp_path / "data.xlsx")
    with pytest.raises(UsageError, match=r"not a readable \.xlsx file"):
        list(odir5k.read(tmp_path))


def test_odir_reads_the_spreadsheet_of_the_challenge(tmp_path):
    header = (TWO + "N,D,G,C,A,H,M,O").split(",")
    row = [7, 60, "Male", "7_left.jpg", "7_right.jpg", "glaucoma\uff0cdrusen", "normal fundus", 0, 0, 1, 0, 0, 0, 0, 1]
    workbook(tmp_path / "ODIR-5K_Training_Annotations(Updated)_V2.xlsx", {"Sheet1": [header, row]})
    put(tmp_path / "Training Images/7_left.jpg")
    records, rejected = split(list(odir5k.read(tmp_path)))
    assert not rejected
    assert [(r.patient, r.laterality, r.age, list(r.labels)) for r in records] == [
        ("7", "left", 60, ["glaucoma", "drusen"]),
        ("7", "right", 60, ["normal fundus"]),
    ]
    assert [bool(r.conflicts) for r in records] == [False, True]


@pytest.mark.parametrize(
    ("left", "right", "flags", "of_left", "of_right"),
    [
        ("cataract", "normal fundus", "C", (), ("C",)),  # the other eye's disease is not this eye's
        ("cataract", "cataract", "C", (), ()),
        ("normal fundus", "normal fundus", "N", (), ()),
        ("lens dust\uff0cnormal fundus", "normal fundus", "N", (), ()),
        ("normal fundus", "laser spot", "O", ("O",), ()),
        ("mild nonproliferative retinopathy\uff0cdrusen", "drusen", "DO", (), ("D",)),
        ("pathological myopia", "glaucoma", "MG", ("G",), ("M",)),
        ("wet age-related macular degeneration", "hypertensive retinopathy", "AH", ("H",), ("A",)),
        ("normal fundus", "normal fundus", "C", ("C",), ("C",)),  # no keyword at all for the flag
    ],
)
def test_odir_lists_every_flag_that_the_eye_does_not_explain(tmp_path, left, right, flags, of_left, of_right):
    columns = "NDGCAHMO"
    values = ",".join(str(int(flag in flags)) for flag in columns)
    text = f"{TWO}{','.join(columns)}\n3,60,Male,3_left.jpg,3_right.jpg,{left},{right},{values}\n"
    put(tmp_path / "full_df.csv", text)
    records, _ = split(list(odir5k.read(tmp_path)))
    for record, expected in zip(records, (of_left, of_right), strict=True):
        extra = [c.split()[1] for c in record.conflicts if c.startswith("flag")]
        assert sorted(extra) == sorted(expected)
    words = [set(record.labels) for record in records]
    assert words == [set(left.split("\uff0c")), set(right.split("\uff0c"))]  # the eye's label, whatever the flags


def test_odir_a_keyword_without_its_flag_is_a_conflict_too(tmp_path):
    put(tmp_path / "full_df.csv", f"{TWO}N,D,G,C,A,H,M,O\n3,60,Male,3_left.jpg,3_right.jpg,glaucoma,glaucoma,{FLAGS}\n")
    records, _ = split(list(odir5k.read(tmp_path)))
    assert all(
        record.conflicts == ("flag C without a keyword of this eye", "a keyword of class G without its flag")
        for record in records
    )


@pytest.mark.parametrize("words", ["anterior segment image", "lens dust\uff0cNo Fundus image"])
def test_odir_excludes_pictures_of_no_fundus(tmp_path, words):
    put(tmp_path / "full_df.csv", f"{TWO}\n3,60,Male,3_left.jpg,3_right.jpg,{words},glaucoma\n".replace(",\n", "\n", 1))
    put(tmp_path / "preprocessed_images/3_left.jpg")
    records, rejected = split(list(odir5k.read(tmp_path)))
    assert [record.laterality for record in records] == ["right"]
    assert [(item.outcome, item.reason) for item in rejected] == [("excluded", "not_fundus")]


def test_odir_real_tables(tmp_path):
    root = real("noncommercial/ODIR-5K-subset")
    rows = table(root / "full_df.annotation-layout.csv")
    eyes = {}
    for row in rows:
        for side in ("Left", "Right"):
            words = row[f"{side}-Diagnostic Keywords"].replace("\uff0c", ",").split(",")
            eyes[row[f"{side}-Fundus"]] = sorted({word.strip().lower() for word in words})
    records, rejected = split(list(odir5k.read(root)))
    no_fundus = {name for name, words in eyes.items() if {"anterior segment image", "no fundus image"} & set(words)}
    assert len(rows) == 6392 and len(eyes) == 6716 and len(no_fundus) == 3
    assert [(item.outcome, item.reason) for item in rejected] == [("excluded", "not_fundus")] * 3
    eyes = {name: words for name, words in eyes.items() if name not in no_fundus}
    assert {record.image.rpartition("/")[2]: sorted(record.labels) for record in records} == eyes
    assert len({record.patient for record in records}) == len({row["ID"] for row in rows}) == 3358
    on_disk = [record for record in records if (root / record.image).is_file()]
    assert len(on_disk) == len(list((root / "preprocessed_images").iterdir())) == 296
    # the other table, one right eye a row
    put(tmp_path / "full_df.csv", (root / "full_df.csv").read_bytes())
    records, rejected = split(list(odir5k.read(tmp_path)))
    assert len(records) == len(table(root / "full_df.csv")) == 3194 and not rejected
    assert {record.laterality for record in records} == {"right"}


def test_odir_real_flags_are_those_of_both_eyes_and_every_other_one_is_a_conflict():
    root = real("noncommercial/ODIR-5K-subset")
    path = root / "full_df.annotation-layout.csv"
    names = ("Normal ", "Diabetes", "Glaucoma", "Cataract", "Age related Macular Degeneration ", "Hypertension")
    names += ("Pathological Myopia", "Other diseases/abnormalities")
    flags = {row["ID"]: {f for f, n in zip("NDGCAHMO", names, strict=True) if row[n] == "1"} for row in table(path)}
    records, _ = split(list(odir5k.read(root)))
    of_eyes = {}
    for record in records:
        raised = odir5k._classes(record.labels)
        of_eyes.setdefault(record.patient, set()).update(raised)
        assert bool(record.conflicts) == (raised != flags[record.patient])
    # A patient is N only where both eyes are; the three pictures of no fundus say nothing of their patients.
    assert all((words - {"N"} or words) == flags[patient] for patient, words in of_eyes.items())
    listed = [record for record in records if record.conflicts]
    normal = [record for record in listed if list(record.labels) == ["normal fundus"]]
    assert (len(listed), len(normal)) == CONFLICTS
