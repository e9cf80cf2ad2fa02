"""Glaucoma sources: their traps in small tables, and the real lists of file names where they are."""

import csv
from collections import Counter

import pytest

from mgll_data.errors import UsageError
from mgll_data.phantoms.writing import workbook
from mgll_data.sources import (
    acrima,
    airogs,
    chaksu,
    drishti_gs,
    g1020,
    gamma,
    grape,
    hygd,
    justraigs,
    lag,
    origa,
    papila,
    refuge,
    refuge2,
    rim_one_dl,
    smdg19,
)
from tests.data.fundus_labels import said
from tests.data.source_files import put, real, split


def faults(rejected):
    return [(item.image, item.outcome, item.reason) for item in rejected]


def words(records):
    return [list(record.labels) for record in records]


def test_refuge_labels_stand_in_names_and_in_two_sheets(tmp_path):
    for name in ("Training400/Glaucoma/g0001.jpg", "any/n0002.jpg", "V/V0001.jpg", "T/T0001.jpg", "T/T0099.jpg"):
        put(tmp_path / name)
    put(tmp_path / "masks/g0001.bmp")
    workbook(
        tmp_path / "GT/Fovea_locations.xlsx",
        {"Sheet1": [["ID", "ImgName", "Fovea_X", "Fovea_Y", "Glaucoma Label"], [1, "V0001.jpg", 1.5, 2, 1.0]]},
    )
    header = ["ImgName", "Label(Glaucoma=1)"]
    workbook(
        tmp_path / "REFUGE-Test-GT/Glaucoma_label_and_Fovea_location.xlsx",
        {"Sheet1": [header, ["T0001.jpg", 0], ["../T0002.jpg", 0], ["T0001.jpg", 1], ["T0003.jpg", None]]},
    )
    records, rejected = split(list(refuge.read(tmp_path)))
    assert words(records) == [["g"], ["n"], ["Glaucoma Label=1"], ["Label(Glaucoma=1)=0"]]
    assert [record.official_split for record in records] == ["train", "train", "val", "test"]
    assert faults(rejected) == [
        ("", "quarantined", "path_escape"),
        ("", "quarantined", "bad_row"),
        ("", "excluded", "no_label"),
        ("T/T0099.jpg", "excluded", "unlisted"),
    ]


def test_refuge_real_names(tmp_path):
    folder = real("FLAIR-dataframes") / "local_data/dataframes/transferability/classification"
    with (folder / "25_REFUGE.csv").open(newline="") as file:
        known = {row["image"].rpartition("/")[2]: row["categories"] for row in csv.DictReader(file)}
    for name in known:
        put(tmp_path / "train/Images" / name)
    records, rejected = split(list(refuge.read(tmp_path)))
    assert len(records) == len(known) == 400 and not rejected
    for record in records:
        closed = said("refuge", record)
        concept = {"['glaucoma']": "fundus.glau", "['no glaucoma']": "fundus.no_glau"}
        assert concept[known[record.image.rpartition("/")[2]]] in closed.present


def test_refuge2_keeps_apart_what_has_the_name_of_a_picture_of_refuge(tmp_path):
    old = tmp_path / "REFUGE2/Train/REFUGE1-val"
    workbook(old / "Fovea_locations.xlsx", {"S": [["ImgName", "Glaucoma Label"], ["V0001.jpg", 0]]})
    put(old / "REFUGE-Validation400/V0001.jpg")
    put(tmp_path / "REFUGE2/Validation/glaucoma.csv", "FileName,Glaucoma Risk\nV0001.jpg,1\nV0002.jpg,\n")
    put(tmp_path / "REFUGE2/Validation/Images/V0001.jpg")
    put(tmp_path / "REFUGE2/Test/Images/T0001.jpg")
    put(tmp_path / "REFUGE2/Train/REFUGE1-train/Training400/Glaucoma/g0007.jpg")
    records, rejected = split(list(refuge2.read(tmp_path)))
    assert [(words([r])[0], r.same_as, r.official_split) for r in records] == [
        (["g"], (("refuge", "g0007.jpg"),), "train"),
        (["Glaucoma Label=0"], (("refuge", "V0001.jpg"),), "train"),
        (["Glaucoma Risk=1"], (), "val"),
    ]
    assert [item.reason for item in rejected] == ["no_label", "unlisted"]


def test_airogs_finds_pictures_in_any_folder(tmp_path):
    put(tmp_path / "train_labels.csv", "challenge_id,class\nTRAIN000000,NRG\nTRAIN000001,RG\nTRAIN000002,\n,RG\n")
    put(tmp_path / "5/TRAIN000001.JPG")
    put(tmp_path / "5/TRAIN000009.jpg")
    records, rejected = split(list(airogs.read(tmp_path)))
    assert [record.image for record in records] == ["0/TRAIN000000.jpg", "5/TRAIN000001.JPG"]
    assert [item.reason for item in rejected] == ["no_label", "bad_row", "unlisted"]


def test_justraigs_counts_the_reasons_of_those_graders_who_called_the_eye_referable(tmp_path):
    marks = [f"G{grader} {feature}" for grader in (1, 2, 3) for feature in justraigs.FEATURES]
    header = ["Eye ID", "Final Label", "Fundus", "Label G1", "Label G2", "Label G3", *marks]

    def row(name, final, labels, **seen):
        return [name, final, "", *labels, *("1" if mark in seen.get("seen", ()) else "0" for mark in marks)]

    rows = [
        row("TRAIN000000", "RG", ["RG", "NRG", "RG"], seen=("G1 LC", "G2 LC", "G3 LC", "G1 DH", "G2 NVT")),
        row("TRAIN000001", "NRG", ["RG", "NRG", "NRG"], seen=("G1 LC",)),
        row("TRAIN000002", "", ["", "", ""]),
    ]
    put(tmp_path / "JustRAIGS_Train_labels.csv", "\r\n".join(";".join(line) for line in [header, *rows]))
    records, rejected = split(list(justraigs.read(tmp_path)))
    assert words(records) == [["RG"], ["NRG"]] and [item.reason for item in rejected] == ["bad_row"]
    assert records[0].votes["LC"] == (2, 2) and records[0].votes["DH"] == (1, 2) and records[0].votes["NVT"] == (0, 2)
    assert not records[1].votes
    closed = said("justraigs", records[0])
    assert "fundus.odc" in closed.present and "fundus.hem_disc" in closed.uncertain
    put(tmp_path / "JustRAIGS_Train_labels.csv", ",".join(header))
    with pytest.raises(UsageError, match="separated by ','"):
        list(justraigs.read(tmp_path))


def test_g1020_and_origa(tmp_path):
    put(tmp_path / "G1020.csv", "imageID,binaryLabels\nimage_0.jpg,0\nimage_3.jpg,1.0\n")
    put(tmp_path / "Images/image_0.jpg")
    assert words(split(list(g1020.read(tmp_path)))[0]) == [["binaryLabels=0"], ["binaryLabels=1"]]
    put(tmp_path / "OrigaList.csv", "Eye,Filename,ExpCDR,Set,Glaucoma\nOD,001.jpg,0.7097,A,0\nOS,002.jpg,,B,1\n")
    records, _ = split(list(origa.read(tmp_path)))
    assert [(r.laterality, r.official_split, dict(r.attrs)) for r in records] == [
        ("right", "train", {"cup_to_disc": 0.7097}),
        ("left", "test", {}),
    ]


@pytest.mark.parametrize("kind", ["papers", "merged"])
def test_papila_has_three_header_rows(tmp_path, kind):
    top = [None, "Age", "Gender", "Diagnosis", "Refractive_Defect", "VF_MD"]
    names = [None, "Age", "Gender", "Diagnosis", "dioptre_1", "VF_MD"]
    rest = [["ID", *[None] * 5], names] if kind == "papers" else [names, ["ID", *[None] * 5]]
    right = [["#002", 47, 0, 2, 0.75, -0.07], ["#004", 58, 1, 1, 1, None], ["total", 2, None, 1, None, None]]
    workbook(tmp_path / "ClinicalData/patient_data_od.xlsx", {"A": [top, *rest, *right]})
    workbook(tmp_path / "ClinicalData/patient_data_os.xlsx", {"A": [top, *rest, ["#002", 47, 0, 0, 0, None]]})
    put(tmp_path / "FundusImages/RET002OS.jpg")
    put(tmp_path / "FundusImages/RET300OS.jpg")
    records, rejected = split(list(papila.read(tmp_path)))
    assert [(r.image, r.patient, r.laterality, r.age, r.sex, words([r])[0][0]) for r in records] == [
        ("FundusImages/RET002OD.jpg", "002", "right", 47, "M", "Diagnosis=2"),
        ("FundusImages/RET004OD.jpg", "004", "right", 58, "F", "Diagnosis=1"),
        ("FundusImages/RET002OS.jpg", "002", "left", 47, "M", "Diagnosis=0"),
    ]
    assert records[0].attrs == {"visual_field_mean_deviation_db": -0.07} and not records[1].attrs
    assert faults(rejected) == [
        ("", "quarantined", "bad_row"),
        ("FundusImages/RET300OS.jpg", "excluded", "unlisted"),
    ]


def test_rim_one_reads_one_of_two_partitions_with_the_same_pictures(tmp_path):
    for home, part in (("by_hospital", "test_set"), ("randomly", "training_set")):
        put(tmp_path / f"RIM-ONE_DL_images/partitioned_{home}/{part}/normal/r1_Im001.png")
    records, rejected = split(list(rim_one_dl.read(tmp_path)))
    assert [(record.official_split, record.attrs["field"]) for record in records] == [("test", "optic disc")]
    assert "by_hospital" in records[0].image and not rejected
    (tmp_path / "RIM-ONE_DL_images/partitioned_by_hospital/test_set/normal/r1_Im001.png").unlink()
    assert [r.official_split for r in split(list(rim_one_dl.read(tmp_path)))[0]] == ["train"]
    with pytest.raises(UsageError, match="partitioned_by_hospital"):
        list(rim_one_dl.read(tmp_path / "RIM-ONE_DL_images/partitioned_by_hospital/test_set"))


def test_drishti_strips_the_apostrophe_and_passes_over_the_lines_around_the_header(tmp_path):
    rows = [["Drishti-GS1"], [None], ["a note"], ["Patient ID", "Drishti-GS File", "Marking 1", "Total"]]
    rows += [[None, None, "Expert 1", None], [7, "drishtiGS_001'", "N", "Normal"], [7, "drishtiGS_002'", "G", None]]
    workbook(tmp_path / "Drishti-GS1_diagnosis.xlsx", {"Sheet1": rows})
    put(tmp_path / "Drishti-GS1_files/Test/Images/drishtiGS_001.png")
    records, rejected = split(list(drishti_gs.read(tmp_path)))
    assert [(r.patient, r.official_split, words([r])[0]) for r in records] == [("7", "test", ["Total=Normal"])]
    assert faults(rejected) == [("", "excluded", "no_label")]


def test_chaksu_spellings_cases_and_votes(tmp_path):
    header = "\ufeffImages,Expert.1,Expert.2,Expert.3,Expert.4,Expert.5,Majority Decision\n"
    rows = [
        "Image101.jpg-Image101-1.jpg,NORMAL,NORMAL,GLAUCOMA  SUSUPECT,NORMAL,Glaucoma Suspect,NORMAL",
        "IMAGE102.jpg,NORMAL,NORMAL,NORMAL,NORMAL,NORMAL,NORMAL",
        "image103.jpg,NORMAL,maybe,NORMAL,NORMAL,NORMAL,NORMAL",
    ]
    name = "6.0_Glaucoma_Decision/Glaucoma_Decision_Comparison_{}_majority.csv"
    put(tmp_path / "Train" / name.format("Bosch"), header + "\n".join(rows))
    put(tmp_path / "Test" / name.format("Remedio"), "Images,Glaucoma Decision\nA1.jpg,GLAUCOMA SUSPECT\nA2.jpg,\n")
    for path in (
        "Train/1.0_Original_Fundus_Images/Bosch/image101.JPG",
        "Test/1.0_Original_Fundus_Images/Remidio/A1.png",
    ):
        put(tmp_path / path)
    put(tmp_path / "Train/1.0_Original_Fundus_Images/Forus/image101.png")  # another camera's picture of that name
    records, rejected = split(list(chaksu.read(tmp_path)))
    found = {record.image.rpartition("/")[2]: record for record in records}
    assert set(found) == {"image101.JPG", "IMAGE102.jpg", "A1.png"}
    assert found["image101.JPG"].votes == {"GLAUCOMA SUSPECT": (2, 5)} and not found["image101.JPG"].labels
    assert "fundus.glau_sus" in said("chaksu", found["image101.JPG"]).uncertain
    assert "fundus.no_glau" in said("chaksu", found["IMAGE102.jpg"]).present
    assert "fundus.glau_sus" in said("chaksu", found["A1.png"]).present and found["A1.png"].device == "Remidio"
    assert Counter(item.reason for item in rejected) == {"bad_row": 1, "no_label": 1, "unlisted": 1}


def test_lag_reads_pictures_and_no_attention_maps(tmp_path):
    for folder in ("image", "attention_map"):
        put(tmp_path / "suspicious_glaucoma" / folder / "0001.jpg")
    put(tmp_path / "image/0002.jpg")
    records, rejected = split(list(lag.read(tmp_path)))
    assert [record.image for record in records] == ["suspicious_glaucoma/image/0001.jpg"] and not rejected


def test_acrima_names(tmp_path):
    for name in ("Im001_ACRIMA.jpg", "Im400_g_ACRIMA.jpg", "g_note.jpg"):
        put(tmp_path / "Database/Images" / name)
    records, rejected = split(list(acrima.read(tmp_path)))
    assert words(records) == [["no _g_"], ["_g_"]] and [item.reason for item in rejected] == ["unlisted"]


def test_a_list_of_other_pictures_called_acrima_is_refused(tmp_path):
    folder = real("FLAIR-dataframes") / "local_data/dataframes/transferability/classification"
    with (folder / "36_ACRIMA.csv").open(newline="") as file:
        names = [row["image"].partition("/")[2] for row in csv.DictReader(file)]
    for name in names[:20]:
        put(tmp_path / name)
    with pytest.raises(UsageError, match="no picture named as in this source"):
        list(acrima.read(tmp_path))


def test_gamma_takes_the_photograph_and_counts_the_oct_slices(tmp_path):
    header = ["data", "non", "early", "mid_advanced"]
    rows = [header, [1, 1, 0, 0], [2, 0, 1, 1], [3, 0, 0, None]]
    workbook(tmp_path / "glaucoma_grading_training_GT.xlsx", {"Sheet1": rows})
    for name in ("0001/0001.jpg", "0001/0001/0_image.jpg", "0001/0001/1_image.jpg"):
        put(tmp_path / "multi-modality_images" / name)
    records, rejected = split(list(gamma.read(tmp_path)))
    assert [record.image for record in records] == ["multi-modality_images/0001/0001.jpg"]
    assert Counter(item.reason for item in rejected) == {"bad_row": 2, "not_fundus": 2}


def test_hygd_and_grape(tmp_path):
    put(tmp_path / "Labels.csv", "Image Name,Patient,Label,Quality Score\n0_0.jpg,0,GON+,5.25\n7_1.jpg,7,GON-,\n")
    records, _ = split(list(hygd.read(tmp_path)))
    assert [(r.patient, dict(r.attrs)) for r in records] == [("0", {"quality_score": 5.25}), ("7", {})]
    first = ["Subject Number", "Laterality", "Age", "Gender", "IOP", "Category of Glaucoma", "Corresponding CFP"]
    base = [first, [None] * 7, [1, "OD", 50, "F", 15.5, "OAG", "1_OD_1.jpg"], [1, "OS", 50, "F", 14, "ACG", "/"]]
    later = [["Subject Number", "Laterality", "Visit Number", "Corresponding CFP"], [None] * 4]
    later += [[1, "OS", 1, "1_OS_2.jpg"], [9, "OD", 1, "9_OD_2.jpg"]]
    workbook(tmp_path / "VF and clinical information.xlsx", {"Baseline": base, "Follow-up": later})
    records, rejected = split(list(grape.read(tmp_path)))
    assert [(r.patient, r.laterality, r.age, r.sex, words([r])[0][0]) for r in records] == [
        ("1", "right", 50, "F", "Category of Glaucoma=OAG"),
        ("1", "left", None, "F", "Category of Glaucoma=ACG"),
    ]
    assert [item.reason for item in rejected] == ["no_image", "bad_row"]


def test_smdg_names_the_pictures_of_its_parents(tmp_path):
    header = "names,types,type_expanded,isColor,original_name,patient_id,sex,age,eye,vcdr,cdr_avg\n"
    rows = [
        "OIA-ODIR-TRAIN-1,0,,1,10_left.jpg,,F,60,OS,,",
        "PAPILA-7,-1,Glaucoma Suspect,1,7,PAPILA-7,,61,OD,,",
        "JSIEC-1000-3,0,,1,Normal-1ffa9627-8d87..JPG,,,,,,",
        "EyePACS-Glaucoma-2,1,Referable Glaucoma,1,TRAIN019758.jpg,,,,,,",
        "CRFO-v4-74,0,,1,Healthy-P_7-Left Eye,,,,OS,,",
        "DRISHTI-GS1-test-1,1,Unknown Glaucoma,1,drishtiGS_001.png,,,,,,0.8225",
        "BEH-9,1,,0,gray9.png,,,,,,",
    ]
    put(tmp_path / "metadata - standardized.csv", header + "\n".join(rows))
    records, rejected = split(list(smdg19.read(tmp_path)))
    assert [record.same_as for record in records] == [
        (("odir5k", "10_left.jpg"),),
        (("papila", "RET007OD.jpg"),),
        (("jsiec", "1ffa9627-8d87..JPG"),),
        (("airogs", "TRAIN019758.jpg"),),
        (),
        (("drishti_gs", "drishtiGS_001.png"),),
    ]
    assert records[5].attrs == {"cup_to_disc": 0.8225} and words(records)[3] == ["Referable Glaucoma"]
    assert [item.reason for item in rejected] == ["not_fundus"]
