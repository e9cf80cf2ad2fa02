"""Sets of lesions: masks that exist but are blank, masks that are missing, four readers, files that must stay shut."""

import cv2
import numpy as np
import pytest

from mgll_data.errors import UsageError
from mgll_data.schema import State
from mgll_data.sources import (
    ddr_segmentation,
    diaretdb0,
    diaretdb1,
    dr1_dr2,
    e_ophtha,
    fgadr,
    hei_med,
    idrid_segmentation,
    retinal_lesions,
    roc,
)
from tests.data.fundus_labels import said
from tests.data.source_files import put, split

PRESENT, ABSENT = State.PRESENT, State.ABSENT


def mask(path, value=255, *, blank=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((30, 40), np.uint8)
    if not blank:
        pixels[10:14, 20:26] = value
    assert cv2.imwrite(str(path), pixels)


def photograph(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((30, 40, 3), 90, np.uint8))


def reasons(rejected):
    return [(item.outcome, item.reason) for item in rejected]


def test_ddr_blank_masks_are_no_findings(tmp_path):
    top = tmp_path / "lesion_segmentation"
    for name in ("a", "b"):
        photograph(top / f"train/image/{name}.jpg")
        for lesion in ("EX", "HE", "MA", "SE"):
            mask(top / f"train/label/{lesion}/{name}.tif", blank=(name, lesion) != ("a", "HE"))
    photograph(top / "valid/image/a.jpg")  # the same name in another set, where the folder is called differently
    mask(top / "valid/segmentation label/MA/a.tif")
    records, rejected = split(list(ddr_segmentation.read(tmp_path)))
    assert [(r.official_split, dict(r.labels), r.same_as) for r in records] == [
        ("train", {"HE": PRESENT}, (("ddr", "a.jpg"),)),
        ("val", {"MA": PRESENT}, (("ddr", "a.jpg"),)),
    ]
    assert [region.box for region in records[0].regions] == [(20.0, 10.0, 26.0, 14.0)]
    assert reasons(rejected) == [("excluded", "no_label")]
    closed = said("ddr_segmentation", records[0])
    assert "fundus.hem" in closed.present and not {"fundus.ex", "fundus.ma", "fundus.cws"} & closed.absent


@pytest.mark.parametrize("top", ["A. Segmentation", "A.%20Segmentation", "."])
def test_idrid_a_missing_mask_is_an_absent_lesion_where_the_set_has_masks_of_it(tmp_path, top):
    images, masks = tmp_path / top / "1. Original Images", tmp_path / top / "2. All Segmentation Groundtruths"
    for name in ("a. Training Set/IDRiD_01", "a. Training Set/IDRiD_02", "b. Testing Set/IDRiD_55"):
        photograph(images / f"{name}.jpg")
    mask(masks / "a. Training Set/1. Microaneurysms/IDRiD_01_MA.tif")
    mask(masks / "a. Training Set/3. Hard Exudates/IDRiD_02_EX.tif")
    mask(masks / "a. Training Set/5. Optic Disc/IDRiD_01_OD.tif")
    mask(masks / "b. Testing Set/1. Microaneurysms/IDRiD_55_MA.tif", blank=True)
    records, rejected = split(list(idrid_segmentation.read(tmp_path)))
    assert not rejected
    assert [(r.official_split, dict(r.labels)) for r in records] == [
        ("train", {"Microaneurysms": PRESENT, "Hard Exudates": ABSENT}),
        ("train", {"Microaneurysms": ABSENT, "Hard Exudates": PRESENT}),
        ("test", {"Microaneurysms": ABSENT}),  # no word of lesions that this set has no folder for
    ]
    assert [len(r.regions) for r in records] == [1, 1, 0]


def test_fgadr_without_a_header_and_with_a_broken_mask(tmp_path):
    put(tmp_path / "Seg-set/DR_Seg_Grading_Label.csv", "0000_1.png,2\n0001_2.png,0\n0002_3.png\n")
    for name in ("0000_1", "0001_2"):
        photograph(tmp_path / f"Seg-set/Original_Images/{name}.png")
        mask(tmp_path / f"Seg-set/Hemohedge_Masks/{name}.png", blank=name == "0001_2")
    put(tmp_path / "Seg-set/IRMA_Masks/0000_1.png", b"broken")
    records, rejected = split(list(fgadr.read(tmp_path)))
    assert [dict(r.labels) for r in records] == [
        {"Hemohedge_Masks": PRESENT, "grade=2": PRESENT},
        {"grade=0": PRESENT},
    ]
    wanted = [("quarantined", "undecodable"), ("quarantined", "bad_row")]
    assert reasons(rejected) == wanted and rejected[0].image == "Seg-set/IRMA_Masks/0000_1.png"


def test_retinal_lesions_leaves_out_marks_against_the_guideline(tmp_path):
    top = tmp_path / "retinal-lesions-v20191227"
    for name in ("10_left", "10_right", "11_left"):
        photograph(top / f"images_896x896/{name}.jpg")
    mask(top / "lesion_segs_896x896/10_left/hard_exudate.png")
    mask(top / "lesion_segs_896x896/10_left/microaneurysm.png", value=127)
    mask(top / "lesion_segs_896x896/10_right/microaneurysm.png", value=127)
    records, rejected = split(list(retinal_lesions.read(tmp_path)))
    assert [(r.patient, r.laterality, r.same_as, dict(r.labels)) for r in records] == [
        ("10", "left", (("eyepacs", "10_left.jpeg"),), {"hard_exudate": PRESENT})
    ]
    assert reasons(rejected) == [("excluded", "no_label")] * 2


def test_e_ophtha_names_that_stand_in_both_parts_keep_their_own_masks(tmp_path):
    for part, word in (("e_optha_EX", "EX"), ("e_optha_MA", "MA")):
        photograph(tmp_path / f"{part}/{word}/E1/C0001.jpg")
        photograph(tmp_path / f"{part}/healthy/E2/C0002.jpg")
    mask(tmp_path / "e_optha_EX/Annotation_EX/E1/C0001_EX.png")
    mask(tmp_path / "e_optha_MA/Annotation_MA/E1/C0001.png", blank=True)
    records, rejected = split(list(e_ophtha.read(tmp_path)))
    assert not rejected
    assert [(r.image[:10], r.patient, *r.labels, len(r.regions)) for r in records] == [
        ("e_optha_EX", "E1", "EX", 1),
        ("e_optha_EX", "E2", "healthy", 0),
        ("e_optha_MA", "E1", "MA", 0),
        ("e_optha_MA", "E2", "healthy", 0),
    ]
    closed = said("e_ophtha", records[1])
    assert "fundus.normal" in closed.uncertain and "fundus.abnormal" not in closed.absent, "two lesions were sought"


def test_diaretdb1_counts_the_experts_who_saw_a_lesion(tmp_path):
    marks = {1: ["Hard_exudates", "Disc"], 2: ["Hard_exudates", "hard_exudates"], 3: ["IRMA"], 4: None}
    for expert, types in marks.items():
        inner = "".join(f"<marking><markingtype>{t}</markingtype></marking>" for t in types or ())
        text = f"<x><markinglist>{inner}</markinglist></x>" if types is not None else "<x>"
        put(tmp_path / f"ddb1_groundtruth/image001_{expert:02d}.xml", text)
    for name in ("ddb1_fundusimages/image001.png", "ddb1_fundusimages/image002.png"):
        put(tmp_path / name)
    (record,), rejected = split(list(diaretdb1.read(tmp_path)))
    assert dict(record.votes) == {
        "red small dots": (0, 3),
        "haemorrhages": (0, 3),
        "hard exudates": (2, 3),
        "soft exudates": (0, 3),
        "irma": (1, 3),
        "disc": (1, 3),
    }
    assert reasons(rejected) == [("quarantined", "bad_row"), ("excluded", "no_label")]
    closed = said("diaretdb1", record)
    assert "fundus.ex" in closed.present and "fundus.irma" in closed.uncertain and "fundus.cws" in closed.absent


def test_diaretdb0_places_of_the_words(tmp_path):
    put(tmp_path / "diaretdb0_groundtruths/image001.dot", "redsmalldots n/a n/a softexudates n/a\n")
    put(tmp_path / "diaretdb0_groundtruths/image002.dot", "hemorrhages redsmalldots n/a n/a n/a\n")
    put(tmp_path / "diaretdb0_fundus_images/image001.png")
    (record,), rejected = split(list(diaretdb0.read(tmp_path)))
    assert [state for state in record.labels.values()] == [PRESENT, ABSENT, ABSENT, PRESENT, ABSENT]
    assert reasons(rejected) == [("quarantined", "bad_row")]


def test_dr1_dr2_one_photograph_in_several_folders_is_one_record(tmp_path):
    for path in ("Red Lesions/a.jpg", "Hard Exudates/a.jpg", "Drusen/b.jpg", "Normal Images/c.jpg", "x/d.jpg"):
        put(tmp_path / path)
    records, rejected = split(list(dr1_dr2.read(tmp_path)))
    assert sorted((r.image, sorted(r.labels)) for r in records) == [
        ("Drusen/b.jpg", ["Drusen"]),
        ("Hard Exudates/a.jpg", ["Hard Exudates", "Red Lesions"]),
        ("Normal Images/c.jpg", ["Normal Images"]),
    ]
    assert sorted(item.image for item in rejected) == ["Red Lesions/a.jpg", "x/d.jpg"]


def test_roc_marks_are_boxes_and_test_pictures_have_none(tmp_path):
    page = '<annotations-per-image imagename="{}">{}</annotations-per-image>'
    ring = '<annotation><mark x="5" y="20"><radius>8</radius></mark></annotation>'
    bad = '<annotation><mark x="5"/></annotation>'
    pages = [page.format(f"image{n}_training.jpg", inner) for n, inner in enumerate((ring, "", bad))]
    put(tmp_path / "ROCtraining/annotations-consensus-ma-only.xml", f"<set>{''.join(pages)}</set>")
    for name in ("ROCtraining/image0_training.jpg", "ROCtest/image0_test.jpg"):
        put(tmp_path / name)
    records, rejected = split(list(roc.read(tmp_path)))
    assert [dict(r.labels) for r in records] == [{"microaneurysm": PRESENT}, {"microaneurysm": ABSENT}]
    assert [region.box for region in records[0].regions] == [(0.0, 12.0, 13.0, 28.0)]
    assert reasons(rejected) == [("quarantined", "bad_row"), ("excluded", "no_label")]
    put(tmp_path / "ROCtraining/annotations-consensus-ma-only.xml", '<!DOCTYPE x [<!ENTITY a "b">]><set>&a;</set>')
    with pytest.raises(UsageError, match="document type"):
        list(roc.read(tmp_path))


def test_hei_med_never_opens_the_files_with_birth_dates(tmp_path, monkeypatch):
    notes = "GNDVERSION2.0 (INCLUDES NOTES AT THE END OF THE FILE)\n2\nHardExudate type 1\nDrusen\n0\nSECRET NOTE\n"
    for number, text in (("1", notes), ("2", "0\n0\n"), ("3", "many\n"), ("4", None)):
        put(tmp_path / f"DMED/{number}.jpg")
        put(tmp_path / f"DMED/{number}.meta", "PatientDOB~01/02/1903")
        if text:
            put(tmp_path / f"DMED/{number}.GND", text)
    opened = []
    read_text = type(tmp_path).read_text
    monkeypatch.setattr(type(tmp_path), "read_text", lambda path, **o: opened.append(path.name) or read_text(path, **o))
    records, rejected = split(list(hei_med.read(tmp_path)))
    assert opened == ["1.GND", "2.GND", "3.GND"]
    assert [dict(r.labels) for r in records] == [{"Exudate": PRESENT, "other lesion": PRESENT}, {"Exudate": ABSENT}]
    assert "SECRET" not in repr(records)
    assert reasons(rejected) == [("quarantined", "bad_row"), ("excluded", "no_label")]
