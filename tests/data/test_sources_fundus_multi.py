"""Sets of many diseases: abbreviations that collide, encodings, versions, free text, compilations."""

import pytest

from mgll_data.errors import UsageError
from mgll_data.schema import State
from mgll_data.sources import (
    brset,
    dr_arranged,
    eddfs,
    fives,
    fund_oct,
    jsiec,
    multieye,
    mured,
    rfmid2,
    stare,
)
from mgll_data.sources.base import find
from tests.data.fundus_labels import said, says, table
from tests.data.source_files import put, split

PRESENT, ABSENT, UNCERTAIN = State.PRESENT, State.ABSENT, State.UNCERTAIN


def reasons(rejected):
    return [(item.outcome, item.reason) for item in rejected]


# ---- one abbreviation, several meanings


@pytest.mark.parametrize(
    ("source", "word", "concept", "never"),
    [
        ("rfmid", "MH", "fundus.mediahaze", "fundus.mh"),
        ("rfmid2", "MH", "fundus.mediahaze", "fundus.mh"),
        ("mured", "MH", "fundus.mediahaze", "fundus.mh"),
        ("jsiec", "8.MH", "fundus.mh", "fundus.mediahaze"),
        ("rfmid", "MHL", "fundus.mh", "fundus.mediahaze"),
        ("rfmid", "HR", "fundus.hmr", "fundus.htr"),
        ("fives", "D", "fundus.dr", "fundus.normal"),
        ("jsiec", "3.RAO", "fundus.rao", "fundus.crao"),
        ("jsiec", "18.Vitreous particles", "fundus.f_med", "fundus.vh"),
        ("retina_cataract", "3_retina_disease", "fundus.abnormal", "fundus.rtitis"),
        ("fund_oct", "Macula/ci-DME", "fundus.dme_csme", "fundus.cme"),
    ],
)
def test_words_mean_what_their_own_source_says(source, word, concept, never):
    present = says(source, word).present
    assert concept in present and never not in present


@pytest.mark.parametrize(
    ("source", "word", "concept"),
    [
        ("jsiec", "10.0.Possible glaucoma", "fundus.glau"),
        ("jsiec", "29.1.Blur fundus with suspected PDR", "fundus.pdr"),
        ("jsiec", "0.3.DR1", "fundus.dr_mild"),
        ("jsiec", "1.1.DR3", "fundus.dr_sev"),
        ("rfmid2", "SOFE", "fundus.siloil"),
        ("aria", "aria_d_markups", "fundus.dr"),
        ("multieye", "class=0", "fundus.normal"),
    ],
)
def test_what_is_suspected_or_read_in_two_ways_is_uncertain(source, word, concept):
    closed = says(source, word)
    assert concept in closed.uncertain and concept not in closed.present


def test_blurred_without_pdr_is_ungradable_and_denies_only_pdr():
    closed = says("jsiec", "29.0.Blur fundus without PDR")
    assert "fundus.ungradable" in closed.present
    assert "fundus.pdr" in closed.absent and "fundus.dr" not in closed.absent


# ---- RFMiD 2


@pytest.mark.parametrize("odd", [b"ON\xa0", b"ON\xef\xbf\xbd", b"ON"])
def test_rfmid2_headers_with_odd_bytes_and_numbers_that_restart(tmp_path, odd):
    for folder, name in (("Training_set", "Training"), ("Test_set", "Testing")):
        rows = b"ID,WNL,DR," + odd + b",OPDM\r\n1,0,1,1,\r\n2,1,0,0,0\r\n3,2,0,0,0\r\n"
        put(tmp_path / f"{folder}/RFMiD_2_{name}_labels.csv", rows)
        put(tmp_path / f"{folder}/1.jpg")
    put(tmp_path / "Validation_set/1.jpg")
    records, rejected = split(list(rfmid2.read(tmp_path)))
    assert [(r.image, r.official_split) for r in records] == [
        ("Training_set/1.jpg", "train"),
        ("Training_set/2.jpg", "train"),
        ("Test_set/1.jpg", "test"),
        ("Testing_set/2.jpg", "test"),
    ]
    assert dict(records[0].labels) == {"WNL": ABSENT, "DR": PRESENT, "ON": PRESENT}
    assert dict(records[1].labels) == {"WNL": PRESENT, "DR": ABSENT, "ON": ABSENT, "ODPM": ABSENT}
    assert reasons(rejected) == [("quarantined", "bad_row")] * 2 + [("excluded", "unlisted")]
    assert "fundus.oneur" in said("rfmid2", records[0]).present


@pytest.mark.parametrize("word", ["CSC", "MCA", "IIH"])
def test_rfmid2_codes_with_two_published_meanings_are_left_out_with_the_reason(word):
    (rule,) = table("rfmid2").rules[word]
    assert rule.relation == "none" and rule.note


# ---- BRSET


@pytest.mark.parametrize(
    ("light", "drusen", "file"),
    [
        ("iluminaton", "drusens", "labels.csv"),
        ("Illuminaton", "drusens", "labels_brset.csv"),
        ("illumination", "drusen", "labels_brset.csv"),
    ],
)
def test_brset_columns_of_every_version_are_read_under_one_name(tmp_path, light, drusen, file):
    header = "image_id,patient_id,camera,patient_age,patient_sex,exam_eye,diabetes,optic_disc,vessels,macula,DR_ICDR,"
    header += f"{light},{drusen},hemorrhage,quality"
    rows = ["img1,7,Nikon,71,2,1,yes,1,1,2,0,2,1,0,Adequate", "img2,7,,,1,0,no,bv,2,1,4.0,1,0,1,Inadequate"]
    put(tmp_path / file, "\n".join([header, *rows, "img3,7,,,,,,,,,,,,,"]))
    put(tmp_path / "fundus_photos/img1.jpg")
    records, rejected = split(list(brset.read(tmp_path)))
    first, second = records
    assert dict(first.labels) == {
        **dict.fromkeys(("optic_disc=1", "vessels=1", "macula=2", "dr_icdr=0", "illumination=2"), PRESENT),
        "quality=Adequate": PRESENT,
        "drusens": PRESENT,
        "hemorrhage": ABSENT,
    }
    assert (first.laterality, first.sex, first.age, first.device, first.patient) == ("right", "F", 71, "Nikon", "7")
    assert (second.laterality, second.sex, second.age) == (None, "M", None)  # an eye of 0 is another version's code
    assert reasons(rejected) == [("excluded", "no_label")]
    closed = said("brset", first)
    assert {"fundus.norm_disc", "fundus.drusen", "fundus.f_mac"} <= closed.present
    assert "fundus.hem" not in closed.absent and "fundus.normal" not in closed.present
    assert "fundus.norm_disc" not in said("brset", second).present


def test_brset_and_mbrset_must_never_be_passed_on():
    for name in ("brset", "mbrset"):
        card = find(name).card
        assert card.access == "credentialed" and not card.redistributable and not card.open_licence


# ---- STARE


@pytest.mark.parametrize(
    ("text", "states"),
    [
        ("Background Diabetic Retinopathy", {"background diabetic retinopathy": PRESENT}),
        ('"Drusen, Large"', {"drusen, large": PRESENT}),
        ("CRVO? AND HTR", {"crvo": UNCERTAIN, "htr": PRESENT}),
        ("ASR &HTR", {"asr": PRESENT, "htr": PRESENT}),
        (" AND Arteriosclerotic  Retinopathy", {"arteriosclerotic retinopathy": PRESENT}),
        ("Emboli OR Drusen AND Normal", {"emboli": UNCERTAIN, "drusen": UNCERTAIN, "normal": UNCERTAIN}),
        ("Hypertensive Retinopathy [V: how could it be]", {"hypertensive retinopathy": UNCERTAIN}),
        ("Choroidal Hemangioma (Recommendation: Don't use)", {"choroidal hemangioma": UNCERTAIN}),
        ("Human Immune Deficiency Virus", {"human immune deficiency virus": PRESENT}),
        ("", {}),
        ("13 14", {}),
        ("14", {}),
    ],
)
def test_stare_keeps_doubts_of_the_text(text, states):
    assert stare.diagnoses(text) == states


def test_stare_lists_with_tabs_or_blanks(tmp_path):
    put(tmp_path / "all-mg-codes.txt", "im0001\t7\tNormal\nim0002\t13 14        Drusen?\nim0003\n\n")
    put(tmp_path / "all/im0001.ppm")
    records, rejected = split(list(stare.read(tmp_path)))
    assert [(r.image, dict(r.labels)) for r in records] == [
        ("all/im0001.ppm", {"normal": PRESENT}),
        ("im0002.ppm", {"drusen": UNCERTAIN}),
    ]
    assert reasons(rejected) == [("excluded", "no_label")]


# ---- folders and compilations


def test_jsiec_names_with_two_dots(tmp_path):
    put(tmp_path / "1000images/8.MH/1ffa93c6-8d87..JPG")
    put(tmp_path / "1000images/Other/a.jpg")
    records, rejected = split(list(jsiec.read(tmp_path)))
    assert [(r.image, *r.labels) for r in records] == [("1000images/8.MH/1ffa93c6-8d87..JPG", "8.MH")]
    assert reasons(rejected) == [("excluded", "unlisted")]


def test_fives_letters_and_masks(tmp_path):
    for name in ("train/Original/1_A.png", "test/Original/1_N.png", "train/Original/2.png", "test/Groud truth/1_N.png"):
        put(tmp_path / name)
    records, rejected = split(list(fives.read(tmp_path)))
    assert [(r.official_split, *r.labels) for r in records] == [("train", "A"), ("test", "N")]
    assert reasons(rejected) == [("quarantined", "bad_row")]
    with pytest.raises(UsageError, match="no picture in train/Original"):
        list(fives.read(tmp_path / "train"))


def test_fund_oct_keeps_photographs_and_excludes_scans(tmp_path):
    folder = tmp_path / "Dataset/Macula/acute CSR/P1/2"
    put(folder / "1_Color_R.jpg")
    put(folder / "1_3DOCT.jpg")
    put(tmp_path / "Dataset/OD/Healthy/P1/1/2_Color_L.jpg")
    put(tmp_path / "Dataset/Other/P1/1/3_Color_L.jpg")
    records, rejected = split(list(fund_oct.read(tmp_path)))
    assert [(r.patient, r.study, *r.labels) for r in records] == [
        ("P1", "2", "Macula/acute CSR"),
        ("P1", "1", "OD/Healthy"),
    ]
    assert sorted(reasons(rejected)) == [("excluded", "not_fundus"), ("excluded", "unlisted")]
    healthy = says("fund_oct", "OD/Healthy")
    assert "fundus.no_glau" in healthy.present and "fundus.normal" not in healthy.present


def test_compilations_name_their_parents_and_deny_nothing(tmp_path):
    put(tmp_path / "train_data.csv", "ID,DR,NORMAL,OTHER\n1,1,0,0\n2,0,0,0\n")
    put(tmp_path / "images/images/1.png")
    records, rejected = split(list(mured.read(tmp_path)))
    assert [dict(r.labels) for r in records] == [{"DR": PRESENT}] and reasons(rejected) == [("excluded", "no_label")]
    assert set(mured.CARD.derives) == {"aria", "rfmid", "stare"}
    assert {"rfmid", "rfmid2", "messidor2", "odir5k", "stare", "fives", "ddr", "eyepacs"} == set(multieye.CARD.derives)


def test_multieye_lists_of_three_sets_share_one_folder(tmp_path):
    for split_name, row in (("train", "a.jpg 3"), ("dev", "sub/b.jpg 0"), ("test", "c.jpg")):
        put(tmp_path / f"assemble/{split_name}/large9cls.txt", row + "\n")
    put(tmp_path / "assemble/train/ImageData/x/a.jpg")
    put(tmp_path / "assemble_oct/train/ImageData/a.jpg")
    records, rejected = split(list(multieye.read(tmp_path)))
    assert [(r.image, r.official_split, *r.labels) for r in records] == [
        ("assemble/train/ImageData/x/a.jpg", "train", "class=3"),
        ("assemble/train/ImageData/b.jpg", "val", "class=0"),
    ]
    assert reasons(rejected) == [("quarantined", "bad_row"), ("excluded", "not_fundus")]


def test_eddfs_zeros_are_silent_and_grades_have_no_stage(tmp_path):
    header = "fnames,normal,DR,AMD,glaucoma,myopia,RVO,LS,hyper,others"
    put(
        tmp_path / "Annotation/train.csv",
        f"{header}\na.jpg,0,3,0,1,0,0,0,0,0\nb.jpg,1,0,0,0,0,0,0,0,0\nc.jpg,0,0,0,0,0,0,0,0,0\n",
    )
    records, rejected = split(list(eddfs.read(tmp_path)))
    assert [sorted(r.labels) for r in records] == [["DR=3", "glaucoma=1"], ["normal=1"]]
    assert reasons(rejected) == [("excluded", "no_label")]
    present = said("eddfs", records[0]).present
    assert "fundus.dr" in present and not {"fundus.dr_sev", "fundus.glau"} & present


def test_dr_arranged_names_the_picture_of_eyepacs(tmp_path):
    put(tmp_path / "train/4/10_left.jpeg")
    put(tmp_path / "train/0/11_right.jpeg")
    records, _ = split(list(dr_arranged.read(tmp_path)))
    assert [(r.patient, r.laterality, r.same_as, *r.labels) for r in records] == [
        ("11", "right", (("eyepacs", "11_right.jpeg"),), "level=0"),
        ("10", "left", (("eyepacs", "10_left.jpeg"),), "level=4"),
    ]
