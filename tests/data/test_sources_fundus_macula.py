"""Sources of macular degeneration, myopia, hypertension, quality and structure: their traps in small tables."""

import csv
from collections import Counter

import cv2
import numpy as np
import pytest

from mgll_data.errors import UsageError
from mgll_data.phantoms.writing import workbook
from mgll_data.sources import adam, csdi, dr_hagis, drimdb, drive, eye_disease_10, hrdc, hrf, mmac, palm, scardat
from tests.data.fundus_labels import said, says
from tests.data.source_files import put, real, split


def words(records):
    return [sorted(record.labels) for record in records]


def picture(path, height=60, width=80):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 90, np.uint8))


def mask(path, box=None, height=60, width=80):
    """Black is lesion: a block x0, y0, x1, y1, or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((height, width), 255, np.uint8)
    if box:
        pixels[box[1] : box[3], box[0] : box[2]] = 0
    cv2.imwrite(str(path), pixels)


def test_adam_lesions_are_what_is_black_and_a_white_mask_is_no_finding(tmp_path):
    picture(tmp_path / "Training400/AMD/A0001.jpg")
    picture(tmp_path / "Training400/Non-AMD/N0001.jpg")
    picture(tmp_path / "Training400/AMD/Axx.jpg")
    lesions = tmp_path / "Training400-Lesion/Lesion_Masks"
    mask(lesions / "drusen/A0001.bmp", (10, 20, 30, 40))
    mask(lesions / "scar/A0001.bmp")
    mask(lesions / "hemorrhage/A0001.bmp", (0, 0, 4, 4))
    broken = lesions / "hemorrhage/A0001.bmp"
    broken.write_bytes(broken.read_bytes()[:2000])
    records, rejected = split(list(adam.read(tmp_path)))
    assert words(records) == [["A", "drusen"], ["N"]]
    assert [(region.label, region.box) for region in records[0].regions] == [("drusen", (10, 20, 30, 40))]
    assert [item.image.rpartition("/")[2] for item in rejected] == ["A0001.bmp", "Axx.jpg"]
    assert rejected[0].reason in ("truncated", "undecodable") and rejected[1].reason == "unlisted"
    assert {"fundus.amd", "fundus.drusen"} <= said("adam", records[0]).present
    assert "fundus.mac_scar" not in said("adam", records[0]).present | said("adam", records[0]).absent
    closed = said("adam", records[1])  # "Non-AMD" holds myopic eyes too
    assert "fundus.amd" in closed.absent and not closed.present and "fundus.abnormal" not in closed.absent


def test_palm_high_myopia_is_not_pathologic_myopia(tmp_path):
    for name in ("P0001", "H0002", "N0003"):
        picture(tmp_path / f"PALM-Training400/{name}.jpg")
    masks = tmp_path / "PALM-Training400-Annotation-Lession/Lesion_Masks"
    mask(masks / "Atrophy/H0002.bmp", (5, 5, 20, 20))
    mask(masks / "Detachment/P0001.bmp")
    sheet = [["imgName", "Label", "Fovea_X"], ["V0001.jpg", 1.0, 2.5], ["V0002.jpg", 0, 2.5], ["V0003.jpg", None, 1]]
    workbook(tmp_path / "PALM-Validation-GT/PM_Label_and_Fovea_Location.xlsx", {"Sheet1": sheet})
    put(tmp_path / "PALM-Testing400-Images/T0001.jpg")
    records, rejected = split(list(palm.read(tmp_path)))
    assert words(records) == [["P"], ["Atrophy", "H"], ["N"], ["Label=1"], ["Label=0"]]
    assert [item.reason for item in rejected] == ["no_label", "unlisted"]
    high, neither = said("palm", records[1]), said("palm", records[2])
    assert "fundus.hmyopia" in high.present and "fundus.pm" in high.absent
    assert {"fundus.pm", "fundus.hmyopia"} <= neither.absent and "fundus.normal" not in neither.present
    rest = says("palm", "Label=0")  # holds high myopia as well
    assert rest.absent == {"fundus.pm"} and not rest.present


def test_mmac_reads_the_tables_with_the_grade(tmp_path):
    grades = (
        "image,myopic_maculopathy_grade,age,sex\nmmac_task_1_train_0001.png,0,,1\nmmac_task_1_train_0002.png,4,61,0\n"
    )
    put(tmp_path / "2. Groundtruths/1. Training Labels.csv", grades + "mmac_task_1_train_0003.png,,,\n")
    put(tmp_path / "2. Groundtruths/sphere.csv", "image,spherical_equivalent\nmmac_task_3_train_0001.png,-9\n")
    put(tmp_path / "1. Images/2. Validation Set/mmac_task_1_val_0001.png")
    records, rejected = split(list(mmac.read(tmp_path)))
    assert [record.age for record in records] == [None, 61]
    assert [item.reason for item in rejected] == ["no_label", "unlisted"]
    none = said("mmac", records[0])  # category 0 is not a normal fundus, nor does it deny the plus lesions
    assert "fundus.mm2" in none.absent and not none.present and "fundus.pm" not in none.absent
    assert {"fundus.mm4", "fundus.pm"} <= said("mmac", records[1]).present
    tessellated = says("mmac", "myopic_maculopathy_grade=1")
    assert "fundus.mm1" in tessellated.present and "fundus.pm" not in tessellated.present
    (tmp_path / "2. Groundtruths/1. Training Labels.csv").unlink()
    with pytest.raises(UsageError, match="myopic_maculopathy_grade"):
        list(mmac.read(tmp_path))


def hrdc_files(root, task, names, column):
    for name in names:
        put(root / task / "1-Images/1-Training Set" / name)
    rows = "".join(f"{name},{value}\n" for name, value in names.items())
    table = f"HRDC {column} Classification Training Labels.csv"
    put(root / task / "2-Groundtruths" / table, f"Image,{column}\n{rows}")


def test_hrdc_real_lists_share_names_and_hypertension_is_no_finding_of_the_eye(tmp_path):
    folder = real("FLAIR-dataframes") / "local_data/dataframes/transferability/classification"
    tasks = {"1-Hypertensive Classification": "Hypertensive"}
    tasks["2-Hypertensive Retinopathy Classification"] = "Hypertensive Retinopathy"
    found = []
    for number, (task, column) in enumerate(tasks.items(), start=1):
        with (folder / f"CGI_HRDC_Task{number}.csv").open(newline="") as file:
            rows = {r["image"].rpartition("/")[2]: r["categories"] for r in csv.DictReader(file)}
        found.append(set(rows))
        hrdc_files(tmp_path, task, {name: int("no " not in said_) for name, said_ in rows.items()}, column)
    assert found[0] & found[1]
    records, rejected = split(list(hrdc.read(tmp_path)))
    assert len(records) == 1424 and not rejected
    for record in records:
        closed = said("hrdc", record)
        if record.image.startswith("1-"):
            assert not closed.present and not closed.absent and not closed.uncertain
        else:
            assert ("fundus.htr" in closed.present) != ("fundus.no_htr" in closed.present)
            assert "fundus.normal" not in closed.present


def test_hrdc_wants_one_task_at_least_and_saved_sheets_do(tmp_path):
    with pytest.raises(UsageError, match="2-Groundtruths"):
        list(hrdc.read(tmp_path))
    home = tmp_path / "2-Hypertensive Retinopathy Classification"
    rows = [["Image", "Hypertensive Retinopathy"], ["a.png", 1.0], ["../b.png", 1]]
    table = "HRDC Hypertensive Retinopathy Classification Training Labels.xlsx"
    workbook(home / "2-Groundtruths" / table, {"Sheet1": rows})
    put(home / "1-Images/1-Training Set/c.png")
    records, rejected = split(list(hrdc.read(tmp_path)))
    assert words(records) == [["Hypertensive Retinopathy=1"]]
    assert [item.reason for item in rejected] == ["path_escape", "unlisted"]


def test_scardat(tmp_path):
    for name in ("train/positive/1.jpg", "val/negative/2.jpg", "test/negative/3.jpg", "extra/4.jpg"):
        put(tmp_path / name)
    records, rejected = split(list(scardat.read(tmp_path)))
    assert Counter(record.official_split for record in records) == {"train": 1, "val": 1, "test": 1}
    assert [item.image for item in rejected] == ["extra/4.jpg"]
    assert "fundus.normal" not in says("scardat", "negative").present


def test_drive_says_no_retinopathy_of_two_of_its_abnormal_pictures(tmp_path):
    for number in range(1, 41):
        part = "test" if number <= 20 else "training"
        put(tmp_path / f"DRIVE/{part}/images/{number:02d}_{part}.tif")
        put(tmp_path / f"DRIVE/{part}/mask/{number:02d}_{part}_mask.tif")
    put(tmp_path / "DRIVE/test/images/41_test.tif")
    records, rejected = split(list(drive.read(tmp_path)))
    assert len(records) == 40 and [item.reason for item in rejected] == ["unlisted"]
    closed = {record.image.rpartition("/")[2][:2]: said("drive", record) for record in records}
    assert {number for number, c in closed.items() if "fundus.npdr" in c.present} == {"03", "14", "17", "26", "32"}
    assert {number for number, c in closed.items() if "fundus.no_dr" not in c.present} == {"03", "14", "17", "26", "32"}
    assert {number for number, c in closed.items() if "fundus.rpec" in c.present} == {"08", "25", "26"}
    assert all("fundus.normal" not in c.present and not c.conflicts for c in closed.values())
    assert "fundus.pattern" in closed["25"].uncertain and "fundus.pattern" not in closed["08"].uncertain
    assert "fundus.mac_scar" in closed["08"].uncertain and "fundus.mac_scar" not in closed["08"].present


def test_hrf_groups_and_quality_pairs(tmp_path):
    names = ("images/01_h.jpg", "images/01_dr.JPG", "images/02_g.jpg", "quality/1_good.JPG", "quality/1_bad.JPG")
    for name in (*names, "images/01_x.jpg", "mask/01_h_mask.tif"):
        put(tmp_path / name)
    records, rejected = split(list(hrf.read(tmp_path)))
    assert {(word, record.patient) for record in records for word in record.labels} == {
        *((word, None) for word in ("h", "dr", "g")),
        *((word, "pair 1") for word in ("good", "bad")),
    }
    assert [item.image for item in rejected] == ["images/01_x.jpg"]
    assert says("hrf", "good").present == {"fundus.gradable"}


def test_drimdb_outliers_are_not_of_the_fundus(tmp_path):
    for name in ("Good/drimdb_good (1).jpg", "Bad/drimdb_bad (69).jpg", "Outlier/drimdb_outlier (2).jpg", "Good/x.jpg"):
        put(tmp_path / name)
    records, rejected = split(list(drimdb.read(tmp_path)))
    assert words(records) == [["bad"], ["good"]]
    assert Counter((item.outcome, item.reason) for item in rejected) == {
        ("excluded", "not_fundus"): 1,
        ("excluded", "unlisted"): 1,
    }


def test_csdi_keeps_the_score_and_reads_no_text(tmp_path):
    header = "id,score,English_diagnosis,Chinese_diagnosis\n"
    rows = 'cataract_001.png,7.5,"Dense, seen on 3 May","浑浊"\ncataract_002.jpg,0,,\ncataract_003.jpg,,,\n'
    put(tmp_path / "CSDI_annotations.csv", header + rows)
    records, rejected = split(list(csdi.read(tmp_path)))
    assert [(words([r])[0], dict(r.attrs), dict(r.report)) for r in records] == [
        (["score>0"], {"cataract_score": 7.5}, {}),
        (["score=0"], {"cataract_score": 0.0}, {}),
    ]
    assert [item.reason for item in rejected] == ["no_label"]
    assert "fundus.cat" in says("csdi", "score>0").present and not says("csdi", "score=0").present


def test_dr_hagis_groups_by_number(tmp_path):
    for name in ("1.jpg", "10.jpg", "11.jpg", "21.jpg", "40.jpg", "41.jpg", "notes.jpg"):
        put(tmp_path / "DRHAGIS/Fundus_Images" / name)
    records, rejected = split(list(dr_hagis.read(tmp_path)))
    by_number = {record.image.rpartition("/")[2]: words([record])[0][0] for record in records}
    assert by_number == {
        "1.jpg": "glaucoma",
        "10.jpg": "glaucoma",
        "11.jpg": "hypertension",
        "21.jpg": "diabetic retinopathy",
        "40.jpg": "age-related macular degeneration",
    }
    assert {item.reason for item in rejected} == {"unlisted"} and len(rejected) == 2
    assert not says("dr_hagis", "hypertension").present


def test_pterygium_is_not_of_the_fundus(tmp_path):
    for name in ("Pterygium/Pterygium1.jpg", "Healthy/Healthy1.jpg", "Retinal Detachment/RD1.jpg"):
        put(tmp_path / "Original Dataset" / name)
    put(tmp_path / "Augmented Dataset/Healthy/Healthy1.jpg")
    records, rejected = split(list(eye_disease_10.read(tmp_path)))
    assert words(records) == [["Healthy"], ["Retinal Detachment"]]
    assert [(item.image, item.reason) for item in rejected] == [
        ("Original Dataset/Pterygium/Pterygium1.jpg", "not_fundus")
    ]
