"""Sets for tuberculosis and for the pneumonia of children: classes in names and folders, readings, COCO lists."""

import json
from collections import Counter

import pytest

from mgll_data import hierarchy
from mgll_data.errors import UsageError
from mgll_data.harmonise import load_labels
from mgll_data.recipe import VOCAB
from mgll_data.schema import State
from mgll_data.sources import covid19_radiography, montgomery, pneumonia_kermany, shenzhen, tbx11k
from tests.data.source_files import put, split

CXR = hierarchy.load(VOCAB / "cxr")


def closed(card, record):
    return load_labels(VOCAB / "cxr", [card], CXR)[card.name].apply(record.labels, CXR)[1]


def film(root, prefix, number, digit, text=None, encoding="utf-8"):
    folder = {"MCUCXR": "MontgomerySet", "CHNCXR": "ChinaSet_AllFiles"}[prefix]
    put(root / folder / "CXR_png" / f"{prefix}_{number:04d}_{digit}.png")
    if text is not None:
        put(root / folder / "ClinicalReadings" / f"{prefix}_{number:04d}_{digit}.txt", text.encode(encoding))


def test_montgomery_takes_class_from_the_name_and_sex_age_and_reading_from_the_text(tmp_path):
    film(tmp_path, "MCUCXR", 1, 0, "Patient's Sex: F \nPatient's Age: 027Y\nnormal\n")
    film(
        tmp_path,
        "MCUCXR",
        2,
        1,
        "Patient's Sex: M\nPatient's Age: 045Y\nInfiltrate RUL.\nOld scars, male breast shadow.\n",
    )
    film(tmp_path, "MCUCXR", 3, 1)
    film(tmp_path, "MCUCXR", 4, 1, "Patient's Sex: O\nPatient's Age: 010Y\nnormal.")
    put(tmp_path / "MontgomerySet/ManualMask/leftMask/MCUCXR_0001_0.png")
    put(tmp_path / "MontgomerySet/CXR_png/Thumbs.png")
    records, rejected = split(list(montgomery.read(tmp_path)))
    assert [(r.sex, r.age, r.view, r.patient) for r in records] == [
        ("F", 27, "pa", "MCUCXR_0001"),
        ("M", 45, "pa", "MCUCXR_0002"),
        (None, None, "pa", "MCUCXR_0003"),
    ]
    assert records[1].report == {"findings": "Infiltrate RUL. Old scars, male breast shadow."}
    assert not records[2].report
    assert "cxr.tuberculosis" in closed(montgomery.CARD, records[1]).present
    normal = closed(montgomery.CARD, records[0])
    assert "cxr.normal" in normal.present and "cxr.tuberculosis" in CXR.ontology.down(normal.absent)
    # A film of class 1 whose reading says normal, and a picture without a class.
    assert Counter((r.outcome, r.reason) for r in rejected) == {
        ("quarantined", "bad_row"): 1,
        ("excluded", "unlisted"): 1,
    }


@pytest.mark.parametrize(
    ("line", "sex", "age"),
    [
        ("male 45yrs", "M", 45),
        ("femal 32yrs", "F", 32),
        ("Female, 28yrs", "F", 28),
        ("female 64days", "F", 64 / 365.25),
        ("male 16month", "M", 16 / 12),
        ("male  5 years", "M", 5),
    ],
)
def test_shenzhen_reads_every_way_in_which_sex_and_age_are_written(tmp_path, line, sex, age):
    film(tmp_path, "CHNCXR", 327, 1, f"{line}\nPTB in the left upper field\xb0\n", encoding="latin-1")
    (record,) = split(list(shenzhen.read(tmp_path)))[0]
    assert record.sex == sex and record.age == pytest.approx(age)
    assert record.report["findings"].startswith("PTB")


def test_shenzhen_findings_join_the_class_and_a_row_without_its_film_is_counted(tmp_path):
    film(tmp_path, "CHNCXR", 327, 1)
    film(tmp_path, "CHNCXR", 1, 0)
    head = ",".join(["imagename", *shenzhen.FINDINGS])
    marked = ",".join(["CHNCXR_0327_1.png", "1", *["0"] * 17, "1"])
    missing = ",".join(["CHNCXR_0400_1.png", *["0"] * 19])
    put(tmp_path / "Annotations-2/Statistics_ShenzhenDataset_US.csv", f"{head}\n{marked}\n{missing}\n")
    records, rejected = split(list(shenzhen.read(tmp_path)))
    found = closed(shenzhen.CARD, records[1])
    assert {"cxr.effusion", "cxr.tuberculosis"} <= found.present
    assert "cxr.cavitation" in CXR.ontology.down(found.absent)
    assert records[0].labels == {"class=0": State.PRESENT}
    assert [r.reason for r in rejected] == ["bad_row"]


def tbx(root, images, boxes, name="TBX11K_train.json"):
    categories = [
        {"id": 1, "name": "ActiveTuberculosis"},
        {"id": 2, "name": "ObsoletePulmonaryTuberculosis"},
        {"id": 3, "name": "PulmonaryTuberculosis"},
    ]
    films = [{"id": number, "file_name": file} for number, file in enumerate(images)]
    found = [{"image_id": film, "category_id": category, "bbox": box} for film, category, box in boxes]
    content = {"images": films, "annotations": found, "categories": categories}
    put(root / "annotations/json" / name, json.dumps(content))


def test_tbx11k_tells_the_patients_diagnosis_from_what_a_radiologist_boxed(tmp_path):
    images = [
        "tb/tb1.png",
        "tb/tb2.png",
        "tb/tb1199.png",
        "sick/s1.png",
        "health/h1.png",
        "health/h2.png",
        "extra/p1.png",
    ]
    box = [10.5, 20, 30, 40]
    tbx(tmp_path, images, [(0, 1, box), (0, 1, [0, 0, 5, 0]), (1, 2, box), (5, 1, box), (0, 7, box)])
    for path in ("tb/tb1.png", "test/t1.png", "extra/da+db/train/p1.png"):
        put(tmp_path / "imgs" / path)
    records, rejected = split(list(tbx11k.read(tmp_path)))
    active, obsolete, unboxed, sick, health = (closed(tbx11k.CARD, record) for record in records)
    assert records[0].image == "imgs/tb/tb1.png" and records[0].regions[0].box == (10.5, 20, 40.5, 60)
    assert "cxr.tuberculosis" in active.present
    assert "cxr.tb.sequelae" in obsolete.present and "cxr.tuberculosis" in obsolete.uncertain
    assert "cxr.tuberculosis" in unboxed.uncertain and "cxr.tuberculosis_patient" in unboxed.present
    assert "cxr.abnormal" in sick.present and "cxr.tuberculosis" in CXR.ontology.down(sick.absent)
    assert "cxr.normal" in health.present
    # Two boxes that cannot be read, boxes on a healthy film, a film of no folder of the set; test/ and extra/.
    assert Counter(r.reason for r in rejected) == {"bad_row": 4, "unlisted": 2}
    assert all(r.image.startswith("imgs/") for r in rejected if r.reason == "unlisted")


def test_tbx11k_says_what_is_wrong_with_a_list_that_is_no_coco(tmp_path):
    put(tmp_path / "annotations/json/TBX11K_train.json", "[]")
    (tmp_path / "imgs").mkdir()
    with pytest.raises(UsageError, match=r"TBX11K_train\.json: no images"):
        list(tbx11k.read(tmp_path))


def test_kermany_reads_both_ways_of_naming_and_keeps_the_patients_of_its_parts_apart(tmp_path):
    for path in (
        "train/NORMAL/NORMAL-1003233-0001.jpeg",
        "train/PNEUMONIA/person1_bacteria_1.jpeg",
        "test/PNEUMONIA/person1_virus_6.jpeg",
        "test/NORMAL/NORMAL2-IM-1427-0001.jpeg",
        "train/NORMAL/BACTERIA-5-0001.jpeg",
        "train/readme.jpeg",
    ):
        put(tmp_path / "chest_xray" / path)
    records, rejected = split(list(pneumonia_kermany.read(tmp_path)))
    assert {r.image.rpartition("/")[2]: (next(iter(r.labels)), r.patient, r.official_split) for r in records} == {
        "NORMAL2-IM-1427-0001.jpeg": ("NORMAL", "test/NORMAL/1427", "test"),
        "person1_virus_6.jpeg": ("VIRUS", "test/PNEUMONIA/1", "test"),
        "NORMAL-1003233-0001.jpeg": ("NORMAL", "1003233", "train"),
        "person1_bacteria_1.jpeg": ("BACTERIA", "train/PNEUMONIA/1", "train"),
    }
    assert [r.reason for r in rejected] == ["unlisted", "unlisted"]  # a bacterial film among the normal ones, too


def test_radiography_reads_pictures_and_leaves_the_masks(tmp_path):
    for path in ("COVID/images/COVID-1.png", "COVID/masks/COVID-1.png", "Viral Pneumonia/images/Viral Pneumonia-1.png"):
        put(tmp_path / "COVID-19_Radiography_Dataset" / path)
    records, rejected = split(list(covid19_radiography.read(tmp_path)))
    assert [next(iter(r.labels)) for r in records] == ["COVID", "Viral Pneumonia"]
    assert not rejected
    assert "cxr.covid19" in closed(covid19_radiography.CARD, records[0]).uncertain
