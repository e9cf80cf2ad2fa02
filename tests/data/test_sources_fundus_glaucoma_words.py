"""What the words of glaucoma sources may and may not come to."""

import pytest

from tests.data.fundus_labels import says

NO_GLAUCOMA = {
    "refuge": "n",
    "refuge2": "Glaucoma Risk=0",
    "g1020": "binaryLabels=0",
    "origa": "Glaucoma=0",
    "papila": "Diagnosis=0",
    "rim_one_dl": "normal",
    "drishti_gs": "Total=Normal",
    "chaksu": "NORMAL",
    "lag": "non_glaucoma",
    "acrima": "no _g_",
    "gamma": "non",
    "beh": "normal",
    "harvard_glaucoma": "normal_control",
    "smdg19": "types=0",
    "hygd": "Label=GON-",
}
SUSPECT = {
    "papila": "Diagnosis=2",
    "chaksu": "GLAUCOMA SUSPECT",
    "lag": "suspicious_glaucoma",
    "smdg19": "types=-1",
    "airogs": "class=RG",
    "airogs_light": "RG",
    "justraigs": "RG",
}


@pytest.mark.parametrize("name", NO_GLAUCOMA)
def test_no_glaucoma_is_not_a_normal_fundus(name):
    closed = says(name, NO_GLAUCOMA[name])
    assert "fundus.no_glau" in closed.present and "fundus.glau" in closed.absent
    assert "fundus.normal" not in closed.present | closed.uncertain and "fundus.abnormal" not in closed.absent


@pytest.mark.parametrize("name", SUSPECT)
def test_suspects_and_referable_eyes_are_not_glaucoma(name):
    closed = says(name, SUSPECT[name])
    assert "fundus.glau" in closed.uncertain
    assert not {"fundus.glau", "fundus.no_glau"} & (closed.present | closed.absent)


@pytest.mark.parametrize(("name", "word"), [("airogs", "class=NRG"), ("airogs_light", "NRG"), ("justraigs", "NRG")])
def test_not_referable_does_not_rule_out_glaucoma(name, word):
    closed = says(name, word)
    assert closed.present == {"fundus.no_glau_ref"} and closed.absent == {"fundus.glau_ref"} and not closed.uncertain


def test_suspicion_at_papila_claims_no_abnormal_fundus():
    assert not says("papila", "Diagnosis=2").present  # it may rest on the eye pressure alone


def test_stages_of_glaucoma():
    assert "fundus.glau_early" in says("gamma", "early").present
    assert {"fundus.glau_adv", "fundus.glau"} <= says("harvard_glaucoma", "advanced_glaucoma").present
    assert "fundus.poag" not in says("grape", "Category of Glaucoma=OAG").present  # open-angle, not said to be primary
    assert "fundus.pacg" in says("grape", "Category of Glaucoma=ACG").present
