"""Report text is scrubbed of what names a person, and keeps its findings."""

from __future__ import annotations

import re
import string
import tarfile
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mgll_data.phi.scrub import scrub
from tests.conftest import SHARED

OPENI = SHARED / "noncommercial" / "openi-indiana-reports" / "NLMCXR_reports.tgz"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Discussed with Dr. John Smith at 4:30 PM on 3/14/2015.", "Discussed with Dr. ___ at ___ on ___."),
        ("DISCUSSED WITH DR SMITH AT 1430 HOURS BY TELEPHONE", "DISCUSSED WITH DR ___ AT ___ BY TELEPHONE"),
        ("paged to dr. quill yesterday", "paged to dr. ___ yesterday"),
        ("DICTATED BY JOHN QUILL, PAGED ANN BELL", "DICTATED BY ___, PAGED ___"),
        ("Drs. Smith and Jones agree.", "Drs. ___ agree."),
        ("Mrs. O'Brien-Lee has pain.", "Mrs. ___ has pain."),
        ("Signed by Jane Q. Doe, MD", "Signed by ___, MD"),
        ("XR CHEST AP PORTABLE for Quill Testperson", "XR CHEST AP PORTABLE for ___"),
        ("Patient: DOE, JANE", "Patient: ___"),
        ("DOE^JANE^A", "___"),
        ("findings were given to Nurse Ratched", "findings were given to Nurse ___"),
        ("Call (617) 555-1234 or 555-9876, pager 12345.", "Call ___ or ___, pager ___."),
        ("fax +49 511 5320 9876", "fax ___"),
        ("CD for 6175551234", "CD for ___"),
        ("Seen 2015-03-14, 14.03.2015, 03/14/15, 20150314.", "Seen ___, ___, ___, ___."),
        ("Film of March 3rd, 2019 and 12 Mar 2018 and Sep1999.", "Film of ___ and ___ and ___."),
        ("Compared to 3/14 and since January, in 2012.", "Compared to ___ and since ___, in ___."),
        ("MRN: 1234567, accession number A12345B, SSN 123-45-6789", "MRN: ___, accession number ___, SSN ___"),
        ("write to jane.doe@example.org or www.example.com/x", "write to ___ or ___"),
        ("object 1.2.840.113619.2.5.1762583153", "object ___"),
        ("from Massachusetts General Hospital", "from ___"),
        ("lives at 12 Elm Street", "lives at ___"),
        ("92-year-old woman, 101 y/o man, aged 95", "90+-year-old woman, 90+ y/o man, aged 90+"),
        ("[**Last Name (un) 123**] and XXXX and ___", "___ and ___ and ___"),
    ],
)
def test_what_identifies_is_replaced(text: str, expected: str) -> None:
    assert scrub(text).text == expected


@pytest.mark.parametrize(
    "text",
    [
        "There is a 2.5 x 3.1 cm nodule in the right upper lobe, 12 mm before.",
        "The 45-year-old patient has no pleural effusion; T4-5 disc space narrowing, L1-L2.",
        "No evidence for Pleural Effusion. Evaluate for Pneumothorax in the Right Upper Lobe.",
        "This may represent pneumonia; edema may 2 cm above.",
        "COVID-19 pneumonia. SpO2 92%. Contrast 100 ml, dose 5000 units.",
        "2 views of the chest. Ribs 3-5 are fractured. Cardiothoracic ratio of 16.2/24.7.",
        "PA AND LATERAL CHEST RADIOGRAPH WITH NO FOCAL CONSOLIDATION",
        "Swan-Ganz catheter with tip 3 cm above the carina, Kerley B lines.",
        "MR BRAIN WITHOUT CONTRAST. REASON FOR HOSPITAL ADMISSION. LUNGS CLEAR TO AUSCULTATION BILATERALLY",
        "Severity 3/6, one half (1/2) of the lung.",
    ],
)
def test_findings_and_measurements_stay(text: str) -> None:
    scrubbed = scrub(text)
    assert scrubbed.text == text and scrubbed.removed == 0


def test_counts_tell_new_gaps_from_old_ones() -> None:
    scrubbed = scrub("XXXX seen by Dr. Quill on 1/2/2019 and 1/3/2019.")
    assert scrubbed.counts == {"gap": 1, "name": 1, "date": 2}
    assert scrubbed.removed == 3


PIECES = st.sampled_from(
    [
        "Dr. Quill",
        "on 3/4/2015",
        "at 4 pm",
        "no effusion.",
        "2.5 cm",
        "for Ann Bell",
        "pager 1234567",
        "XXXX",
        "___",
        "\n",
    ]
)


@given(st.lists(PIECES | st.text(string.printable, max_size=12), max_size=12).map(" ".join))
def test_scrubbing_never_fails_and_leaves_no_long_number(text: str) -> None:
    scrubbed = scrub(text)
    assert not re.search(r"(?<![\w.-])\d{7,}(?![\w.-])", scrubbed.text)
    assert all(count > 0 for count in scrubbed.counts.values())


@given(st.lists(PIECES, max_size=12).map(" ".join))
def test_scrubbing_twice_changes_nothing(text: str) -> None:
    once = scrub(text)
    assert scrub(once.text).removed == 0


@pytest.mark.skipif(not OPENI.is_file(), reason="no real reports here")
def test_real_deidentified_reports_lose_next_to_nothing() -> None:
    """People have removed the names from these reports, so what is found now is a false alarm, or was overlooked."""
    touched = total = 0
    with tarfile.open(OPENI) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".xml") else None
            if file is not None:
                report = ElementTree.fromstring(file.read())
                text = "\n".join(part.text or "" for part in report.iter("AbstractText"))
                total += 1
                touched += bool(scrub(text).removed)
    assert total == 3955
    assert touched <= 5
