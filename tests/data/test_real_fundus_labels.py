"""Every label instance of the real fundus tables: mapped, or listed as unmapped with the reason; none invented.

The data frames of FLAIR hold its own words for the labels of other sets. Here each is turned back into the word of
the set it came from (from the path where that holds it), mapped by our table, and compared with what FLAIR's word says.
"""

import ast
import csv
from collections import Counter

import pytest

from mgll_data.schema import State
from mgll_data.sources import messidor2, odir5k
from mgll_data.sources.base import RawRecord, find
from mgll_data.sources.stare import diagnoses
from tests.conftest import SHARED
from tests.data.fundus_labels import said, says, table, vocabulary
from tests.data.source_files import real

FRAMES = "FLAIR-dataframes"
INNER = "local_data/dataframes/transferability/classification"
GRADES = ("no", "mild", "moderate", "severe", "proliferative")
ICDR = {f"{word} diabetic retinopathy": grade for grade, word in enumerate(GRADES)}
STAGES = ("fundus.no_dr", "fundus.dr_mild", "fundus.dr_mod", "fundus.dr_sev", "fundus.pdr")
DME = {"no diabetic macular edema": 0, "diabetic macular edema": 1}
META_PM = {f"myopic maculopathy grade {word}": n for n, word in enumerate(("cero", "one", "two", "three", "four"))}
# FLAIR's word -> what it says: a concept that must be present, or with a minus absent; None: our reading differs.
MEANING = {
    **{word: STAGES[grade] for word, grade in ICDR.items()},
    "no diabetic macular edema": "-fundus.dme_csme",
    "diabetic macular edema": "fundus.dme",
    "normal": "fundus.normal",
    "retinitis pigmentosa": "fundus.rp",
    "macular hole": "fundus.mh",
    "age related macular degeneration": "fundus.amd",
    "diabetic retinopathy": "fundus.dr",
    "glaucoma": "fundus.glau",
    "no glaucoma": "fundus.no_glau",
    **{word: f"fundus.mm{n}" if n else "-fundus.mm2" for word, n in META_PM.items()},
    "cataract": "fundus.cat",
    "pathologic myopia": "fundus.f_myo",  # of BRSET it is FLAIR's reading: the set says a myopic fundus
    "hypertensive retinopathy": "fundus.htr",
    "no hypertensive retinopathy": "fundus.no_htr",
    "hypertensive": None,
    "no hypertensive": None,
}


def frame(name):
    path = real(FRAMES) / INNER / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["image"], ast.literal_eval(row["categories"]), ast.literal_eval(row["atributes"])


def hrdc(image, word):
    column = "Hypertensive Retinopathy" if "Retinopathy" in image else "Hypertensive"
    return f"{column}={int(not word.startswith('no '))}"


def deepdrid(image, word):
    if "Evaluation" in image:
        return f"DR_Levels={ICDR[word]}"
    side = {"l": "left", "r": "right"}[image.rpartition("_")[2][0]]
    return f"{side}_eye_DR_Level={ICDR[word]}"


# Folder of a frame's paths -> source, and its own word for the path and FLAIR's word.
NATIVE = {
    "02_MESSIDOR": (
        "messidor2",
        lambda _, w: f"adjudicated_dr_grade={ICDR[w]}" if w in ICDR else f"adjudicated_dme={DME[w]}",
    ),
    "04_RFMid": ("rfmid", lambda _, w: {"macular hole": "MHL", "retinitis pigmentosa": "RP"}[w]),
    "05_1000x39": ("jsiec", lambda image, _: image.split("/")[1]),
    "08_ODIR-5K": ("odir5k", lambda _, w: {"normal": "normal fundus"}.get(w, w.replace("pathologic", "pathological"))),
    "13_FIVES": ("fives", lambda image, _: image.removesuffix(".png")[-1]),
    "25_REFUGE": ("refuge", lambda image, _: image.rpartition("/")[2][0]),
    "27_BRSET": ("brset", lambda _, w: {"pathologic myopia": "myopic_fundus"}[w]),
    "34_Cataract": ("retina_cataract", lambda image, _: image.split("/")[1]),
    "36_ACRIMA": ("acrima", lambda image, _: "_g_" if image.split("/")[1] == "G" else "no _g_"),
    "37_DeepDRiD": ("deepdrid", deepdrid),
    "38_MMAC23": ("mmac", lambda _, w: f"myopic_maculopathy_grade={META_PM[w]}"),
    "102_CGI-HRDC": ("hrdc", hrdc),
}
NAMES = [
    *("02_MESSIDOR", "05_20x3", "08_ODIR200x3", "13_FIVES", "25_REFUGE", "36_ACRIMA", "37_DeepDRiD_test"),
    *("37_DeepDRiD_train_eval", "38_MMAC23A_test", "38_MMAC23A_train", "38_MMAC23B_test", "CAT_MYA_2"),
    *("CGI_HRDC_Task1", "CGI_HRDC_Task2", "MHL_RP_2"),
]


@pytest.mark.parametrize("name", NAMES)
def test_every_instance_of_a_frame_is_mapped_or_unmapped_for_a_reason(name):
    instances = Counter(
        (NATIVE[image.split("/")[0]][0], NATIVE[image.split("/")[0]][1](image, word), word)
        for image, words, _ in frame(name)
        for word in words
    )
    assert instances
    for source, word, meaning in instances:
        rules = table(source).lookup(word)
        assert rules, f"{source} does not list {word!r}"
        wanted = MEANING[meaning]
        if wanted is None:
            assert all(rule.relation == "none" and rule.note for rule in rules)
            continue
        closed = says(source, word)
        where = closed.absent if wanted.startswith("-") else closed.present
        reached = vocabulary().ontology.down(where) if wanted.startswith("-") else where
        assert wanted.removeprefix("-") in reached, (word, meaning)


def test_every_frame_is_tested():
    folder = real(FRAMES) / INNER
    assert {path.stem for path in folder.glob("*.csv")} == set(NAMES)


def test_messidor2_grades_equal_the_frame(tmp_path):
    lines, wanted = ["image_id,adjudicated_dr_grade,adjudicated_dme,adjudicated_gradable"], Counter()
    for image, words, attributes in frame("02_MESSIDOR"):
        dr, dme = (next(codes[w] for w in words if w in codes) for codes in (ICDR, DME))
        lines.append(f"{image.rpartition('/')[2]},{dr},{dme},{int(attributes == ['clean'])}")
        wanted[STAGES[dr], dme] += 1
    (tmp_path / "messidor_data.csv").write_text("\n".join(lines) + "\n")
    found = Counter()
    for record in messidor2.read(tmp_path):
        assert isinstance(record, RawRecord)
        closed = said("messidor2", record)
        assert "fundus.gradable" in closed.present
        (stage,) = set(STAGES) & closed.present
        found[stage, int("fundus.dme_csme" in closed.present)] += 1
    assert found == wanted and sum(found.values()) == 1744


def test_odir_keywords_hold_what_the_frame_says_of_each_picture():
    records = {
        r.image.rpartition("/")[2]: r
        for r in odir5k.read(real("noncommercial/ODIR-5K-subset"))
        if isinstance(r, RawRecord)
    }
    meaning = {"normal": "fundus.normal", "cataract": "fundus.cat", "pathologic myopia": "fundus.f_myo"}
    checked = Counter()
    for image, words, _ in frame("08_ODIR200x3"):
        closed = said("odir5k", records[image.rpartition("/")[2]])
        for word in words:
            assert meaning[word] in closed.present | closed.uncertain, (image, word)
            checked[word] += 1
    assert checked == {"normal": 200, "cataract": 200, "pathologic myopia": 200}


@pytest.mark.parametrize(
    ("source", "folder", "least"),
    [("idrid", "IDRiD", 1032), ("odir5k", "noncommercial/ODIR-5K-subset", 7000), ("rfmid", "RFMiD-labels", 88320)],
)
def test_tables_of_a_source_are_mapped_whole_and_nothing_is_added(source, folder, least):
    root, ontology = real(folder), vocabulary().ontology
    negations = {c.id: c.negates for c in vocabulary().concepts.values() if c.negates}
    instances, unmapped, reasons = 0, Counter(), {}
    for record in find(source).read(root):
        if not isinstance(record, RawRecord):
            continue
        statements, closed, unknown = table(source).apply(record.labels, vocabulary())
        instances += len(record.labels)
        assert not unknown
        unmapped.update(s.raw for s in statements if s.relation == "none")
        reasons |= {
            word: rule.note for word in record.labels for rule in table(source).rules[word] if rule.relation == "none"
        }
        stated = {s.concept for s in statements if s.state is State.PRESENT}
        denied = {s.concept for s in statements if s.state is State.ABSENT}
        if "fundus.normal" in stated and find(source).card.normal_excludes_all:
            denied.add("fundus.abnormal")
        added = closed.present - ontology.up(stated)
        assert all(negations.get(concept) in ontology.down(denied) for concept in added), record.origin
    assert instances >= least
    assert all(reasons[word] for word in unmapped)


@pytest.mark.parametrize("source", ["stare", "odir5k"])
def test_every_string_that_public_copies_of_the_labels_hold_is_listed(source):
    path = SHARED.parent / "facts" / "tables" / "fundus_label_vocab.csv"
    if not path.is_file():
        pytest.skip("the list of raw labels is not there")
    prefix = {"stare": "11_STARE", "odir5k": "08_ODIR"}[source]
    with path.open(encoding="utf-8", newline="") as file:
        strings = [row["raw_label"] for row in csv.DictReader(file) if row["source"] == prefix]
    parts = [word for text in strings for word in (diagnoses(text) if source == "stare" else odir5k._words(text))]
    unlisted = {word for word in parts if word not in table(source).rules} - odir5k._NOT_FUNDUS
    assert len(strings) > 60 and not unlisted
