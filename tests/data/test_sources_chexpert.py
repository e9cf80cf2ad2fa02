"""CheXpert and the sets that share its 14 observations: blanks, parents, paths, reports and outlines."""

import gzip
import json
from collections import Counter

import numpy as np
import pytest

from mgll_data import hierarchy
from mgll_data.errors import SampleError
from mgll_data.harmonise import load_labels
from mgll_data.phantoms.layouts.chexlocalize import packed
from mgll_data.recipe import VOCAB
from mgll_data.schema import State
from mgll_data.sources import brax, chexlocalize, chexpert, chexpert_plus, mimic_cxr_jpg
from mgll_data.sources.chexpert import OBSERVATIONS
from tests.data.source_files import put, split

HEADER = "Path,Sex,Age,Frontal/Lateral,AP/PA," + ",".join(OBSERVATIONS)


def cells(**states):
    return ",".join(states.get(name.replace(" ", "_"), "") for name in OBSERVATIONS)


def closed(source, record):
    loaded = hierarchy.load(VOCAB / "cxr")
    _, result, unmapped = load_labels(VOCAB / "cxr", [source.CARD], loaded)[source.CARD.name].apply(
        record.labels, loaded
    )
    assert not unmapped
    return result, loaded.ontology.expand_absent(result.absent, result.present, result.uncertain)


def chexpert_set(root, rows, name="CheXpert-v1.0-small/train.csv"):
    put(root / name, "\n".join([HEADER, *rows]) + "\n")


def row(path, states, facts="Male,60,Frontal,AP"):
    return f"CheXpert-v1.0-small/{path}.jpg,{facts},{states}"


FILM = "train/patient00001/study1/view1_frontal"


def read_one(root, states):
    chexpert_set(root, [row(FILM, states)])
    (record,), _ = split(list(chexpert.read(root)))
    return record


def test_a_blank_is_neither_absent_nor_uncertain(tmp_path):
    record = read_one(tmp_path, cells(Edema="1.0", Pneumothorax="0.0", Atelectasis="-1.0"))
    assert record.labels == {
        "Edema": State.PRESENT,
        "Pneumothorax": State.ABSENT,
        "Atelectasis": State.UNCERTAIN,
    }
    result, absent = closed(chexpert, record)
    assert {"cxr.edema", "cxr.lung_opacity", "cxr.lung", "cxr.abnormal"} <= result.present
    assert "cxr.atelectasis" in result.uncertain
    assert "cxr.pneumothorax" in absent
    assert not absent & {"cxr.cardiomegaly", "cxr.effusion", "cxr.consolidation", "cxr.fracture", "cxr.device"}


def test_no_finding_denies_nothing_that_has_no_mention(tmp_path):
    result, absent = closed(chexpert, read_one(tmp_path, cells(No_Finding="1.0")))
    assert result.present == {"cxr.normal"} and not absent


@pytest.mark.parametrize(
    ("parent", "children"),
    [
        ("Lung_Opacity", {"cxr.edema", "cxr.consolidation", "cxr.pneumonia", "cxr.atelectasis", "cxr.nodule"}),
        ("Enlarged_Cardiomediastinum", {"cxr.cardiomegaly"}),
        ("Pleural_Other", {"cxr.effusion", "cxr.pneumothorax"}),
    ],
)
def test_a_parent_at_zero_leaves_the_children_open(tmp_path, parent, children):
    _, absent = closed(chexpert, read_one(tmp_path, cells(**{parent: "0.0"})))
    assert not absent & children


def test_parents_are_closed_and_contradictions_are_listed(tmp_path):
    record = read_one(tmp_path, cells(Cardiomegaly="1.0", Lung_Opacity="0.0", Lung_Lesion="1.0"))
    result, _ = closed(chexpert, record)
    assert {"cxr.cardiomegaly", "cxr.mediastinum", "cxr.lung_lesion", "cxr.lung_opacity"} <= result.present
    assert record.conflicts == ("Lung Opacity=0 beside Lung Lesion=1",)


def test_view_age_patient_study_and_split(tmp_path):
    chexpert_set(
        tmp_path,
        [
            row(FILM, cells(Edema="1.0"), "Female,68,Frontal,PA"),
            row("train/patient00001/study2/view2_lateral", cells(Edema="1.0"), "Male,0,Lateral,"),
            row("train/patient00002/study1/view1_frontal", cells(Edema="1.0"), "Unknown,90,Frontal,LL"),
            row("train/patient00003/study1/view1_frontal", cells()),
            row("../train/patient00003/study1/view1_frontal", cells(Edema="1.0")),
            row("train/patient00004/study1/view1_frontal", cells(Edema="2.0")),
            row(FILM, cells(Edema="1.0")),
        ],
    )
    chexpert_set(tmp_path, [row("valid/patient64541/study1/view1_frontal", cells(Edema="0.0"))], "valid.csv")
    records, rejected = split(list(chexpert.read(tmp_path)))
    assert [(r.view, r.age, r.sex, r.patient, r.study, r.official_split) for r in records] == [
        ("pa", 68, "F", "patient00001", "study1", "train"),
        ("lateral", None, "M", "patient00001", "study2", "train"),
        (None, 90, None, "patient00002", "study1", "train"),
        ("ap", 60, "M", "patient64541", "study1", "val"),
    ]
    assert Counter((item.outcome, item.reason) for item in rejected) == {
        ("excluded", "no_label"): 1,
        ("quarantined", "path_escape"): 1,
        ("quarantined", "bad_row"): 2,
    }


def test_films_of_the_four_batches_are_found_and_keep_their_published_name(tmp_path):
    put(tmp_path / "CheXpert-v1.0 batch 2 (train 1)/patient00001/study1/view1_frontal.jpg")
    home = "CheXpert-v1.0 batch 1 (validate & csv)"
    put(tmp_path / home / "valid/patient64541/study1/view1_frontal.jpg")
    put(tmp_path / home / "valid/patient64542/study1/view1_frontal.jpg")
    chexpert_set(tmp_path, [row(FILM, cells(Edema="1.0"))], f"{home}/train.csv")
    chexpert_set(tmp_path, [row("valid/patient64541/study1/view1_frontal", cells(Edema="1.0"))], f"{home}/valid.csv")
    records, rejected = split(list(chexpert.read(tmp_path)))
    assert [record.image.partition("/")[0] for record in records] == ["CheXpert-v1.0 batch 2 (train 1)", home]
    assert records[0].same_as == (("chexpert", f"{FILM}.jpg"),) and not records[1].same_as
    assert [item.reason for item in rejected] == ["unlisted"]


def test_a_row_per_study_labels_each_of_its_films(tmp_path):
    chexpert_set(tmp_path, [row(FILM, cells(Edema="1.0"))])
    columns = sorted(OBSERVATIONS)
    ones = ",".join(str(int(column == "Edema")) for column in columns)
    lines = [f"CheXpert-v1.0/test/patient{number}/study1,{ones}" for number in (64741, 64742)]
    put(tmp_path / "groundtruth.csv", "\n".join([",".join(["Study", *columns]), *lines]))
    for view in ("view1_frontal", "view2_lateral"):
        put(tmp_path / f"CheXpert-v1.0-small/test/patient64741/study1/{view}.jpg")
    records, rejected = split(list(chexpert.read(tmp_path)))
    test = [record for record in records if record.official_split == "test"]
    assert [record.view for record in test] == [None, "lateral"]
    assert all(record.labels["Edema"] is State.PRESENT and len(record.labels) == 14 for record in test)
    assert [(item.origin, item.reason) for item in rejected] == [("groundtruth.csv:3", "no_image")]


PLUS = (
    "path_to_image,ap_pa,deid_patient_id,age,sex,split,report,section_findings,section_impression,"
    "section_accession_number"
)


def test_chexpert_plus_takes_sections_and_png_names(tmp_path):
    films = [f"train/patient00001/study{number}/view1_frontal.jpg" for number in (1, 2, 3)]
    rest = "patient00001,60,Male,train"
    put(
        tmp_path / "df_chexpert_plus_240401.csv",
        f"{PLUS}\n{films[0]},AP,{rest},whole,,Clear lungs.,A-1\n{films[1]},PA,{rest},The whole report.,,,A-1\n"
        f"{films[2]},PA,{rest},,,,A-1\n",
    )
    put(tmp_path / f"PNG/PNG/{films[0].replace('.jpg', '.png')}")
    lines = [json.dumps({"path_to_image": films[0], "Edema": -1.0, "Fracture": 0.0, "Pneumonia": None}), "[]"]
    put(tmp_path / "chexbert_labels/report_fixed.json", "\n".join(lines))
    records, rejected = split(list(chexpert_plus.read(tmp_path)))
    assert [record.report for record in records] == [{"impression": "Clear lungs."}, {"text": "The whole report."}]
    assert records[0].image.endswith("PNG/train/patient00001/study1/view1_frontal.png")
    assert records[0].labels == {"Edema": State.UNCERTAIN, "Fracture": State.ABSENT}
    assert records[0].same_as == (("chexpert", films[0]),)
    assert [(item.origin, item.reason) for item in rejected] == [
        ("report_fixed.json:2", "bad_row"),
        ("df_chexpert_plus_240401.csv:4", "no_label"),
    ]


def test_chexlocalize_reads_outlines_and_the_renamed_folder(tmp_path):
    mask = np.zeros((40, 30), np.uint8)
    mask[5:15, 3:9] = mask[30:38, 20:29] = 1
    put(tmp_path / "CheXpert/val/patient64541/study1/view1_frontal.jpg")
    path = "CheXpert-v1.0/valid/patient64541/study1/view1_frontal.jpg"
    zeros = {name.replace(" ", "_"): "0.0" for name in OBSERVATIONS}
    line = cells(**(zeros | {"Lung_Opacity": "1.0"}))
    put(tmp_path / "CheXpert/val_labels.csv", f"{HEADER}\n{path},Male,60,Frontal,AP,{line}\n")
    masks = {
        "Airspace Opacity": {"size": [40, 30], "counts": packed(mask)},
        "Edema": {"size": [40, 30], "counts": packed(mask * 0)},
        "Fracture": {"size": [40, 30], "counts": packed(mask)},
        "Cardiomegaly": {"size": [40, 31], "counts": packed(mask)},
    }
    content = {"patient64541_study1_view1_frontal": masks, "patient64542_study1_view1_frontal": {}}
    put(tmp_path / "CheXlocalize/gt_segmentations_val.json", json.dumps(content))
    (record,), rejected = split(list(chexlocalize.read(tmp_path)))
    assert record.image == "CheXpert/val/patient64541/study1/view1_frontal.jpg"
    assert record.same_as == (("chexpert", "valid/patient64541/study1/view1_frontal.jpg"),)
    airspace = [region.box for region in record.regions if region.label == "Airspace Opacity"]
    assert airspace == [(20, 30, 29, 38), (3, 5, 9, 15)]
    assert "Airspace Opacity" not in record.labels and record.labels["Edema"] is State.ABSENT
    assert record.conflicts == ("Fracture is outlined and 0 in the table",)
    assert Counter(item.reason for item in rejected) == {"bad_row": 1, "no_label": 1}


def test_run_lengths_come_back_as_they_were_packed():
    rng = np.random.default_rng(5)
    for _ in range(40):
        mask = np.zeros(tuple(rng.integers(1, 90, 2)), np.uint8)
        y0, x0 = (int(rng.integers(side)) for side in mask.shape)
        y1, x1 = (int(rng.integers(low, side)) + 1 for low, side in zip((y0, x0), mask.shape, strict=True))
        mask[y0:y1, x0:x1] = 1
        assert chexlocalize.rle_boxes({"size": list(mask.shape), "counts": packed(mask)}) == [(x0, y0, x1, y1)]
        assert chexlocalize.rle_boxes({"size": list(mask.shape), "counts": packed(mask * 0)}) == []
    for broken in ({}, {"size": [4, 4], "counts": "x"}, {"size": [4, 4], "counts": [3, 14, -1]}, None):
        with pytest.raises(SampleError):
            chexlocalize.rle_boxes(broken)


META = (
    "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,StudyDate,ViewCodeSequence_CodeMeaning"
)


def test_mimic_spreads_labels_and_the_report_over_the_films_of_a_study(tmp_path):
    lines = [
        "a1,10000032,50414267,CHEST (PA AND LAT),PA,21800506,postero-anterior",
        "a2,10000032,50414267,CHEST (PA AND LAT),LATERAL,21800506,lateral",
        "b1,10000032,53189527,CHEST (PA AND LAT),AP,21800626,antero-posterior",
        "c1,10000764,57375967,CHEST (PORTABLE AP),,21800506,antero-posterior",
        "d1,10000898,50771383,,,21800506,",
    ]
    put(tmp_path / "mimic-cxr-2.0.0-metadata.csv.gz", gzip.compress("\n".join([META, *lines]).encode()))
    order = sorted(OBSERVATIONS)
    states = ",".join("1.0" if name == "Edema" else "" for name in order)
    studies = [f"10000032,50414267,{states}", f"10000032,53189527,{states}", f"10000764,57375967,{states}"]
    put(tmp_path / "mimic-cxr-2.0.0-negbio.csv", "\n".join([",".join(["subject_id", "study_id", *order]), *studies]))
    put(tmp_path / "mimic-cxr-2.0.0-split.csv", "dicom_id,study_id,subject_id,split\na1,1,1,validate\na2,1,1,dev\n")
    put(tmp_path / "mimic-cxr-reports/files/p10/p10000032/s50414267.txt", " FINDINGS: \n Edema in ___.\n")
    records, rejected = split(list(mimic_cxr_jpg.read(tmp_path)))
    assert [record.image for record in records][:2] == [
        f"files/p10/p10000032/s50414267/{name}.jpg" for name in ("a1", "a2")
    ]
    assert [record.report for record in records] == [{"text": "FINDINGS: \n Edema in ___."}] * 2 + [{}] * 2
    assert all(record.labels == {"Edema": State.PRESENT} for record in records)
    # AP by its header in a study of PA and lateral films: one of the two is wrong.
    assert [record.view for record in records] == ["pa", "lateral", None, "ap"]
    assert [record.official_split for record in records] == ["val", None, None, None]
    assert Counter((item.outcome, item.reason) for item in rejected) == {
        ("quarantined", "bad_row"): 1,
        ("excluded", "no_label"): 1,
    }
    assert not any("2180" in str(record.captions) for record in records)


def test_brax_keeps_the_labels_of_each_film_and_leaves_strips_out(tmp_path):
    header = (
        "DicomPath,PngPath,PatientID,PatientSex,PatientAge,AccessionNumber,StudyDate,"
        + ",".join(OBSERVATIONS)
        + ",ViewPosition,Rows,Columns,Manufacturer"
    )
    names = [f"images/id_1/Study_1/Series_{number}/image-{number}.png" for number in range(3)]
    lines = [
        f"x,{names[0]},id_1,F,55,A1,20100101,{cells(Edema='1')},L,2800,2300,M",
        f"x,{names[1]},id_1,F,85 or more,A1,20100101,{cells(Fracture='-1')},,2800,2300,M",
        f"x,{names[2]},id_1,F,55,A1,20100101,{cells(Edema='1')},PA,100,2300,M",
    ]
    put(tmp_path / "master_spreadsheet_update.csv", "\n".join([header, *lines]))
    for name in names:
        put(tmp_path / name)
    records, rejected = split(list(brax.read(tmp_path)))
    assert [(r.labels, r.view, r.age, r.study) for r in records] == [
        ({"Edema": State.PRESENT}, "lateral", 55, "A1"),
        ({"Fracture": State.UNCERTAIN}, None, None, "A1"),
    ]
    assert [(item.outcome, item.reason) for item in rejected] == [("excluded", "not_chest")]
