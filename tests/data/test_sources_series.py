"""Films that come as DICOM series: tables of the Imaging Data Commons, RICORD's readers, MIDRC's nodes."""

import json
from collections import Counter

import pytest

from mgll_data import hierarchy
from mgll_data.errors import UsageError
from mgll_data.harmonise import load_labels
from mgll_data.recipe import VOCAB
from mgll_data.sources import covid19_ar, covid19_ny_sbu, midrc, midrc_ricord_1c
from mgll_data.sources.dicom_series import IDC_COLUMNS, film_view, off_chest
from mgll_data.votes import resolve
from tests.data.source_files import put, split

CXR = hierarchy.load(VOCAB / "cxr")


def closed(card, record, policy="majority"):
    labels = dict(record.labels) | resolve(record.votes, policy)
    found = load_labels(VOCAB / "cxr", [card], CXR)[card.name].apply(labels, CXR)
    assert not found[2], "unmapped words"
    return found[1]


@pytest.mark.parametrize(
    ("study", "series", "body", "excluded"),
    [
        ("FLAT PLATE OF ABDOMEN PORTABLE", "AP", "CHEST", True),
        ("ABD SERIES FLAT AND ERECT PORTABLE", "AP", "ABDOMEN", True),
        ("CHEST AP PORT", "AP", "ABDOMEN", False),
        ("CHEST AP PORT", "AP", "KIDNEY", False),
        ("XR ACUTE ABDOMINAL SERIES W PA CHEST PORTABLE", "AP Supine", "ABDOMEN", True),
        ("XR ACUTE ABDOMINAL SERIES W PA CHEST PORTABLE", "Chest AP", "CHEST", False),
        ("", "", "ABDOMEN", True),
        ("", "", "", False),
        ("W Chest PA", "", "", False),
        ("XR KNEE 2 VIEWS", "AP", "", True),
    ],
)
def test_the_description_counts_before_a_body_part_that_the_machine_filled_in(study, series, body, excluded):
    assert off_chest(study, series, body) is excluded


@pytest.mark.parametrize(
    ("series", "study", "view"),
    [
        ("AP", "CHEST AP PORT", "ap"),
        ("", "XR CHEST PA ONLY", "pa"),
        ("Lateral L", "XR CHEST PA AND LATERAL", "lateral"),
        ("", "XR CHEST PA AND LATERAL", None),
        ("", "", None),
    ],
)
def test_a_view_is_taken_from_the_first_text_that_names_one_alone(series, study, view):
    assert film_view(series, study) == view


def idc(root, collection, *rows):
    lines = [",".join([*IDC_COLUMNS, "StudyDate"])]
    for row in rows:
        cells = {"collection_id": collection, "Modality": "CR", "StudyDate": "1901-01-01", **row}
        lines.append(",".join(cells.get(name, "") for name in (*IDC_COLUMNS, "StudyDate")))
    put(root / "idc_index.csv", "\n".join(lines))


def test_idc_series_become_films_and_everything_else_is_counted(tmp_path):
    film = {"PatientID": "A1", "PatientAge": "053Y", "PatientSex": "O", "StudyDescription": "CHEST AP PORT"}
    idc(
        tmp_path,
        "covid_19_ny_sbu",
        {**film, "StudyInstanceUID": "1.1", "SeriesInstanceUID": "2.1", "SeriesDescription": "AP"},
        {**film, "StudyInstanceUID": "1.1", "SeriesInstanceUID": "2.2"},
        {**film, "StudyInstanceUID": "1.2", "SeriesInstanceUID": "2.3", "StudyDescription": "ABDOMEN SUPINE KUB"},
        {**film, "StudyInstanceUID": "1.3", "SeriesInstanceUID": "2.4", "Modality": "CT"},
        {**film, "StudyInstanceUID": "1.4", "SeriesInstanceUID": "2.5", "collection_id": "lidc_idri"},
        {**film, "StudyInstanceUID": "1.1", "SeriesInstanceUID": "2.1"},
        {**film, "PatientID": "..", "StudyInstanceUID": "1.5", "SeriesInstanceUID": "2.6"},
    )
    for path in ("covid/A1/1.1/CR_2.2/a.dcm", "covid/A1/1.1/CR_2.2/b.dcm", "covid/A1/9/CR_2.9/c.dcm", "d.dcm"):
        put(tmp_path / path)
    records, rejected = split(list(covid19_ny_sbu.read(tmp_path)))
    assert [r.image for r in records] == [
        "A1/1.1/CR_2.1/1.dcm",  # not on disk: a place where it could be
        "covid/A1/1.1/CR_2.2/a.dcm",
        "covid/A1/1.1/CR_2.2/b.dcm",
    ]
    assert [r.view for r in records] == ["ap", None, None]  # what describes two films is the view of neither
    assert {(r.patient, r.study, r.age, r.sex) for r in records} == {("A1", "1.1", 53, None)}
    assert records[0].captions == {"modality": "CR", "study": "CHEST AP PORT", "series": "AP"}
    assert "cxr.covid19" in closed(covid19_ny_sbu.CARD, records[0]).uncertain
    assert Counter(r.reason for r in rejected) == {"not_chest": 2, "bad_row": 2, "path_escape": 1, "unlisted": 2}
    assert not [r for r in rejected if r.outcome == "quarantined" and r.image]
    with pytest.raises(UsageError, match="idc_index"):
        list(covid19_ar.read(tmp_path / "covid"))


NAMES = ("Typical Appearance", "Negative for Pneumonia", "Mild Opacities  (1-2 lung zones)", "Severe Opacities (>4)")


def ricord(root, *said):
    """said: (group, index in NAMES, study)."""
    idc(
        root,
        "midrc_ricord_1c",
        *({"PatientID": f"P{n}", "StudyInstanceUID": f"1.{n}", "SeriesInstanceUID": f"2.{n}"} for n in range(4)),
    )
    groups = ("Annotator A", "Annotator B", "Annotator C", "Adjudication")
    labels = [
        {"id": f"G{g}", "name": name, "labels": [{"id": f"L{g}{i}", "name": text} for i, text in enumerate(NAMES)]}
        for g, name in enumerate(groups)
    ]
    notes = [{"labelId": f"L{groups.index(group)}{i}", "StudyInstanceUID": study} for group, i, study in said]
    put(root / "1c_mdai_export.json", json.dumps({"labelGroups": labels, "datasets": [{"annotations": notes}]}))


def test_ricord_readers_vote_an_adjudication_settles_and_a_film_nobody_read_stays_open(tmp_path):
    a, b, c, judge = "Annotator A", "Annotator B", "Annotator C", "Adjudication"
    ricord(
        tmp_path,
        *[(a, 0, "1.0"), (b, 0, "1.0"), (c, 1, "1.0"), (a, 2, "1.0"), (b, 3, "1.0")],
        *[(a, 0, "1.1"), (b, 1, "1.1"), (judge, 1, "1.1")],
        *[(a, 1, "1.2"), (b, 1, "1.2"), (c, 1, "1.2")],
    )
    records, rejected = split(list(midrc_ricord_1c.read(tmp_path)))
    voted, judged, negative, unread = records
    assert voted.votes["Typical"] == (2, 3) and voted.votes["Negative"] == (1, 3) and voted.votes["Atypical"] == (0, 3)
    assert voted.votes["Mild"] == (1, 2) and voted.votes["Moderate"] == (0, 2)
    assert voted.qualifiers["Severe"] == ("severe",)
    assert not judged.votes and "Negative" in judged.labels
    assert "cxr.covid19" in closed(midrc_ricord_1c.CARD, voted).present
    for record in (judged, negative):
        found = closed(midrc_ricord_1c.CARD, record)
        assert "cxr.covid19_patient" in found.present and "cxr.covid19" in CXR.ontology.down(found.absent)
    assert "cxr.covid19" in closed(midrc_ricord_1c.CARD, unread).uncertain
    assert not rejected


def test_ricord_says_what_is_wrong_with_annotations_of_another_kind(tmp_path):
    ricord(tmp_path)
    put(tmp_path / "1c_mdai_export.json", '{"labelGroups": []}')
    with pytest.raises(UsageError, match=r"MD\.ai"):
        list(midrc_ricord_1c.read(tmp_path))


def tsv(path, *rows):
    put(path, "\n".join("\t".join(row) for row in rows) + "\n")


def test_midrc_joins_case_study_and_series_and_hands_descriptions_on_as_captions(tmp_path):
    tsv(
        tmp_path / "node/Open-A1_case.tsv",
        ("*type", "*submitter_id", "covid19_positive", "age_at_index", "sex", "zip"),
        ("case", "c1", "Yes", "61", "Male", "60637"),
        ("case", "c2", "", "47", "Female", ""),
        ("case", "c1", "No", "61", "Male", "60637"),
    )
    head = ("submitter_id", "cases.submitter_id", "study_description", "body_part_examined", "loinc_long_common_name")
    tsv(
        tmp_path / "imaging_study.tsv",
        head,
        ("s1", "c1", "XR CHEST for Jane Doe", "['CHEST']", "XR Chest Single view"),
        ("s2", "c2", "[blank]", "", "XR Chest AP"),
        ("s3", "c9", "XR CHEST", "", ""),
        ("s4", "c2", "XR KUB, FLAT PLATE, ABDOMEN 1 VIEW", "CHEST", "Portable XR Chest AP single view"),
    )
    columns = ("imaging_studies.submitter_id", "series_uid", "series_description", "modality", "view_position")
    tsv(tmp_path / "cr_series_file.tsv", columns, ("s1", "9.1", "AP", "CR", "PA"), ("s3", "9.3", "", "CR", ""))
    rows = (("s2", "9.2", "(blank)", "DX", ""), ("s4", "9.4", "", "DX", ""), ("s0", "9.5", "", "DX", ""))
    tsv(tmp_path / "dx_series_file.tsv", columns, *rows)
    put(tmp_path / "c2/s2/9.2/x.dcm")
    put(tmp_path / "c2/s2/9.9/y.dcm")
    records, rejected = split(list(midrc.read(tmp_path)))
    first, second = records
    assert (first.image, first.patient, first.study, first.view) == ("c1/s1/9.1/1.dcm", "c1", "s1", "pa")
    assert first.captions == {"modality": "CR", "study": "XR CHEST for Jane Doe", "series": "AP"}
    assert second.image == "c2/s2/9.2/x.dcm" and second.captions == {"modality": "DX", "study": "XR Chest AP"}
    assert (first.age, first.sex, second.sex) == (61, "M", "F")
    yes = closed(midrc.CARD, first)
    assert "cxr.covid19_patient" in yes.present
    assert not yes.uncertain  # the test may be months from the film
    assert not closed(midrc.CARD, second).present
    # A case told twice and differently, a study without its case, a series without its study; the abdomen in spite of
    # its LOINC name; a file of no listed series.
    assert Counter(r.reason for r in rejected) == {"bad_row": 3, "not_chest": 1, "unlisted": 1}
    (tmp_path / "imaging_study.tsv").unlink()
    with pytest.raises(UsageError, match="imaging_study"):
        list(midrc.read(tmp_path))
