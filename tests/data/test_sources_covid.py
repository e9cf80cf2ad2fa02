"""COVID-19 sets: the patient's diagnosis is no reading of the film, and lists repeat the films of other sets."""

import csv
import json
import re
from collections import Counter

import pytest

from mgll_data import hierarchy
from mgll_data.errors import UsageError
from mgll_data.harmonise import load_labels
from mgll_data.recipe import VOCAB
from mgll_data.schema import State
from mgll_data.sources import (
    actualmed_covid,
    brixia,
    covid19_hannover,
    covid_chestxray,
    covidgr,
    covidx,
    figure1_covid,
    siim_covid19,
)
from mgll_data.sources.nih_identity import MAPPING
from tests.data.source_files import put, real, split

CXR = hierarchy.load(VOCAB / "cxr")
SUBSET = "noncommercial/covid-chestxray-ieee8023-subset"


def closed(card, record):
    found = load_labels(VOCAB / "cxr", [card], CXR)[card.name].apply(record.labels, CXR)
    assert not found[2], "unmapped words"
    return found[1]


def ieee(root, *rows):
    head = "patientid,offset,sex,age,finding,view,modality,folder,filename,url,license,clinical_notes,other_notes,"
    put(root / "metadata.csv", "\n".join([head, *rows]) + "\n")


def test_findings_are_paths_or_lists_and_covid_is_the_patients(tmp_path):
    ieee(
        tmp_path,
        '2,0,M,65,Pneumonia/Viral/COVID-19,PA,X-ray,images,a.jpg,u,CC BY 4.0,"Cough, fever",,',
        '3,0,F,50.0,"COVID-19, ARDS",AP Supine,X-ray,images,b.PNG,u,,,,',
        "4,,,,Pneumonia/Bacterial/Nocardia,L,X-ray,images,c.jpeg,u,,,,",
        "5,,,,Pneumonia/Fungal/Pneumocystis,?,X-ray,images,d.jpg,u,,,,",
        "6,,,,Pneumonia,Axial,CT,volumes,e.nii.gz,u,,,,",
        "7,,,,todo,PA,X-ray,images,f.jpg,u,,,,",
        "8,,,,Unknown,PA,X-ray,images,g.jpg,u,,,,",
        "9,,,,No Finding,PA,X-ray,images,../h.jpg,u,,,,",
        "10,,,,No Finding,PA,X-ray,images,i.jpg,u,,note,,an unnamed value",
    )
    put(tmp_path / "images/b.PNG")
    records, rejected = split(list(covid_chestxray.read(tmp_path)))
    first, second, third, fourth = (closed(covid_chestxray.CARD, record) for record in records)
    assert "cxr.covid19_patient" in first.present and "cxr.covid19" in first.uncertain
    assert "cxr.pneumonia" not in first.present
    assert {"cxr.covid19_patient", "cxr.lung_opacity"} <= second.present
    assert "cxr.pneumonia.bacterial" in third.present
    assert "cxr.pneumonia" in fourth.present and "cxr.pneumonia.viral" not in fourth.present | fourth.uncertain
    assert [r.view for r in records] == ["pa", "ap", "lateral", None]
    assert [r.attrs["licence"] for r in records] == ["CC BY 4.0", "unstated", "unstated", "unstated"]
    assert records[0].report == {"notes": "Cough, fever"} and not records[1].report
    assert Counter(r.reason for r in rejected) == {"not_chest": 1, "no_label": 2, "path_escape": 1, "bad_row": 1}


def test_the_real_table_is_read_whole_and_names_every_known_copy_of_a_hannover_film():
    folder = real(SUBSET)
    records, rejected = split(list(covid_chestxray.read(folder)))
    with (folder / "metadata.csv").open(newline="", encoding="utf-8-sig") as file:
        assert len(records) + len(rejected) == sum(1 for _ in csv.reader(file)) - 1 == 758
    assert Counter(r.reason for r in rejected) == {"not_chest": 84, "no_label": 101, "bad_row": 5}
    for record in records:
        closed(covid_chestxray.CARD, record)
    links = {record.image: record.same_as for record in records if record.same_as}
    assert {source for link in links.values() for source, _ in link} == {covid19_hannover.CARD.name}
    known = csv.DictReader((folder.parents[1] / "known_cross_source_duplicates.tsv").open(), delimiter="\t")
    copies = {row["file_a"].removeprefix(f"{SUBSET}/"): row["file_b"].rpartition("/")[2] for row in known}
    found = {image: theirs for image, theirs in copies.items() if image in links}
    assert (len(copies), len(found)) == (13, 7)  # the finding of the other six is `todo`
    assert all(links[image] == (("covid19_hannover", theirs),) for image, theirs in found.items())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
def test_figure1_reads_both_encodings_and_puts_the_films_of_a_patient_together(tmp_path, encoding):
    head = "patientid,offset,sex,age,finding,view,modality,originalfile,notes"
    rows = ["COVID-00003a,,M,28,COVID-19,AP erect,X-ray,,39\N{DEGREE SIGN}C", "COVID-00003b,,M,50+,COVID-19,PA,X-ray,,"]
    put(tmp_path / "metadata.csv", "\n".join([head, *rows, "COVID-00004,,,,,,X-ray,,"]).encode(encoding))
    put(tmp_path / "images/COVID-00003b.png")
    records, rejected = split(list(figure1_covid.read(tmp_path)))
    assert {r.patient for r in records} == {"COVID-00003"}
    assert [r.image for r in records] == ["images/COVID-00003a.jpg", "images/COVID-00003b.png"]
    assert records[0].report == {"notes": "39\N{DEGREE SIGN}C"} and records[0].view == "ap"
    assert [r.age for r in records] == [28, None]
    assert [r.reason for r in rejected] == ["no_label"]


def test_actualmed_no_finding_is_no_covid_and_no_date_or_uid_is_taken_over(tmp_path):
    head = (
        "patientid,offset,sex,age,finding,survival,temperature,pO2 saturation,view,modality,imagename,artifacts,notes"
    )
    note = '"Negative (covid-19 viral infection is excluded), date taken (YYYYMMDD): 20200317"'
    rows = [
        f"ANON56,,,,No finding,,,,PA,X-ray,CR.1.2.840.png,,{note}",
        'ANON196,,,,,,,,PA,X-ray,CR.1.2.841.png,,"Inconclusive, date taken (YYYYMMDD): 20200313"',
    ]
    put(tmp_path / "metadata.csv", "\n".join([head, *rows]))
    (record,), (rejected,) = split(list(actualmed_covid.read(tmp_path)))
    found = closed(actualmed_covid.CARD, record)
    assert "cxr.normal" not in found.present | found.uncertain
    assert {"cxr.covid19", "cxr.covid19_patient"} <= CXR.ontology.down(found.absent)
    told = (record.report, record.captions, record.attrs, record.labels, record.qualifiers, record.device)
    assert not re.search(r"2020\d{4}|1\.2\.84", repr(told))
    assert rejected.reason == "no_label"


def test_covidx_lists_of_three_and_four_fields_and_the_films_that_they_repeat(tmp_path):
    uuid = "47c78742-face-4878-aec4-37b11b1354ac"  # `face` is no part of the body here
    train = [
        "3 SARS-day0.jpeg pneumonia cohen",
        f"{uuid} {uuid}.png pneumonia rnsa",
        "COVID-00003 COVID-00003a.jpg COVID-19 fig1",
        "ANON1 CR.1.2.png COVID-19 actmed",
        "419639-003251 MIDRC-RICORD-1C-419639-003251-46647-0.png positive ricord",
        "A1 A1-FLAT_PLATE_OF_ABDOMEN_PORTABLE-1.png COVID-19 stonybrook",
        "A1 A1-CHEST_AP_PORT-2.png COVID-19 stonybrook",
        "5 name with spaces.png normal cohen",
    ]
    put(tmp_path / "train_COVIDx9A.txt", "\n".join(train) + "\n\n")
    put(tmp_path / "test_COVIDx9A.txt", "7 old.png normal\n7 ../x.png normal\n")
    put(tmp_path / "train/unnamed.png")
    records, rejected = split(list(covidx.read(tmp_path)))
    links = {r.image.rpartition("/")[2]: dict(r.same_as) for r in records}
    assert links["SARS-day0.jpeg"] == {"covid_chestxray": "SARS-day0.jpeg"}
    assert links[f"{uuid}.png"] == {"rsna_pneumonia": f"{uuid}.dcm"}
    assert links["COVID-00003a.jpg"] == {"figure1_covid": "COVID-00003a.jpg"}
    assert links["CR.1.2.png"] == {"actualmed_covid": "CR.1.2.png"}
    patients = {r.image.rpartition("/")[2]: (r.patient_of, r.patient) for r in records}
    assert patients["SARS-day0.jpeg"] == ("covid_chestxray", "3")
    assert ("midrc_ricord_1c", "419639-003251") in patients.values()
    assert ("covid19_ny_sbu", "A1") in patients.values()
    assert patients[f"{uuid}.png"][1] is None  # RSNA's id is a film, not a patient
    words = {r.image.rpartition("/")[2]: next(iter(r.labels)) for r in records}
    assert words[f"{uuid}.png"] == "pneumonia/rsna" and words["old.png"] == "normal"
    rsna = closed(covidx.CARD, next(r for r in records if r.image == f"train/{uuid}.png"))
    assert "cxr.lung_opacity" in rsna.present and "cxr.pneumonia" in rsna.uncertain
    assert {r.official_split for r in records} == {"train", "test"}
    counted = Counter(r.reason for r in rejected)
    assert counted == {"not_chest": 1, "bad_row": 1, "path_escape": 1, "unlisted": 1}


def test_covidx_takes_the_patient_of_an_rsna_film_from_the_mapping(tmp_path):
    put(tmp_path / "train_COVIDx9A.txt", "a1 a1.png normal rsna\nb2 b2.png normal rsna\nx/1 c.png positive bimcv\n")
    put(tmp_path / "test_COVIDx9A.txt", "c3 c3.png normal rsna\n")
    mapping = [
        {"subset_img_id": film, "img_id": name} for film, name in (("a1", "00000009_000"), ("c3", "00000009_001"))
    ]
    put(tmp_path / MAPPING, json.dumps(mapping))
    records, rejected = split(list(covidx.read(tmp_path)))
    first, second, third, fourth = records
    assert not rejected
    assert (first.patient, first.patient_of) == (fourth.patient, fourth.patient_of) == ("9", "nih_cxr14")
    assert ("nih_cxr14", "00000009_000.png") in first.same_as
    assert second.patient is None and (third.patient, third.patient_of) == ("bimcv/x/1", "")


def test_lipoid_pneumonia_is_no_infection_and_a_licence_cell_is_no_free_text(tmp_path):
    row = "{},0,M,65,Pneumonia/Lipoid,PA,X-ray,images,{}.jpg,u,{},,,"
    terms = ("CC BY-NC-SA 4.0", "ask Dr. Jane Doe at 555-0100", "listed as authorized for everyone")
    ieee(tmp_path, *(row.format(n, n, text) for n, text in enumerate(terms)))
    records, _ = split(list(covid_chestxray.read(tmp_path)))
    assert [r.attrs["licence"] for r in records] == [terms[0], "other", terms[2]]
    found = closed(covid_chestxray.CARD, records[0])
    assert "cxr.lung_opacity" in found.present and "cxr.infection" in found.uncertain


def test_covidx_asks_for_the_lists_of_one_version(tmp_path):
    with pytest.raises(UsageError, match="no list"):
        list(covidx.read(tmp_path))
    put(tmp_path / "train_COVIDx9A.txt", "7 old.png normal\n")
    put(tmp_path / "train_COVIDx9B.txt", "7 old.png negative rsna\n")
    with pytest.raises(UsageError, match="one version"):
        list(covidx.read(tmp_path))


def test_a_study_of_two_films_gives_its_class_to_the_one_with_boxes(tmp_path):
    classes = "Negative for Pneumonia,Typical Appearance,Indeterminate Appearance,Atypical Appearance"
    put(tmp_path / "train_study_level.csv", f"id,{classes}\ns1_study,0,1,0,0\ns2_study,1,0,0,0\ns3_study,1,1,0,0\n")
    box = "\"[{'x': 1.5, 'y': 2, 'width': 3, 'height': 4}]\""
    rows = [f"a_image,{box},opacity 1 1.5 2 4.5 6,s1", "b_image,,none 1 0 0 1 1,s1", "c_image,,none 1 0 0 1 1,s2"]
    rows += ["d_image,,none 1 0 0 1 1,s3", '"e_image","[{\'x\': 1}]",opacity,s2']
    put(tmp_path / "train_image_level.csv", "\n".join(["id,boxes,label,StudyInstanceUID", *rows]))
    put(tmp_path / "train/s1/series/a.dcm")
    records, rejected = split(list(siim_covid19.read(tmp_path)))
    assert [r.image for r in records] == ["train/s1/series/a.dcm"]
    assert records[0].regions[0].box == (1.5, 2, 4.5, 6)
    assert "cxr.covid19" in closed(siim_covid19.CARD, records[0]).uncertain
    # A study of two classes, its film, and boxes that cannot be read; and the second film of s1.
    assert Counter(r.reason for r in rejected) == {"bad_row": 3, "no_label": 2}


def test_brixia_puts_lost_zeros_back_and_a_score_of_zero_denies_pneumonia_of_covid(tmp_path):
    rows = ["1.dcm;000000;0", "2.dcm;1000.0;1", "3.dcm;012122;8", "4.dcm;012122;9", "5.dcm;412122;12", "6.dcm;;0"]
    put(tmp_path / "metadata_global_v2.csv", "\ufeffFilename;BrixiaScore;BrixiaScoreGlobal\n" + "\n".join(rows))
    records, rejected = split(list(brixia.read(tmp_path)))
    assert [dict(r.qualifiers) for r in records[1:3]] == [{"score=1": ("right",)}, {"score=2": ("bilateral",)}]
    nothing, some, _ = (closed(brixia.CARD, record) for record in records[:3])
    assert {"cxr.covid19", "cxr.alveolar"} <= CXR.ontology.down(nothing.absent)
    assert "cxr.covid19_patient" in nothing.present
    assert "cxr.interstitial" in some.present and "cxr.covid19" in some.uncertain
    assert Counter(r.reason for r in rejected)["bad_row"] == len(rows) - len(records)
    assert {r.image for r in records} & {"dicom_clean/4.dcm", "dicom_clean/5.dcm"} == set()


def test_covidgr_positive_is_the_test_of_the_patient(tmp_path):
    put(tmp_path / "revised-images/P/p1.jpg")
    put(tmp_path / "revised-images/N/n1.jpg")
    records, rejected = split(list(covidgr.read(tmp_path)))
    negative, positive = (closed(covidgr.CARD, record) for record in records)
    assert "cxr.covid19" in positive.uncertain and "cxr.covid19" in CXR.ontology.down(negative.absent)
    assert not rejected and {r.view for r in records} == {"pa"}
    assert all(state is State.PRESENT for record in records for state in record.labels.values())
