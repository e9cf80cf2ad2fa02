"""Chest sources: invented files in each native layout with its traps, and the real label files where they are."""

import csv
import gzip
import io
import tarfile
from collections import Counter
from xml.etree import ElementTree

import pytest

from mgll_data.errors import UsageError
from mgll_data.schema import State
from mgll_data.sources import covid19_hannover, nih_cxr14, openi, rsna_pneumonia
from tests.data.source_files import put, real, split


def reasons(rejected):
    return Counter(item.reason for item in rejected)


NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


def nih(root, rows, header=NIH_HEADER, name="Data_Entry_2017_v2020.csv"):
    put(root / name, "\n".join([header, *rows]) + "\n")


def test_nih_reads_labels_boxes_lists_ages_and_finds_films_in_any_folder(tmp_path):
    nih(
        tmp_path,
        [
            "00000001_000.png,Effusion|Pleural_Thickening,0,1,58,M,PA,2682,2749,0.143,0.143",
            "00000001_001.png,No Finding,1,1,414,M,AP,2682,2749,0.143,0.143",
            "00000002_000.png,Infiltration,0,2,81,F,PA,2682,2749,0.143,0.143",
            "00000003_000.png,Hernia,0,3,7,F,XX,2682,2749,0.143,0.143",
        ],
    )
    put(
        tmp_path / "BBox_List_2017.csv",
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
        "00000002_000.png,Infiltrate,10.5,20,30,40,,,\n"
        "00000001_000.png,Effusion,1,2,3,4\n"
        "00000001_000.png,Effusion,5,6,7,8\n"
        "00000001_000.png,Effusion,5,6,0,8\n"
        "00000009_000.png,Mass,5,6,7,8\n",
    )
    put(tmp_path / "train_val_list.txt", "00000001_000.png\r\n00000001_001.png\r\n")
    put(tmp_path / "test_list.txt", "00000002_000.png\n")
    put(tmp_path / "images_001/images/00000001_000.png")
    put(tmp_path / "images/00000002_000.png")
    put(tmp_path / "00000003_000.png")
    put(tmp_path / "images/99999999_000.png")
    records, rejected = split(list(nih_cxr14.read(tmp_path)))
    assert [record.image for record in records] == [
        "images_001/images/00000001_000.png",
        "images/00000001_001.png",  # not on disk: the path where it would be
        "images/00000002_000.png",
        "00000003_000.png",
    ]
    first = records[0]
    assert first.origin == "Data_Entry_2017_v2020.csv:2"
    assert first.labels == {"Effusion": State.PRESENT, "Pleural_Thickening": State.PRESENT}
    assert [region.box for region in first.regions] == [(1, 2, 4, 6), (5, 6, 12, 14)]
    assert [(region.label, region.box) for region in records[2].regions] == [("Infiltrate", (10.5, 20, 40.5, 60))]
    assert [(r.patient, r.view, r.age, r.sex, r.official_split) for r in records] == [
        ("1", "pa", 58, "M", "train"),
        ("1", "ap", None, "M", "train"),
        ("2", "pa", 81, "F", "test"),
        ("3", None, 7, "F", None),
    ]
    assert [(item.image, item.origin, item.reason) for item in rejected] == [
        ("", "BBox_List_2017.csv:5", "bad_row"),
        ("", "BBox_List_2017.csv:6", "bad_row"),
        ("images/99999999_000.png", "", "unlisted"),
    ]


def test_nih_reads_the_file_of_2017_with_its_ages(tmp_path):
    rows = [
        "a.png,Mass,0,1,058Y,M,PA,1,1,1,1,",
        "b.png,Mass,0,2,018M,F,PA,1,1,1,1,",
        "c.png,Mass,0,3,411Y,F,PA,1,1,1,1,",
    ]
    nih(tmp_path, rows, header=NIH_HEADER + ",", name="Data_Entry_2017.csv")
    records, _ = split(list(nih_cxr14.read(tmp_path)))
    assert [record.age for record in records] == [58, 1.5, None]
    assert {record.official_split for record in records} == {None}


def test_nih_counts_every_row_that_gives_no_record(tmp_path):
    good = "a.png,Mass,0,1,58,M,PA,1,1,1,1"
    bad = [
        "../../etc/passwd,Mass,0,1,58,M,PA,1,1,1,1",
        good,
        "b.png,,0,1,58,M,PA,1,1,1,1",
        "c.png,Mass,0",
        ",Mass" + good[10:],
    ]
    nih(tmp_path, [good, *bad])
    records, rejected = split(list(nih_cxr14.read(tmp_path)))
    assert len(records) == 1 and reasons(rejected) == {"path_escape": 1, "bad_row": 4}
    assert [item.origin[-2:] for item in rejected] == [":3", ":4", ":5", ":6", ":7"]
    assert {item.outcome for item in rejected} == {"quarantined"}
    assert not any("passwd" in item.image + item.detail for item in rejected)


def test_nih_refuses_half_of_the_official_split_and_an_overlap(tmp_path):
    nih(tmp_path, ["a.png,Mass,0,1,58,M,PA,1,1,1,1"])
    put(tmp_path / "test_list.txt", "a.png\n")
    with pytest.raises(UsageError, match=r"train_val_list\.txt: no such file"):
        list(nih_cxr14.read(tmp_path))
    put(tmp_path / "train_val_list.txt", "a.png\n")
    with pytest.raises(UsageError, match="1 of its images"):
        list(nih_cxr14.read(tmp_path))


def test_nih_without_its_table_says_what_to_do(tmp_path):
    with pytest.raises(UsageError, match=r"Data_Entry_2017_v2020\.csv.*Download"):
        list(nih_cxr14.read(tmp_path))


def test_nih_real_table():
    root = real("NIH_ChestXray14")
    with gzip.open(root / "Data_Entry_2017_v2020.csv.gz", "rt", newline="") as file:
        table = list(csv.reader(file))[1:]
    with gzip.open(root / "BBox_List_2017.csv.gz", "rt", newline="") as file:
        boxes = list(csv.reader(file))[1:]
    records, rejected = split(list(nih_cxr14.read(root)))
    assert len(table) == 112_120 == len(records) and not rejected
    assert [record.image.rpartition("/")[2] for record in records] == [row[0] for row in table]
    assert Counter(word for record in records for word in record.labels) == Counter(
        word for row in table for word in row[1].split("|")
    )
    assert len({record.patient for record in records}) == len({row[3] for row in table}) == 30_805
    assert Counter(record.view for record in records) == Counter(row[6].lower() for row in table)
    assert Counter(record.sex for record in records) == Counter(row[5] for row in table)
    assert [record.age for record in records] == [float(row[4]) for row in table]
    found = [(record.image.rpartition("/")[2], region) for record in records for region in record.regions]
    assert len(found) == len(boxes) == 984
    assert Counter((name, region.label) for name, region in found) == Counter((row[0], row[1]) for row in boxes)
    corners = sorted((x, y, x + w, y + h) for x, y, w, h in ([float(cell) for cell in row[2:6]] for row in boxes))
    assert sorted(region.box for _, region in found) == corners
    assert sum((root / record.image).is_file() for record in records) == len(list((root / "images").iterdir()))


def test_hannover_fixture(tmp_path):
    put(
        tmp_path / "data.csv",
        "patient_id,image_id,sex,age,size,weight,admission_offset,modality,projection,crp_val\n"
        "p1,i1,f,,,,0,CR,ap,inf\np1,i2,w,,,,1,DX,PA,-inf\np2,../x,m,,,,1,DX,pa,\np2,i3,m,64,,,,,,\n",
    )
    for name in ("i1", "i2", "i9"):
        put(tmp_path / f"png/{name}.png")
    records, rejected = split(list(covid19_hannover.read(tmp_path)))
    assert [(r.image, r.patient, r.view, r.sex, r.age, dict(r.captions)) for r in records] == [
        ("png/i1.png", "p1", "ap", "F", None, {"modality": "CR"}),
        ("png/i2.png", "p1", "pa", "F", None, {"modality": "DX"}),
        ("png/i3.png", "p2", None, "M", 64, {}),
    ]
    assert all(record.labels == {"COVID-19": State.PRESENT} for record in records)
    assert [(item.image, item.reason) for item in rejected] == [("", "path_escape"), ("png/i9.png", "unlisted")]


def test_hannover_real_table():
    root = real("hannover-covid-19-image-repository")
    with (root / "data.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    records, rejected = split(list(covid19_hannover.read(root)))
    assert len(records) == len(table) == 243 and not rejected
    assert len({record.patient for record in records}) == len({row["patient_id"] for row in table}) == 71
    assert Counter((r.captions["modality"], r.view) for r in records) == {
        ("CR", "ap"): 194,
        ("DX", "pa"): 31,
        ("CR", "pa"): 18,
    }
    assert Counter((row["modality"], row["projection"]) for row in table)["CR", "ap"] == 194
    assert all((root / record.image).is_file() for record in records)
    assert {record.image for record in records} == {f"png/{path.name}" for path in (root / "png").iterdir()}


def test_rsna_groups_boxes_by_film_and_checks_class_against_target(tmp_path):
    put(
        tmp_path / "stage_2_train_labels.csv",
        "patientId,x,y,width,height,Target\n"
        "a,,,,,0\n"
        "b,10.0,20.0,30.0,40.0,1\n"
        "c,,,,,0\n"
        "b,50.0,60.0,7.0,8.0,1\n"
        "wrong-target,,,,,1\n"
        "two-classes,,,,,0\n"
        "no-class,,,,,0\n"
        "d,1,2,0,4,1\n"
        "../../etc/passwd,,,,,0\n",
    )
    put(
        tmp_path / "stage_2_detailed_class_info.csv",
        "patientId,class\na,No Lung Opacity / Not Normal\nb,Lung Opacity\nb,Lung Opacity\nc,Normal\n"
        "wrong-target,Normal\ntwo-classes,Normal\ntwo-classes,Lung Opacity\nonly-here,Normal\nd,Lung Opacity\n"
        "../../etc/passwd,Normal\n",
    )
    for name in ("a", "b", "wrong-target", "left-over"):
        put(tmp_path / f"stage_2_train_images/{name}.dcm")
    put(tmp_path / "stage_2_test_images/t.dcm")
    records, rejected = split(list(rsna_pneumonia.read(tmp_path)))
    assert [(record.image, record.patient, list(record.labels)) for record in records] == [
        ("stage_2_train_images/a.dcm", None, ["No Lung Opacity / Not Normal"]),
        ("stage_2_train_images/b.dcm", None, ["Lung Opacity"]),
        ("stage_2_train_images/c.dcm", None, ["Normal"]),
        ("stage_2_train_images/d.dcm", None, ["Lung Opacity"]),
    ]
    assert [(region.label, region.box) for region in records[1].regions] == [
        ("Lung Opacity", (10, 20, 40, 60)),
        ("Lung Opacity", (50, 60, 57, 68)),
    ]
    assert records[1].origin == "stage_2_train_labels.csv:3" and records[0].sex is records[0].age is None
    # the box without an area, three films whose files disagree, the class without a film
    assert reasons(rejected) == {"bad_row": 5, "path_escape": 1, "unlisted": 1}
    assert rejected[-1].image == "stage_2_train_images/left-over.dcm"


def report(
    number,
    images=("1001",),
    majors=("normal",),
    sections=(("FINDINGS", "Clear lungs."),),
    caption="Xray Chest PA and Lateral",
):
    texts = "".join(f'<AbstractText Label="{label}">{text}</AbstractText>' for label, text in sections)
    codes = "".join(f"<major>{major}</major>" for major in majors)
    films = "".join(
        f'<parentImage id="CXR{number}_IM-0001-{image}"><caption>{caption}</caption></parentImage>' for image in images
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<eCitation><uId id="CXR{number}"/>'
        "<MedlineCitation><Article><Abstract>"
        f"{texts}</Abstract></Article></MedlineCitation><MeSH>{codes}<automatic>nodule</automatic></MeSH>{films}</eCitation>"
    )


def openi_files(root, packed, files):
    if not packed:
        for name, content in files.items():
            put(root / "ecgen-radiology" / name, content)
        return
    with tarfile.open(root / "NLMCXR_reports.tgz", "w:gz") as tar:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            member = tarfile.TarInfo(f"ecgen-radiology/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]>'
    '<eCitation><uId id="CXR7"/><parentImage id="CXR7_IM-1"><caption>&x;</caption></parentImage></eCitation>'
)


@pytest.mark.parametrize("packed", [False, True])
def test_openi_reads_sections_codes_views_and_counts_what_it_cannot_use(tmp_path, packed):
    codes = ("Opacity/lung/base/left", "Technical Quality of Image Unsatisfactory ", "Cardiomegaly")
    sections = (("FINDINGS", " Heart\n large. "), ("IMPRESSION", ""), ("COMPARISON", "None."))
    files = {
        "10.xml": report(10, ("1001", "2001"), codes, sections),
        "2.xml": report(2, ("9001",)),
        "3.xml": report(3, ()),
        "4.xml": report(4)[:200],
        "5.xml": "<eCitation/>",
        "6.xml": report(6, ("../../../../etc/passwd",)),
        "7.xml": BOMB,
        "8.xml": report(2, ("9001",)),
        "9.xml": b"\xff\xfe\x00",
        "._2.xml": b"\x00\x05\x16\x07",
    }
    openi_files(tmp_path, packed, files)
    put(
        tmp_path / "indiana_projections.csv",
        "uid,filename,projection\n10,10_IM-0001-1001.dcm.png,Frontal\n10,10_IM-0001-2001.dcm.png,Lateral\n",
    )
    put(tmp_path / "NLMCXR_png/CXR10_IM-0001-1001.png")
    put(tmp_path / "NLMCXR_png/CXR99_IM-0001-1001.png")
    records, rejected = split(list(openi.read(tmp_path)))
    assert [(r.image, r.patient, r.study, r.view, r.captions.get("series")) for r in records] == [
        ("NLMCXR_png/CXR2_IM-0001-9001.png", "CXR2", "CXR2", None, None),
        ("NLMCXR_png/CXR10_IM-0001-1001.png", "CXR10", "CXR10", None, "Frontal"),
        ("NLMCXR_png/CXR10_IM-0001-2001.png", "CXR10", "CXR10", "lateral", "Lateral"),
    ]
    assert list(records[1].labels) == [
        "Opacity/lung/base/left",
        "Technical Quality of Image Unsatisfactory",
        "Cardiomegaly",
    ]
    assert records[1].report == {"findings": "Heart large.", "comparison": "None."}
    assert records[1].captions["study"] == "Xray Chest PA and Lateral"
    folder = "NLMCXR_reports.tgz/ecgen-radiology" if packed else "ecgen-radiology"
    assert [(item.origin, item.outcome, item.reason) for item in rejected] == [
        (f"{folder}/3.xml", "excluded", "no_image"),
        (f"{folder}/4.xml", "quarantined", "bad_row"),
        (f"{folder}/5.xml", "quarantined", "bad_row"),
        (f"{folder}/6.xml", "quarantined", "path_escape"),
        (f"{folder}/7.xml", "quarantined", "bad_row"),
        (f"{folder}/8.xml", "quarantined", "bad_row"),
        (f"{folder}/9.xml", "quarantined", "bad_row"),
        ("", "excluded", "unlisted"),
    ]


def test_openi_without_reports_or_with_a_damaged_archive_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="neither ecgen-radiology/ nor NLMCXR_reports"):
        list(openi.read(tmp_path))
    openi_files(tmp_path, True, {f"{number}.xml": report(number) for number in range(50)})
    archive = tmp_path / "NLMCXR_reports.tgz"
    for damaged in (archive.read_bytes()[:-200], b"not an archive"):
        archive.write_bytes(damaged)
        with pytest.raises(UsageError, match="damaged archive"):
            list(openi.read(tmp_path))


def test_openi_real_reports():
    root = real("noncommercial/openi-indiana-reports")
    films, codes, empty, count = [], Counter(), 0, 0
    with tarfile.open(root / "NLMCXR_reports.tgz") as tar:
        for member in tar:
            if member.isfile():
                tree = ElementTree.parse(tar.extractfile(member)).getroot()
                count += 1
                names = [film.get("id") for film in tree.iter("parentImage")]
                empty += not names
                films += names
                for code in {" ".join(code.text.split()) for code in tree.iter("major")}:
                    codes[code] += len(names)
    with (root / "indiana_projections.csv").open(newline="") as file:
        lateral = sum(row["projection"] == "Lateral" for row in csv.DictReader(file))
    records, rejected = split(list(openi.read(root)))
    assert (count, empty, len(films)) == (3955, 104, 7470)
    assert Counter(record.image for record in records) == Counter(f"NLMCXR_png/{name}.png" for name in films)
    assert reasons(rejected) == {"no_image": 104}
    assert len({record.study for record in records}) == 3955 - 104
    assert Counter(word for record in records for word in record.labels) == +codes
    assert sum(record.view == "lateral" for record in records) == lateral == 3648
