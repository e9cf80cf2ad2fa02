"""What a header says of its content: chest or not, which view, and which tag tells it."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from mgll_data.images.dicom_words import is_elsewhere, view_from_words, view_of


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (["", "", "CHEST"], False),
        (["AP", None, "HIP"], True),
        (["FLAT_PLATE_OF_ABDOMEN_PORTABLE", "", "CHEST"], True),
        (["", "", "", "XR CHEST AND ABDOMEN"], False),
        (["", "", "", "MODALITYLUT - TEETH"], True),
        (["", "", "PORT CHEST", "ABDOMEN SERIES"], False),
        (["THORACIC SPINE AP"], True),
        (["", "", "", "RIBS UNILATERAL"], False),
        (["No Finding"], False),
        ([], False),
    ],
)
def test_body_part(statements: list[str | None], expected: bool) -> None:
    assert is_elsewhere(statements) is expected


@pytest.mark.parametrize(
    ("text", "coded", "expected"),
    [
        ("PA", True, "pa"),
        ("AP", True, "ap"),
        ("LL", True, "lateral"),
        ("RL", True, "lateral"),
        ("LARGE LATERAL", True, "lateral"),
        ("XTABLE LATERAL", True, "lateral"),
        ("PA LLD", True, "other"),
        ("AP AXIAL", True, "other"),
        ("POSTEROANTERIOR", True, "pa"),
        ("postero-anterior", True, "pa"),
        ("antero-posterior", True, "ap"),
        ("OBLICUA", True, "other"),
        ("", True, None),
        (None, True, None),
        ("UNKNOWN", True, None),
        ("XR CHEST PA AND LATERAL", False, None),
        ("XR CHEST AP PORTABLE", False, "ap"),
        ("CHEST PAIN", False, None),
        ("W033 Chest PA", False, "pa"),
    ],
)
def test_view_words(text: str | None, coded: bool, expected: str | None) -> None:
    assert view_from_words(text, coded=coded) == expected


def test_view_falls_back_in_order() -> None:
    ds = Dataset()
    assert view_of(ds) == (None, None)
    ds.StudyDescription = "CHEST AP PORTABLE"
    assert view_of(ds) == ("ap", "StudyDescription")
    ds.PatientOrientation = ["A", "F"]
    assert view_of(ds) == ("lateral", "PatientOrientation")
    ds.PatientOrientation = ["L", "F"]
    assert view_of(ds) == ("ap", "StudyDescription")
    item = Dataset()
    item.CodeMeaning = "postero-anterior"
    ds.ViewCodeSequence = [item]
    assert view_of(ds) == ("pa", "ViewCodeSequence")
    ds.ViewPosition = "LL"
    assert view_of(ds) == ("lateral", "ViewPosition")
