"""Sets of diabetic retinopathy: grades whose codes mean different things, empty grades, eyes, splits."""

import csv

import pytest

from mgll_data.errors import UsageError
from mgll_data.phantoms.writing import workbook
from mgll_data.recipe import VOCAB
from mgll_data.sources import (
    ddr,
    deepdrid,
    drtid,
    eyepacs,
    eyeq,
    jichi,
    maples_dr,
    mbrset,
    messidor,
    messidor2,
    mfiddr,
    sustech_sysu,
)
from mgll_data.sources.base import find
from tests.data.fundus_labels import said, says, vocabulary
from tests.data.source_files import put, split

TABLES = sorted((VOCAB / "fundus" / "labels").glob("*.csv"))
STAGES = {"fundus.dr_mild", "fundus.dr_mod", "fundus.dr_sev", "fundus.pdr"}


def lines(path, *rows):
    put(path, "\n".join(rows) + "\n")


def reasons(rejected):
    return [(item.outcome, item.reason) for item in rejected]


# ---- what a grade says


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_no_disease_is_never_a_normal_fundus(path):
    """`no DR`, `no glaucoma` and their like deny one disease: not one word of any source makes them more."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    negations = {c for c in vocabulary().concepts if vocabulary().concepts[c].level == "negation"}
    for word in {row["label"] for row in rows if row["concept"] in negations and row["asserts"] == "present"}:
        closed = says(path.stem, word)
        assert "fundus.normal" not in closed.present, word
        assert "fundus.abnormal" not in closed.absent, word


@pytest.mark.parametrize(
    ("name", "word"), [("ddr", "grade=5"), ("deepdrid", "left_eye_DR_Level=5"), ("maples_dr", "DR=R6")]
)
def test_five_is_ungradable_and_no_stage(name, word):
    closed = says(name, word)
    assert "fundus.ungradable" in closed.present
    assert not any(concept.startswith("fundus.f_dr") or "dr_" in concept for concept in closed.present | closed.absent)


def test_five_of_sustech_is_treatment_by_laser():
    closed = says("sustech_sysu", "International=5")
    assert {"fundus.dr_laser", "fundus.laser", "fundus.dr"} <= closed.present
    assert "fundus.ungradable" not in closed.present and not STAGES & closed.present


def test_the_other_scales_of_sustech_do_not_fight_the_international_one():
    closed = says("sustech_sysu", "International=1", "American=3", "Scottish=2")
    assert STAGES & closed.present == {"fundus.dr_mild"} and not closed.conflicts


@pytest.mark.parametrize("grade", ["sdr", "ppdr"])
def test_middle_stages_of_davis_are_no_icdr_stages(grade):
    closed = says("jichi", f"Davis_grading_of_one_figure={grade}")
    assert "fundus.dr" in closed.present and f"fundus.davis_{grade}" in closed.present
    assert not STAGES & closed.present and "fundus.no_dr" in closed.absent


@pytest.mark.parametrize("grade", "123")
def test_messidor_grades_are_no_icdr_stages(grade):
    closed = says("messidor", f"Retinopathy grade={grade}")
    assert "fundus.dr" in closed.present and not STAGES & (closed.present | closed.uncertain)


def test_zero_of_messidor2_edema_denies_only_significant_edema():
    closed = says("messidor2", "adjudicated_dme=0")
    assert closed.absent == {"fundus.dme_csme"} and not closed.present
    assert {"fundus.dme", "fundus.dme_csme"} <= says("messidor2", "adjudicated_dme=1").present


def test_an_edema_away_from_the_center_stands_beside_a_zero_of_messidor2():
    assert "fundus.no_dme" not in says("messidor2", "adjudicated_dme=0", "adjudicated_dr_grade=2").present


# ---- tables


def test_messidor2_case_of_names_and_empty_grades(tmp_path):
    lines(
        tmp_path / "messidor_data.csv",
        "image_id,adjudicated_dr_grade,adjudicated_dme,adjudicated_gradable",
        "IM0001.jpg,2.0,1.0,1",
        "20051020_43808_0100_PP.png,0,0,1",
        "IM0002.jpg,,,0",
        "IM0003.jpg,,,",
        "../IM0004.jpg,1,0,1",
    )
    lines(tmp_path / "messidor-2.csv", "left,right", "IM0001.JPG,IM0002.JPG")
    for name in ("IM0001.JPG", "IM0002.JPG", "IM0003.JPG", "20051020_43808_0100_PP.png", "other.png"):
        put(tmp_path / "images" / name)
    records, rejected = split(list(messidor2.read(tmp_path)))
    assert [(r.image, r.patient, r.laterality, sorted(r.labels)) for r in records] == [
        (
            "images/IM0001.JPG",
            "im0001",
            "left",
            ["adjudicated_dme=1", "adjudicated_dr_grade=2", "adjudicated_gradable=1"],
        ),
        (
            "images/20051020_43808_0100_PP.png",
            None,
            None,
            ["adjudicated_dme=0", "adjudicated_dr_grade=0", "adjudicated_gradable=1"],
        ),
        ("images/IM0002.JPG", "im0001", "right", ["adjudicated_gradable=0"]),
    ]
    closed = said("messidor2", records[2])
    assert "fundus.ungradable" in closed.present and "fundus.no_dr" not in closed.present
    wanted = [("excluded", "no_label"), ("quarantined", "path_escape"), ("excluded", "unlisted")]
    assert reasons(rejected) == wanted


def test_messidor_reads_saved_sheets_and_asks_for_those_that_are_not(tmp_path):
    header = "Image name,Ophthalmologic department,Retinopathy grade,Risk of macular edema "
    lines(tmp_path / "Annotation_Base11.csv", header, "a_PP.tif,Lariboisiere,3,2", "b_PP.tif,Lariboisiere,0,0")
    rows = [header.split(","), ["c_PP.tif", "Brest", 1, 1], ["a_PP.tif", "Brest", 1, 1]]
    workbook(tmp_path / "Annotation_Base12.xlsx", {"Feuil1": rows})
    put(tmp_path / "Base11/a_PP.tif")
    records, rejected = split(list(messidor.read(tmp_path)))
    assert [(r.image, *r.labels) for r in records] == [
        ("Base11/a_PP.tif", "Retinopathy grade=3", "Risk of macular edema=2"),
        ("images/b_PP.tif", "Retinopathy grade=0", "Risk of macular edema=0"),
        ("images/c_PP.tif", "Retinopathy grade=1", "Risk of macular edema=1"),
    ]
    assert reasons(rejected) == [("quarantined", "bad_row")]  # a picture that two bases name
    put(tmp_path / "Annotation_Base13.xls")
    with pytest.raises(UsageError, match=r"Annotation_Base13\.xls: save it as Annotation_Base13\.csv"):
        list(messidor.read(tmp_path))


def test_eyepacs_and_eyeq_share_patients_and_pictures(tmp_path):
    lines(tmp_path / "trainLabels.csv", "image,level", "10_left,0", "10_right,4")
    lines(tmp_path / "retinopathy_solution.csv", "image,level,Usage", "1_left,2,Public")
    for name in ("train/10_left.jpeg", "train/10_right.jpeg", "test/1_left.jpeg", "test/1_right.jpeg"):
        put(tmp_path / name)
    records, rejected = split(list(eyepacs.read(tmp_path)))
    facts = [(r.image, r.patient, r.laterality, r.official_split, *r.labels) for r in records]
    assert facts[1:] == [
        ("train/10_right.jpeg", "10", "right", "train", "level=4"),
        ("test/1_left.jpeg", "1", "left", "test", "level=2"),
    ]
    assert [(item.image, item.reason) for item in rejected] == [("test/1_right.jpeg", "unlisted")]
    put(tmp_path / "q/Label_EyeQ_train.csv", ",image,quality,DR_grade\n0,10_left.jpeg,2,0\n1,10_right.jpeg,1,4\n")
    put(tmp_path / "q/images/10_left.png")
    again, _ = split(list(eyeq.read(tmp_path / "q")))
    assert [r.same_as for r in again] == [(("eyepacs", "10_left.jpeg"),), (("eyepacs", "10_right.jpeg"),)]
    assert [r.patient for r in again] == ["10", "10"] and eyeq.CARD.patients_of == "eyepacs"
    assert "fundus.ungradable" in said("eyeq", again[0]).present
    assert "fundus.gradable" in said("eyeq", again[1]).present


def test_ddr_lists_are_separated_by_blanks_and_keep_their_sets(tmp_path):
    put(tmp_path / "DR_grading/train.txt", "007-1.jpg 5\n007-2.jpg 0\n007-3.jpg\n")
    put(tmp_path / "DR_grading/valid.txt", "007-1.jpg 4\n")
    put(tmp_path / "DR_grading/test.txt", "")
    put(tmp_path / "DR_grading/valid/007-1.jpg")
    records, rejected = split(list(ddr.read(tmp_path)))
    assert [(r.image, r.official_split, *r.labels) for r in records] == [
        ("DR_grading/train/007-1.jpg", "train", "grade=5"),
        ("DR_grading/train/007-2.jpg", "train", "grade=0"),
        ("DR_grading/valid/007-1.jpg", "val", "grade=4"),
    ]
    assert reasons(rejected) == [("quarantined", "bad_row")]


def test_deepdrid_takes_the_eye_that_the_picture_shows(tmp_path):
    top = tmp_path / "regular_fundus_images"
    folder = top / "regular-fundus-training"
    lines(
        folder / "regular-fundus-training.csv",
        "patient_id,image_id,image_path,Overall quality,left_eye_DR_Level,right_eye_DR_Level,patient_DR_Level,"
        "Clarity,Field definition,Artifact",
        r"1,1_l1,\regular-fundus-training\1\1_l1.jpg,1,0.0,,3,8,10,0",
        r"1,1_r1,\regular-fundus-training\1\1_r1.jpg,0,,3.0,3,1,1,10",
    )
    put(folder / "Images/1/1_l1.jpg")
    put(tmp_path / "ultra-widefield_images/ultra-widefield-training/Images/1/1_l1.jpg")
    lines(top / "Online-Challenge1&2-Evaluation/Challenge1_labels.csv", "image_id,DR_Levels", "1_l1,5")
    records, rejected = split(list(deepdrid.read(tmp_path)))
    assert [(r.official_split, r.patient, r.laterality, *r.labels) for r in records] == [
        ("train", "1", "left", "Overall quality=1", "left_eye_DR_Level=0"),
        ("train", "1", "right", "Overall quality=0", "right_eye_DR_Level=3"),
        ("test", "1", "left", "DR_Levels=5"),
    ]
    assert records[0].image == "regular_fundus_images/regular-fundus-training/Images/1/1_l1.jpg"
    assert records[0].attrs == {"clarity": 8.0, "field_definition": 10.0, "artifact": 0.0}
    assert reasons(rejected) == [("excluded", "not_fundus")]


def test_jichi_reads_the_grade_of_the_single_picture(tmp_path):
    header = "Image,Davis_grading_of_concatenated_figures,Davis_grading_of_one_figure"
    lines(tmp_path / "list.csv", header, "12_3_R.jpg,pdr,ndr", "12_4_L.jpg,pdr,")
    records, rejected = split(list(jichi.read(tmp_path)))
    assert [(r.patient, r.laterality, *r.labels) for r in records] == [
        ("12", "right", "Davis_grading_of_one_figure=ndr")
    ]
    assert reasons(rejected) == [("excluded", "no_label")]


@pytest.mark.parametrize(
    ("file", "form"),
    [("drLables.csv", "DR_grade({})"), ("Labels.csv", "DR_grade_{}"), ("drLabels.csv", "DR_grade({})")],
)
def test_sustech_columns_of_every_release(tmp_path, file, form):
    scales = ("International_Clinical_DR_Severity_Scale", "American_Academy_of_Ophthalmology")
    header = ["Fundus_images", "left_versus_right_eye(left_0_right_1)", *(form.format(scale) for scale in scales)]
    lines(tmp_path / file, ",".join(header), "a.jpg,1,5,4", "b.jpg,0,2,3")
    put(tmp_path / "exudatesLabels/b.xml", "<annotation><object><name>ex</name></object></annotation>")
    records, rejected = split(list(sustech_sysu.read(tmp_path)))
    assert [(r.laterality, *r.labels) for r in records] == [
        ("right", "International=5", "American=4"),
        ("left", "International=2", "American=3"),
    ]
    assert [(item.image, item.reason) for item in rejected] == [("exudatesLabels/b.xml", "bad_row")]


def test_mbrset_leaves_empty_grades_empty_and_personal_questions_alone(tmp_path):
    header = "file,patient,age,sex,smoking,laterality,final_artifacts,final_quality,final_icdr,final_edema"
    lines(
        tmp_path / "labels_mbrset.csv",
        header,
        "1.1.jpg,1,63,1,yes,left,no,no,,",
        "1.2.jpg,1,63,1,yes,right,no,yes,3.0,yes",
    )
    records, _ = split(list(mbrset.read(tmp_path)))
    assert [sorted(r.labels) for r in records] == [
        ["final_artifacts=no", "final_quality=no"],
        ["final_artifacts=no", "final_edema=yes", "final_icdr=3", "final_quality=yes"],
    ]
    assert not records[0].attrs and not records[0].captions
    assert not any(concept.startswith("fundus.dr") for concept in said("mbrset", records[0]).present)


def test_fields_of_one_eye_share_its_grade_and_its_patient(tmp_path):
    lines(tmp_path / "m/test_fourpic_label.csv", "id,level,age,id1,id2,id3,id4", "7_123_left,2,57,a_05,a_06,a_07,a_05")
    records, rejected = split(list(mfiddr.read(tmp_path / "m")))
    assert [(r.image, r.patient, r.study, r.official_split) for r in records] == [
        (f"test/a_{n:02d}.jpg", "7_123", "7_123_left", "test") for n in (5, 6, 7)
    ]
    assert reasons(rejected) == [("quarantined", "bad_row")]
    lines(
        tmp_path / "d/Groundtruths/DR_grade/b. DR_grade_Testing.csv", "ID,Grade,Macula,Optic disc,LR", "9,4,9_1,9_2,R"
    )
    records, _ = split(list(drtid.read(tmp_path / "d")))
    assert [(r.patient, r.laterality, r.attrs["field"], *r.labels) for r in records] == [
        ("9", "right", "macula", "Grade=4"),
        ("9", "right", "optic disc", "Grade=4"),
    ]


def test_maples_points_to_the_messidor_picture(tmp_path):
    lines(tmp_path / "train/diagnosis.csv", "name,DR,ME", "20051019_1_0100_PP,R4S,M0")
    put(tmp_path / "images/20051019_1_0100_PP.tif")
    records, _ = split(list(maples_dr.read(tmp_path)))
    assert [(r.image, r.same_as, r.official_split) for r in records] == [
        ("images/20051019_1_0100_PP.tif", (("messidor", "20051019_1_0100_PP.tif"),), "train")
    ]
    closed = said("maples_dr", records[0])
    assert "fundus.dr" in closed.present and "fundus.pdr" in closed.uncertain and "fundus.no_dme" in closed.present


@pytest.mark.parametrize("name", ["eyeq", "retinal_lesions", "dr_arranged"])
def test_every_set_that_republishes_eyepacs_says_so(name):
    card = find(name).card
    assert card.derives == ("eyepacs",) and card.patients_of == "eyepacs"
