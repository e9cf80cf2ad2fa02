"""The published label tables inside the package torchxrayvision 1.5.7, where it is installed: every row, every trap."""

import importlib.util
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from mgll_data import hierarchy
from mgll_data.harmonise import load_labels
from mgll_data.recipe import VOCAB
from mgll_data.schema import State
from mgll_data.sources import base
from mgll_data.sources.base import RawRecord

PADCHEST = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"
TABLES = {
    "chexpert": ("chexpert_train.csv.gz", "train.csv.gz"),
    "padchest": (PADCHEST, PADCHEST),
    "nih_google": ("google2019_nih-chest-xray-labels.csv.gz", "google2019_labels.csv.gz"),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Source name -> (items of its reader, record -> closed labels), each source once."""
    found = importlib.util.find_spec("torchxrayvision")
    if found is None or not found.submodule_search_locations:
        pytest.skip("torchxrayvision, which carries the tables, is not installed")
    tables = Path(found.submodule_search_locations[0]) / "data"
    loaded = hierarchy.load(VOCAB / "cxr")

    @cache
    def read(name):
        root = tmp_path_factory.mktemp(name)
        published, native = TABLES[name]
        (root / native).symlink_to(tables / published)
        items = list(base.find(name).read(root))
        labels = load_labels(VOCAB / "cxr", [base.find(name).card], loaded)[name]
        results = {}
        for words in {tuple(item.labels.items()) for item in items if isinstance(item, RawRecord)}:
            _, closed, unmapped = labels.apply(dict(words), loaded)
            assert not unmapped
            results[words] = closed
        return items, lambda record: results[tuple(record.labels.items())]

    return read


def counted(items):
    return Counter("record" if isinstance(item, RawRecord) else item.reason for item in items)


def test_padchest_counts_every_row_and_falls_into_none_of_its_traps(said):
    items, closed = said("padchest")
    assert counted(items) == {"record": 158_697, "no_label": 2_164}
    records = [item for item in items if isinstance(item, RawRecord)]
    traps = {
        "nodule": (2_163, {"pseudonodule"}, "cxr.nodule"),
        "tuberculosis": (1_005, {"tuberculosis sequelae"}, "cxr.tuberculosis"),
        "fracture": (2_831, {"callus rib fracture"}, "cxr.fracture.clavicle"),
        "mass": (
            425,
            {"mediastinal mass", "breast mass", "pleural mass", "soft tissue mass"},
            "cxr.mass.pulmonary",
        ),
        "emphysema": (206, {"subcutaneous emphysema"}, "cxr.emphysema"),
        "effusion": (40, {"pericardial effusion"}, "cxr.effusion"),
    }
    for word, (number, only, concept) in traps.items():
        trapped = [r for r in records if (hits := {label for label in r.labels if word in label}) and hits <= only]
        assert len(trapped) == number, word
        assert not any(concept in closed(record).present | closed(record).uncertain for record in trapped), word
    healed = sum("cxr.fracture.rib_callus" in closed(record).present for record in records)
    assert healed == sum("callus rib fracture" in record.labels for record in records)
    codes = Counter(record.attrs.get("umls_codes", "").count(";") > 0 for record in records)
    assert codes[True] == 58_786
    assert all(len(code) == 8 for r in records for code in str(r.attrs.get("umls_codes", "C0000000")).split(";"))
    assert len({label for record in records for label in record.labels} | {"exclude"}) == 193  # and the empty one


def test_chexpert_closes_parents_and_turns_no_blank_into_absent(said):
    items, closed = said("chexpert")
    assert counted(items) == {"record": 223_402, "no_label": 12}
    records = [item for item in items if isinstance(item, RawRecord)]
    concepts = {
        "Cardiomegaly": "cxr.cardiomegaly",
        "Edema": "cxr.edema",
        "Consolidation": "cxr.consolidation",
        "Pneumonia": "cxr.pneumonia",
        "Atelectasis": "cxr.atelectasis",
        "Pneumothorax": "cxr.pneumothorax",
        "Pleural Effusion": "cxr.effusion",
        "Fracture": "cxr.fracture",
        "Support Devices": "cxr.device",
    }
    parents = {"Lung Opacity": "cxr.lung_opacity", "Enlarged Cardiomediastinum": "cxr.mediastinum"}
    ontology = hierarchy.load(VOCAB / "cxr").ontology
    parted, denied = 0, {}
    for record in records:
        result, words = closed(record), tuple(record.labels.items())
        if words not in denied:
            denied[words] = ontology.expand_absent(result.absent, result.present, result.uncertain)
        for label, concept in (concepts | parents).items():
            if record.labels.get(label) is not State.ABSENT:
                assert concept not in denied[words]
        for label, concept in concepts.items():
            if record.labels.get(label) is State.ABSENT:
                assert concept in denied[words]
        if record.labels.get("Cardiomegaly") is State.PRESENT:
            assert "cxr.mediastinum" in result.present
            parted += record.labels.get("Enlarged Cardiomediastinum") is not State.PRESENT
    assert parted == 25_099
    assert sum(any(c.startswith("Lung Opacity=0") for c in record.conflicts) for record in records) == 1_040
    assert len({record.patient for record in records}) == 64_538  # two more have silent rows alone


def test_the_relabels_of_google_judge_four_findings_on_each_film(said):
    items, _ = said("nih_google")
    assert counted(items) == {"record": 4_376}
    assert Counter(item.official_split for item in items) == {"val": 2_414, "test": 1_962}
    assert all(len(item.labels) == 4 for item in items)
    assert len({item.patient for item in items}) == 1_695
