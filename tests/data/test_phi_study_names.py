"""Study descriptions become common names made of our own words; nothing of a description passes."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgll_data.images.dicom_words import words
from mgll_data.images.study_names import safe_captions, study_name

OUR_WORDS = set(
    words("""PORTABLE XR CHEST ABDOMEN AND RIBS PA AP FRONTAL LATERAL OBLIQUE DECUBITUS LORDOTIC SINGLE VIEW VIEWS
    1 2 3 4 5 6 OR MORE SUPINE UPRIGHT SITTING SEMI""")
)


@pytest.mark.parametrize(
    ("description", "view", "expected"),
    [
        ("CHEST AP PORT", None, "Portable XR Chest AP view"),
        ("XR CHEST AP PORTABLE for Quill Testperson", None, "Portable XR Chest AP view"),
        ("CHEST, PA & LATERAL", "pa", "XR Chest PA and lateral views"),
        ("CHEST 2V FRONTAL/LATERAL", None, "XR Chest frontal and lateral views"),
        ("RAD Chest 2 V Pa and Lat 71020", None, "XR Chest PA and lateral views"),
        ("Chest, Two (2) Views", None, "XR Chest 2 views"),
        ("CHEST (SINGLE VIEW)", None, "XR Chest single view"),
        ("CHEST (SINGLE VIEW)", "pa", "XR Chest PA single view"),
        ("XR CHEST AP OR PA", "pa", "XR Chest PA view"),
        ("XR CHEST AP OR PA", None, "XR Chest frontal view"),
        ("CHEST ROUTINE PA AP AND LATERAL", None, "XR Chest frontal and lateral views"),
        ("Chest x-XXXX XXXX and lateral", None, "XR Chest frontal and lateral views"),
        ("XR Ribs w/ PA Chest Right", None, "XR Ribs and Chest PA view"),
        ("ABDOMEN MIN 3 VIEWS+CHEST", None, "XR Abdomen and Chest 3 or more views"),
        ("THORAX supine", "ap", "XR Chest AP view supine"),
        ("CHEST", "other", "XR Chest views"),
        ("CT CHEST W CONTRAST", None, None),
        ("KNEE 3 VIEWS", None, None),
        ("", "pa", None),
    ],
)
def test_names(description: str, view: str | None, expected: str | None) -> None:
    assert study_name("CR", description, view) == expected
    # What a record keeps of the description gives the same name.
    assert study_name("CR", safe_captions({"study": description}).get("study", ""), view) == expected


def test_other_modalities_have_none() -> None:
    assert study_name("CT", "CHEST", None) is None
    assert study_name(None, "CHEST", None) == "XR Chest views"


@given(
    st.lists(
        st.sampled_from(["CHEST", "PA", "lateral", "2 VIEWS", "portable", "617-555-1234", "Quill Doe", "Sep1999"])
        | st.text(string.printable, max_size=10)
    ).map(" ".join),
    st.sampled_from([None, "pa", "ap", "lateral", "other"]),
)
def test_nothing_of_a_description_passes(description: str, view: str | None) -> None:
    name = study_name("DX", description, view)
    assert name is None or set(words(name)) <= OUR_WORDS
    kept = safe_captions({"study": description, "series": description, "modality": description})
    for text in kept.values():
        assert not {"QUILL", "DOE", "617", "555", "1234", "SEP1999"} & set(words(text))
