"""Sets read by several people or outlined by them: votes, boxes, masks and the spellings of their tables."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgll_data import hierarchy
from mgll_data.errors import SampleError, UsageError
from mgll_data.harmonise import load_labels
from mgll_data.recipe import VOCAB
from mgll_data.schema import State
from mgll_data.sources import chestx_det, chestx_det10, siim_acr, vindr_cxr, vindr_pcxr
from mgll_data.votes import resolve
from tests.data.source_files import put, split

CXR = hierarchy.load(VOCAB / "cxr")


def closed(card, labels):
    return load_labels(VOCAB / "cxr", [card], CXR)[card.name].apply(labels, CXR)[1]


def kaggle(root, *rows):
    put(root / "train.csv", "\n".join(["image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max", *rows]) + "\n")


def test_kaggle_rows_become_votes_of_the_readers_who_saw_each_finding(tmp_path):
    kaggle(
        tmp_path,
        "aa,Cardiomegaly,3,R10,1,2,30,40",
        "aa,Cardiomegaly,3,R9,1,2,31,41",
        "aa,Pleural effusion,10,R9,5,6,7,8",
        "aa,Pleural effusion,10,R9,15,16,17,18",
        "aa,No finding,14,R8,,,,",
        "bb,No finding,14,R1,,,,",
        "bb,No finding,14,R2,,,,",
        "bb,No finding,14,R3,,,,",
        "cc,Mass,99,R3,9,9,9,12",
    )
    put(tmp_path / "train/aa.dicom")
    put(tmp_path / "test/zz.dicom")
    records, rejected = split(list(vindr_cxr.read(tmp_path)))
    first, second, third = records
    assert first.image == "train/aa.dicom" and second.image == "train/bb.dicom"
    assert not first.labels
    assert first.votes["Cardiomegaly"] == (2, 3)
    assert first.votes["Pleural effusion"] == (1, 3)  # two boxes of one reader are one vote
    assert first.votes["No finding"] == (1, 3)
    assert first.votes["Pneumothorax"] == (0, 3)
    assert len(first.regions) == 4
    assert set(second.votes.values()) == {(3, 3), (0, 3)}
    assert third.votes["Mass"] == (1, 1)  # a word of no list is kept, so that the build can call it unmapped
    assert [(r.reason, r.image) for r in rejected] == [("bad_row", ""), ("unlisted", "test/zz.dicom")]


@pytest.mark.parametrize(("policy", "present"), [("any", True), ("majority", True), ("all", False)])
def test_the_recipes_policy_decides_where_readers_disagree(tmp_path, policy, present):
    kaggle(tmp_path, *(f"aa,{word},0,{reader},1,2,3,4" for word, reader in (("ILD", "R1"), ("ILD", "R2"))))
    put(tmp_path / "train.csv", (tmp_path / "train.csv").read_text() + "aa,No finding,14,R3,,,,\n")
    (record,) = split(list(vindr_cxr.read(tmp_path)))[0]
    concepts = closed(vindr_cxr.CARD, resolve(record.votes, policy))
    assert ("cxr.interstitial" in concepts.present) is present
    assert "cxr.normal" not in concepts.present
    assert "cxr.pneumothorax" in CXR.ontology.down(concepts.absent)


def test_lung_opacity_is_what_no_other_word_fits_so_its_absence_denies_nothing():
    labels = {"Lung Opacity": State.ABSENT, "Consolidation": State.PRESENT, "Nodule/Mass": State.PRESENT}
    concepts = closed(vindr_cxr.CARD, labels)
    assert not concepts.conflicts
    assert {"cxr.lung_opacity", "cxr.consolidation", "cxr.lung_lesion"} <= concepts.present
    assert {"cxr.nodule", "cxr.mass.pulmonary"} <= concepts.uncertain


def physionet(root, train, test, boxes=(), test_boxes=()):
    folder = root / "annotations"
    put(folder / "image_labels_train.csv", "\n".join(["image_id,rad_id,ILD,Other diseases,No finding", *train]))
    put(folder / "image_labels_test.csv", "\n".join(["image_id,ILD,Other disease,No finding", *test]))
    head = "class_name,x_min,y_min,x_max,y_max"
    put(folder / "annotations_train.csv", "\n".join([f"image_id,rad_id,{head}", *boxes]))
    put(folder / "annotations_test.csv", "\n".join([f"image_id,{head}", *test_boxes]))


def test_physionet_train_has_votes_and_test_what_five_readers_agreed_on(tmp_path):
    physionet(
        tmp_path,
        ["a,R1,1,0,0", "a,R2,0.0,1.0,0", "a,R2,1,0,0", "a,R3,0,0,1", "b,R1,0,0,x"],
        ["t,0,1,0", "t,1,0,0"],
        ["a,R1,ILD,1,2,3,4", "a,R3,No finding,,,,", "q,R1,ILD,1,2,3,4"],
        ["t,Other disease,1,2,3,4"],
    )
    records, rejected = split(list(vindr_cxr.read(tmp_path)))
    train, test = records
    assert train.votes == {"ILD": (1, 3), "Other diseases": (1, 3), "No finding": (1, 3)}
    assert len(train.regions) == 1 and train.official_split == "train"
    assert test.labels == {"ILD": State.ABSENT, "Other disease": State.PRESENT, "No finding": State.ABSENT}
    assert not test.votes and test.official_split == "test" and test.image == "test/t.dicom"
    assert Counter(r.origin.partition(":")[0] for r in rejected) == {
        "image_labels_train.csv": 2,  # a reader's second row, a value that is no flag
        "annotations_train.csv": 1,  # a box on a film that no row of labels names
        "image_labels_test.csv": 1,
    }


def pediatric(root, labels, boxes):
    for part in ("train", "test"):
        rows = labels if part == "train" else []
        put(root / f"image_labels_{part}.csv", "\n".join(["image_id,rad_ID,No finding,Brocho-pneumonia,CPAM", *rows]))
        rows = boxes if part == "train" else []
        head = "image_id,rad_ID,class_name,x_min,y_min,x_max,y_max"
        put(root / f"annotations_{part}.csv", "\n".join([head, *rows]))


def test_children_misspelt_words_boxes_that_state_findings_and_silence_that_denies_them(tmp_path):
    pediatric(
        tmp_path,
        ["a,R1,0.0,1.0,0.0", "b,R2,1,0,0"],
        [
            "a,R1,Diffuse aveolar opacity,1,2,3,4",
            "a,R1,Pneumothorax,9,9,9,9",
            "b,R2,No finding,,,,",
            "z,R1,Edema,1,2,3,4",
        ],
    )
    records, rejected = split(list(vindr_pcxr.read(tmp_path)))
    first, second = records
    # A finding whose box cannot be read is still a finding: silence would have made it absent.
    assert first.labels["Pneumothorax"] is State.PRESENT and len(first.regions) == 1
    concepts = closed(vindr_pcxr.CARD, first.labels)
    assert {"cxr.pneumonia", "cxr.alveolar", "cxr.pneumothorax"} <= concepts.present
    denied = CXR.ontology.down(concepts.absent)
    assert "cxr.effusion" in denied and not {"cxr.pneumothorax", "cxr.pneumonia"} & denied
    assert "cxr.normal" in closed(vindr_pcxr.CARD, second.labels).present
    assert [r.reason for r in rejected] == ["bad_row", "bad_row"]
    (tmp_path / "annotations_train.csv").unlink()
    with pytest.raises(UsageError, match="annotations_train"):  # without it every finding would be absent
        list(vindr_pcxr.read(tmp_path))


def test_siim_takes_minus_one_with_and_without_a_space_and_several_masks_of_a_film(tmp_path):
    rows = [
        "1.2.3,-1",
        "1.2.4, -1",
        f"1.2.5,{3 * 1024 + 7} 5 {1024 - 5} 6",
        "1.2.5,0 1",
        "1.2.6,-1",
        "1.2.6,4 4",
        "1.2.7,4",
    ]
    put(tmp_path / "train-rle.csv", "\n".join(["ImageId, EncodedPixels", *rows]))
    put(tmp_path / "dicom-images-train/9.1/9.2/1.2.4.dcm")
    put(tmp_path / "dicom-images-test/8.1/8.2/1.2.9.dcm")
    records, rejected = split(list(siim_acr.read(tmp_path)))
    assert [r.image for r in records] == [
        "dicom-images-train/1.2.3.dcm",
        "dicom-images-train/9.1/9.2/1.2.4.dcm",
        "dicom-images-train/1.2.5.dcm",
    ]
    assert [r.labels["Pneumothorax"] for r in records] == [State.ABSENT, State.ABSENT, State.PRESENT]
    assert [region.box for region in records[2].regions] == [(3, 7, 5, 13), (0, 0, 1, 1)]
    assert Counter(r.reason for r in rejected) == {"bad_row": 3, "unlisted": 1}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60_000), st.integers(1, 3_000)), min_size=1, max_size=12))
def test_a_masks_box_is_that_of_its_pixels(pairs):
    pixels, end = np.zeros(1024 * 1024, bool), 0
    for gap, length in pairs:
        pixels[end + gap : end + gap + length] = True
        end += gap + length
    columns, rows = np.nonzero(pixels.reshape(1024, 1024))  # column-major: a row of this array is a column of the film
    text = " ".join(f"{gap} {length}" for gap, length in pairs)
    assert siim_acr.mask_box(text) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@pytest.mark.parametrize("text", ["", "1", "1 2 3", "a b", "1 0", f"{1024 * 1024} 1", "5 5 -3 2"])
def test_what_is_no_mask_is_a_bad_row(text):
    with pytest.raises(SampleError, match="mask"):
        siim_acr.mask_box(text)


@pytest.mark.parametrize(
    ("source", "name", "words"), [(chestx_det10, "train.json", 10), (chestx_det, "ChestX_Det_train.json", 13)]
)
def test_a_boxed_film_denies_what_nobody_boxed_and_names_nih_only_where_its_name_is_nihs(tmp_path, source, name, words):
    entries = [
        {"file_name": "36201.png", "syms": ["Mass", "Mass"], "boxes": [[1, 2, 3, 4], [5, 6, 7, 8]]},
        {"file_name": "00000042_006.png", "syms": [], "boxes": []},
        {"file_name": "3.png", "syms": ["Mass"], "boxes": []},
        {"file_name": "4.png"},
        {"file_name": "../../5.png", "syms": [], "boxes": []},
    ]
    put(tmp_path / name, json.dumps(entries))
    records, rejected = split(list(source.read(tmp_path)))
    assert [r.same_as for r in records] == [(), (("nih_cxr14", "00000042_006.png"),)]
    assert Counter(records[0].labels.values()) == {State.PRESENT: 1, State.ABSENT: words - 1}
    assert len(records[0].regions) == 2 and "cxr.normal" not in closed(source.CARD, records[1].labels).present
    assert [r.reason for r in rejected] == ["bad_row", "bad_row", "path_escape"]
