"""What a sentence says of a finding: the traps of radiology language, and sentences made of cues and findings."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgll_data.reports.labeller import default, read_report
from mgll_data.reports.negation import Certainty
from mgll_data.reports.texts import texts
from mgll_data.schema import State

SENTENCES = {
    "No pneumothorax, effusion or consolidation.": "pneumothorax- effusion- consolidation-",
    "No pneumothorax or large pleural effusion.": "pneumothorax- effusion-",
    "Neither pneumothorax nor effusion is identified.": "pneumothorax- effusion-",
    "No change in the left effusion.": "effusion+",
    "No significant interval change in bilateral effusions.": "effusion+",
    "Right effusion is new, left resolved.": "effusion+",
    "The left effusion has resolved.": "effusion-",
    "Near complete resolution of the right pneumothorax.": "pneumothorax+",
    "Consolidation has not resolved.": "consolidation+",
    "Interval resolution of edema.": "edema-",
    "Pneumothorax is not seen.": "pneumothorax-",
    "No longer seen is the right pneumothorax.": "pneumothorax-",
    "Pneumothorax: none.": "pneumothorax-",
    "Lungs: No consolidation. ": "consolidation-",
    "Cardiomegaly without overt edema.": "cardiomegaly+ edema-",
    "The heart is not enlarged.": "cardiomegaly-",
    "Heart size is normal and lungs are clear.": "cardiomegaly- lung_opacity-",
    "The heart, mediastinum and pulmonary vasculature are normal.": "cardiomegaly- mediastinal_widening- congestion-",
    "The heart size is at the upper limits of normal.": "",
    "The heart is normal in size, and there is no effusion.": "cardiomegaly- effusion-",
    "The mediastinum is not widened.": "mediastinal_widening-",
    "No relevant change in the left lower lobe atelectasis.": "atelectasis+",
    "No effusion, hazy right base opacity suspicious for early pneumonia.": "effusion- lung_opacity+ pneumonia?",
    "Tip of the feeding tube is not seen.": "device.ngt+",
    "The feeding tube is not seen.": "device.ngt-",
    "Side port of the feeding tube is in the stomach.": "device.ngt+",
    "Compression deformity of a thoracic vertebra.": "vertebral_compression+",
    "Vertebral body heights are maintained.": "vertebral_compression-",
    "Status post right upper lobectomy.": "postsurgical+",
    "Comparison is made to ___ at which time an effusion was seen.": "",
    "Effusion, if present, is tiny.": "effusion?",
    "If any, there is a small effusion.": "effusion?",
    "Right IJ catheter without pneumothorax.": "device.cvc+ pneumothorax-",
    "Pulmonary venous hypertension.": "congestion+",
    "Borderline cardiomegaly.": "cardiomegaly?",
    "The left lung is clear.": "",
    "The lungs are clear of consolidation and effusion.": "consolidation- effusion-",
    "No evidence of pneumonia; heart size enlarged.": "pneumonia- cardiomegaly+",
    "No consolidation, and the heart is enlarged.": "consolidation- cardiomegaly+",
    "No definite consolidation, stable cardiomegaly.": "consolidation- cardiomegaly+",
    "No pneumothorax, but there is an effusion.": "pneumothorax- effusion+",
    "No findings to suggest pneumonia.": "pneumonia-",
    "Opacity may represent pneumonia or atelectasis.": "lung_opacity+ pneumonia? atelectasis?",
    "Cannot exclude a small effusion.": "effusion?",
    "A small effusion cannot be excluded.": "effusion?",
    "Atelectasis versus infiltrate.": "atelectasis? infiltrate?",
    "Probable pneumonia.": "pneumonia?",
    "Findings consistent with pneumonia.": "pneumonia+",
    "In the appropriate clinical setting this is compatible with pneumonia.": "pneumonia?",
    "Pneumonia is unlikely.": "pneumonia-",
    "?pneumonia": "pneumonia?",
    "Rule out pneumonia.": "",
    "History of pneumonia.": "",
    "No history of pneumonia.": "pneumonia-",
    "Compared to the prior study the pneumothorax has increased.": "pneumothorax+",
    "Previously seen effusion is unchanged.": "effusion+",
    "Previously seen effusion has resolved.": "effusion-",
    "Nodule seen on the frontal view, not identified on the lateral view.": "nodule+",
    "Nodular opacity in the left lung.": "nodule?",
    "Small pericardial effusion.": "pericardial_effusion+",
    "Subcutaneous emphysema.": "subcut_emphysema+",
    "There is mass effect on the trachea.": "",
    "Pseudonodule, a nipple shadow.": "pseudonodule+",
    "Massive effusion.": "effusion+",
    "Neither lung shows consolidation.": "consolidation-",
    "Blunting of the left costophrenic angle is likely due to an effusion.": "cp_blunting+ effusion?",
    "An effusion is likely.": "effusion?",
    "Follow up to document resolution of the pneumonia.": "",
    "Tuberculosis exposure.": "",
    "Hernia, the heart size is normal and the aorta is tortuous and calcified.": "hernia+ cardiomegaly- "
    "aortic.tortuous+ aortic.calcified+",
    "Interval removal of the chest tube.": "device.chest_tube-",
    "Pleural oedema and haemothorax.": "edema+ hemothorax+",
}
SIGNS = {State.PRESENT: "+", State.ABSENT: "-", State.UNCERTAIN: "?"}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_sentence(sentence: str) -> None:
    states = read_report({"findings": sentence}).states
    found = {f"{concept.removeprefix('cxr.')}{SIGNS[state]}" for concept, state in states.items()}
    assert found == set(SENTENCES[sentence].split())


def test_present_beats_uncertain_beats_absent_and_an_indication_makes_no_label() -> None:
    found = read_report(
        {
            "indication": "Pneumothorax?",
            "findings": "No effusion. Edema is possible. No edema. No nodule.",
            "impression": "Small effusion.",
        }
    )
    assert found.states == {"cxr.effusion": "present", "cxr.edema": "uncertain", "cxr.nodule": "absent"}
    assert [(s.text, str(state)) for s, state in found.about("cxr.effusion")] == [
        ("No effusion.", "absent"),
        ("Small effusion.", "present"),
    ]


def test_a_finding_takes_back_normal_and_a_broad_denial() -> None:
    found = read_report({"findings": "The lungs are clear.", "impression": "Left nodule. No acute disease."}).states
    assert found == {"cxr.nodule": "present"}
    assert read_report({"impression": "No acute cardiopulmonary abnormality."}).states == {"cxr.normal": "present"}


def test_a_normal_mediastinum_says_nothing_of_the_heart() -> None:
    hierarchy = default().hierarchy
    absent = {
        c for c, state in read_report({"findings": "No mediastinal widening."}).states.items() if state == "absent"
    }
    assert "cxr.mediastinal_widening" in absent
    assert "cxr.cardiomegaly" not in hierarchy.ontology.down(absent)


FINDINGS = (
    "pneumothorax",
    "pleural effusion",
    "consolidation",
    "pneumonia",
    "pulmonary edema",
    "atelectasis",
    "nodule",
    "mass",
    "cardiomegaly",
    "hiatal hernia",
    "rib fracture",
    "emphysema",
    "fibrosis",
    "pleural thickening",
    "adenopathy",
    "calcified granuloma",
    "scoliosis",
    "interstitial opacities",
    "infiltrate",
    "airspace disease",
    "bronchiectasis",
)
DENIED = (
    "No {}.",
    "There is no {}.",
    "There is no evidence of {}.",
    "No definite {} is seen.",
    "Without {}.",
    "The lungs are free of {}.",
    "Negative for {}.",
    "The chest is without evidence of {}.",
    "{} is not seen.",
    "No {} or {}.",
    "No {}, {} or {}.",
    "No {}, {}, or {} is identified.",
    "There is neither {} nor {}.",
    "{} has resolved.",
    "Absence of {}.",
    "No radiographic findings to suggest {}.",
    "{} is absent.",
    "No {} and no {}.",
    "No longer any {}.",
    "No new or enlarging {}.",
    "There has been interval resolution of {}.",
    "Lungs are clear without {} or {}.",
    "There is not a {}.",
    "No focal {}, large {} or displaced {}.",
    "{} has been ruled out.",
    "No suspicious {} or {}.",
    "No {} in the left lung or at the right base.",
    "There is no sign of {} on this examination.",
    "No visible {} or {}.",
    "I see no {}.",
    "The study shows no {}, no {}, and no {}.",
    "{} and {} are not identified.",
    "Lack of {}.",
)
HEDGED = (
    "Possible {}.",
    "{} cannot be excluded.",
    "This may represent {}.",
    "Question of {}.",
    "Suspicious for {}.",
    "Findings could reflect {} or {}.",
    "{} is suspected.",
    "Concerning for {}.",
    "Probable {}.",
    "Likely {}.",
    "{} versus {}.",
    "Suggestive of {}.",
    "{} is a possibility.",
    "Cannot rule out {}.",
    "Perhaps {}.",
)
ASKED = (
    "Rule out {}.",
    "Evaluate for {}.",
    "History of {}.",
    "Status post treatment of {}.",
    "Please correlate for {}.",
)


def filled(template: str, words: list[str]) -> str:
    sentence = template.format(*words[: template.count("{}")])
    return sentence[:1].upper() + sentence[1:]


MIXED = (
    "{0} without {1}.",
    "There is {0} but no {1}.",
    "No {1}; there is {0}.",
    "No {1}, but there is {0}.",
    "No {1}. {0} is present.",
    "{0} is unchanged, no {1}.",
    "There is a small {0}, without {1}.",
    "No {1}, although there is {0}.",
    "There is {0}; {1} is not seen.",
    "No {1} is seen, there is a {0}.",
    "There is no {1}, and there is {0}.",
    "{0} with no evidence of {1}.",
    "Apart from {0} there is no {1}.",
    "{0} is seen; {1} has resolved.",
    "No {1} with stable {0}.",
)


@pytest.mark.parametrize("template", (*DENIED, *HEDGED, *ASKED, *MIXED))
def test_every_pair_of_findings(template: str) -> None:
    for pair in permutations(FINDINGS, 2):
        sentence = template.format(*pair, pair[0])
        said = dict(default().sentence(sentence[:1].upper() + sentence[1:]))
        if template in DENIED:
            assert set(said.values()) == {Certainty.ABSENT}, (sentence, said)
        elif template in MIXED:
            assert len(said) == 2 and list(said.values()).count(Certainty.PRESENT) == 1, (sentence, said)
            assert default().sentence(f"No {pair[1]}.").keys() == {c for c, v in said.items() if v is Certainty.ABSENT}
        else:
            assert Certainty.PRESENT not in said.values() and bool(said) == (template in HEDGED), (sentence, said)


three = st.permutations(FINDINGS).map(lambda words: words[:3])


@given(st.sampled_from(DENIED), three)
@settings(max_examples=600, deadline=None)
def test_a_negated_sentence_never_explains_presence(template: str, words: list[str]) -> None:
    sentence = filled(template, words)
    found = read_report({"findings": sentence})
    named = template.count("{}")
    assert len([s for s in found.certainty.values() if s is Certainty.ABSENT]) >= min(named, 1), sentence
    assert set(found.certainty.values()) == {Certainty.ABSENT}, sentence
    assert texts(found, default().hierarchy.normal) == (), sentence


@given(st.sampled_from(HEDGED), three)
@settings(max_examples=300, deadline=None)
def test_a_hedged_sentence_makes_uncertain_and_explains_nothing(template: str, words: list[str]) -> None:
    found = read_report({"findings": filled(template, words)})
    assert set(found.states.values()) == {State.UNCERTAIN}, filled(template, words)
    assert texts(found, default().hierarchy.normal) == ()


@given(st.sampled_from(ASKED), three)
@settings(max_examples=80, deadline=None)
def test_a_question_or_a_history_says_nothing_of_the_image(template: str, words: list[str]) -> None:
    assert read_report({"findings": filled(template, words)}).states == {}


@given(three)
@settings(max_examples=60, deadline=None)
def test_a_plain_sentence_is_present_and_explains(words: list[str]) -> None:
    sentence = f"There is {words[0]} with {words[1]}."
    found = read_report({"findings": sentence})
    assert set(found.states.values()) == {State.PRESENT}, sentence
    made = texts(found, default().hierarchy.normal)
    assert {text.level for text in made} == {"explanatory", "report"}
    assert all(set(text.concepts) == set(found.states) for text in made)
