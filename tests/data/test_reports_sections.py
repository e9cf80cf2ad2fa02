"""Reports taken apart: sections by header, label or column, and sentences that keep what belongs together."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgll_data.reports import sections, sentences

MIMIC = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___-year-old woman with cough  // rule out pneumonia

 TECHNIQUE:  Chest PA and lateral

 COMPARISON:  ___

 FINDINGS:

 There is a 2.5 cm nodule in the
 right lung.  No effusion.

 IMPRESSION:

 1. Nodule.
 2. No pneumonia.
"""


def test_running_text_is_cut_at_its_headers() -> None:
    found = sections.from_text(MIMIC)
    assert found.examination == "CHEST (PA AND LAT)"
    assert found.indication is not None and "rule out pneumonia" in found.indication
    assert found.technique == "Chest PA and lateral"
    assert found.findings is not None and found.findings.startswith("There is a 2.5 cm nodule")
    assert found.impression == "1. Nodule.\n 2. No pneumonia."
    assert [name for name, _ in found.stating()] == ["findings", "impression"]


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("FINDINGS AND IMPRESSION", "impression"),
        ("IMPRSSION", "impression"),
        ("CONCLUSION", "impression"),
        ("Findings", "findings"),
        ("PORTABLE AP CHEST, 1 VIEW", "findings"),
        ("TYPE OF EXAMINATION", "examination"),
        ("REASON FOR EXAM", "indication"),
        ("CLINICAL HISTORY", "indication"),
        ("COMPARISONS", "comparison"),
        ("RECOMMENDATION(S)", "recommendation"),
    ],
)
def test_headers_in_other_words(header: str, field: str) -> None:
    assert getattr(sections.from_text(f"{header}: Some words.\n"), field) == "Some words."


def test_text_without_headers_is_the_body_and_states_findings() -> None:
    found = sections.from_text("Heart size normal and lungs are clear.")
    assert found.stating() == (("body", "Heart size normal and lungs are clear."),)


def test_columns_of_chexpert_plus_and_empty_values() -> None:
    row = {
        "section_findings": "nan",
        "section_impression": "1. Small effusion.",
        "section_clinical_history": "Fever.",
        "section_comparison": "None.",
        "report": "IMPRESSION: 1. Small effusion.",
    }
    found = sections.from_mapping(row)
    assert found.impression == "1. Small effusion."
    assert found.indication == "Fever."
    assert (found.findings, found.comparison, found.body) == (None, None, None)


def test_a_lone_report_is_taken_apart() -> None:
    assert sections.from_mapping({"report": MIMIC}) == sections.from_text(MIMIC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A 2.5 cm nodule. No effusion.", ["A 2.5 cm nodule.", "No effusion."]),
        ("1. Stable chest. 2. Mild edema.", ["Stable chest.", "Mild edema."]),
        ("1.Cardiomegaly 2. Opacity in the left base", ["Cardiomegaly", "Opacity in the left base"]),
        ("1) Effusion.\n2) Edema.", ["Effusion.", "Edema."]),
        ("Discussed with Dr. Smith at 3 p.m. by phone. Clear lungs.", None),
        ("Atelectasis vs. Infiltrate at the base.", ["Atelectasis vs. Infiltrate at the base."]),
        ("XXXX opacity. XXXX lungs.", ["XXXX opacity.", "XXXX lungs."]),
        ("Tip is 4.0 cm above the carina, e.g. Too high.", ["Tip is 4.0 cm above the carina, e.g. Too high."]),
        ("Normal mediastinum.There is no effusion..", ["Normal mediastinum.", "There is no effusion.."]),
        ("The heart\nis enlarged.", ["The heart is enlarged."]),
        ("No pneumothorax\n\nNo effusion", ["No pneumothorax", "No effusion"]),
        ("Is this edema? No.", ["Is this edema?", "No."]),
        (" . - ", []),
    ],
)
def test_sentences(text: str, expected: list[str] | None) -> None:
    found = [sentence.text for sentence in sentences.split(text)]
    wanted = expected or ["Discussed with Dr. Smith at 3 p.m. by phone.", "Clear lungs."]
    assert found == (wanted if expected != [] else [])


@given(st.text(alphabet="abcXY 0129.,;:()!?\n-", max_size=120))
def test_sentences_keep_every_word_and_their_offsets(text: str) -> None:
    found = sentences.split(text)
    for sentence in found:
        assert " ".join(text[sentence.start : sentence.end].split()) == " ".join(sentence.text.split())
    assert all(a.end <= b.start for a, b in pairwise(found))
    inside = "".join(char for s in found for char in text[s.start : s.end] if char.isalpha())
    assert inside == "".join(char for char in text if char.isalpha())


def test_notes_on_a_case_say_nothing_of_the_film():
    notes = {"notes": "CT showed consolidation. A tracheostomy tube was placed ten days after this radiograph."}
    known = sections.from_mapping(notes)
    assert known.indication and not known.stating()


def test_a_reading_without_a_header_stands_below_the_last_one():
    text = """                     FINAL REPORT
 SINGLE FRONTAL VIEW OF THE CHEST

 REASON FOR EXAM:  Intubated patient with
 pneumonia.

 ET tube tip is 3 cm above the carina.

 There is no pneumothorax.
"""
    known = sections.from_text(text)
    assert known.indication == "Intubated patient with\n pneumonia."
    assert known.body is not None and known.body.startswith("ET tube") and known.body.endswith("no pneumothorax.")
    assert "ET tube" in dict(known.stating())["body"]
    asked = sections.from_text("INDICATION: cough\n\nIMPRESSION: clear")
    assert asked.indication == "cough" and asked.body is None
