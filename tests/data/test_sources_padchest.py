"""PadChest: whole tokens through the tree, lists written three ways, places that leave no doubt."""

import csv
import io
from collections import Counter

import pytest

from mgll_data import hierarchy
from mgll_data.harmonise import load_labels
from mgll_data.phantoms.layouts.padchest import HEADER
from mgll_data.recipe import VOCAB
from mgll_data.schema import State
from mgll_data.sources import padchest
from mgll_data.sources.padchest_places import qualifiers
from tests.data.source_files import put, split

TABLE = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
FACTS = {
    "ImageDir": "0",
    "StudyDate_DICOM": "20140915",
    "StudyID": "s1",
    "PatientID": "p1",
    "PatientBirth": "1930.0",
    "PatientSex_DICOM": "F",
    "Projection": "PA",
    "Modality_DICOM": "CR",
    "Report": " sin hallazg\npatolog .",
    "MethodLabel": "Physician",
    "Labels": "['normal']",
    "LabelsLocalizationsBySentence": "[['normal']]",
    "labelCUIS": "[]",
}


def read(root, *rows):
    text = io.StringIO()
    names = HEADER.split(",")
    table = csv.DictWriter(text, names)
    table.writeheader()
    for number, row in enumerate(rows):
        table.writerow({"": number, "ImageID": f"{number}.png"} | FACTS | row)
    put(root / TABLE, text.getvalue())
    return split(list(padchest.read(root)))


@pytest.fixture(scope="module")
def close():
    loaded = hierarchy.load(VOCAB / "cxr")
    labels = load_labels(VOCAB / "cxr", [padchest.CARD], loaded)["padchest"]

    def closed(*words):
        _, result, unmapped = labels.apply(dict.fromkeys(words, State.PRESENT), loaded)
        assert not unmapped
        return result

    return closed


def test_tokens_are_stripped_and_empty_ones_dropped(tmp_path):
    records, rejected = read(
        tmp_path,
        {"Labels": "['nodule', ' unchanged', '', 'nodule']"},
        {"Labels": "nan"},
        {"Labels": "['']"},
        {"Labels": "['exclude']"},
        {"Labels": "['exclude', 'cardiomegaly']"},
        {"Labels": "nodule"},
    )
    assert [list(record.labels) for record in records] == [["nodule", "unchanged"], ["exclude", "cardiomegaly"]]
    assert Counter((item.outcome, item.reason) for item in rejected) == {
        ("excluded", "no_label"): 3,
        ("quarantined", "bad_row"): 1,
    }


@pytest.mark.parametrize(
    ("words", "present", "never"),
    [
        (["pseudonodule"], "cxr.pseudonodule", "cxr.nodule"),
        (["nipple shadow"], "cxr.pseudonodule", "cxr.abnormal"),
        (["tuberculosis sequelae"], "cxr.tb.sequelae", "cxr.tuberculosis"),
        (["callus rib fracture"], "cxr.fracture.rib_callus", "cxr.fracture.clavicle"),
        (["mediastinal mass"], "cxr.mass.mediastinal", "cxr.lung_lesion"),
        (["breast mass"], "cxr.mass.chestwall", "cxr.lung_lesion"),
        (["subcutaneous emphysema"], "cxr.subcut_emphysema", "cxr.emphysema"),
        (["pericardial effusion"], "cxr.pericardial_effusion", "cxr.effusion"),
        (["hydropneumothorax"], "cxr.effusion", "cxr.hemothorax"),
        (["calcified granuloma"], "cxr.granuloma", "cxr.nodule"),
        (["cardiomegaly"], "cxr.mediastinum", "cxr.mediastinal_widening"),
        (["mediastinal enlargement"], "cxr.mediastinal_widening", "cxr.cardiac"),
    ],
)
def test_a_word_inside_another_word_is_not_that_word(close, words, present, never):
    result = close(*words)
    assert present in result.present
    assert never not in result.present | result.uncertain


def test_venous_hypertension_is_not_arterial(close):
    found = close("pulmonary venous hypertension")
    assert "cxr.vascular" in found.present and {"cxr.congestion", "cxr.pulm_htn"} <= found.uncertain


def test_only_normal_denies_and_a_finding_outweighs_it(close):
    normal = close("normal", "unchanged")
    assert normal.present == {"cxr.normal"} and normal.absent == {"cxr.abnormal"}
    assert not close("cardiomegaly").absent - {"cxr.normal"}
    both = close("normal", "cardiomegaly")
    assert "cxr.cardiomegaly" in both.present and "cxr.normal" not in both.present and both.conflicts
    device = close("normal", "sternotomy")
    assert {"cxr.normal", "cxr.device.sternotomy"} <= device.present


def test_codes_written_without_commas_stay_apart(tmp_path):
    (record, other), _ = read(
        tmp_path,
        {"labelCUIS": "['C0034069' '' 'C0742362'\n 'C2115817']"},
        {"labelCUIS": "[]", "MethodLabel": "RNN_model"},
    )
    assert record.attrs == {"label_method": "physician", "umls_codes": "C0034069;C0742362;C2115817"}
    assert other.attrs == {"label_method": "network"}


def test_views_age_and_what_is_not_read(tmp_path):
    records, _ = read(
        tmp_path, *({"Projection": name} for name in ("PA", "AP", "AP_horizontal", "L", "COSTAL", "EXCLUDE", "UNK"))
    )
    assert [record.view for record in records] == ["pa", "ap", "ap", "lateral", None, None, None]
    assert {record.age for record in records} == {84}
    assert all(not record.report and "2014" not in str(record.attrs) + str(record.captions) for record in records)
    (unborn,), _ = read(tmp_path, {"PatientBirth": "nan", "PatientSex_DICOM": "O"})
    assert unborn.age is None and unborn.sex is None


def test_places_count_where_their_sentence_names_one_finding():
    sentences = (
        "[['laminar atelectasis', 'loc subsegmental', 'loc basal', 'loc left'], nan, "
        "['cardiomegaly', 'pleural effusion', 'loc right'], ['normal', 'loc hilar']]"
    )
    assert qualifiers(["laminar atelectasis", "cardiomegaly", "pleural effusion"], sentences) == {
        "laminar atelectasis": ("left", "basal")
    }
    network = "['COPD signs', 'aortic elongation', 'loc aortic', 'bronchiectasis', 'loc basal bilateral']"
    assert qualifiers(["COPD signs", "aortic elongation", "bronchiectasis"], network) == {}
    one = "['costophrenic angle blunting', 'loc costophrenic angle', 'loc right costophrenic angle']"
    assert qualifiers(["costophrenic angle blunting"], one) == {"costophrenic angle blunting": ("right",)}


@pytest.mark.parametrize(
    ("sentences", "expected"),
    [
        ("[['nodule', 'loc right', 'loc bilateral']]", ("bilateral",)),
        ("[['nodule', 'loc right upper lobe'], ['nodule', 'loc left upper lobe']]", ("bilateral", "upper")),
        ("[['nodule', 'loc right upper lobe'], ['nodule', 'loc right lower lobe']]", ("right",)),
        ("[['nodule both sides'], ['unchanged']]", ("bilateral",)),
        ("[['nodule left side', 'nodule', 'loc apical']]", ("left", "apical")),
        ("[['nodule bilateral']]", ("bilateral",)),
        ("[['nodule', 'loc perihilar', 'loc lung field']]", None),
        ("[['mass', 'loc right']]", None),
        ("nan", None),
    ],
)
def test_sides_that_differ_are_joined_and_places_that_differ_are_dropped(sentences, expected):
    assert qualifiers(["nodule"], sentences).get("nodule") == expected
