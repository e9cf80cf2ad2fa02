"""Chest sources with layouts of their own: Google's relabels of NIH films, Object-CXR, JSRT with headerless films."""

from collections import Counter

import cv2
import numpy as np
import pytest

from mgll_data import hierarchy
from mgll_data.errors import SampleError, UsageError
from mgll_data.harmonise import load_labels
from mgll_data.images.process import ImageOptions, process
from mgll_data.images.raw_film import SIDE, read_raw_film
from mgll_data.recipe import VOCAB
from mgll_data.schema import State
from mgll_data.sources import jsrt, nih_google, object_cxr
from tests.data.source_files import put, split

GOOGLE = "Image Index,Patient ID,View Position,Fracture,Pneumothorax,Airspace opacity,Nodule or mass"


def test_google_judges_four_findings_and_names_the_film_of_nih(tmp_path):
    put(
        tmp_path / "test_labels.csv",
        f"{GOOGLE}\n00000013_008.png,13,AP,NO,NO,YES,NO\n00000013_009.png,13,AP,,NO,MAYBE,NO",
    )
    put(tmp_path / "validation_labels.csv", f"{GOOGLE}\n00000211_000.png,211,PA,NO,NO,NO,YES\n")
    put(tmp_path / "images_001/images/00000013_008.png")
    put(tmp_path / "images_001/images/00000001_000.png")
    records, rejected = split(list(nih_google.read(tmp_path)))
    assert [(r.image, r.patient, r.view, r.official_split) for r in records] == [
        ("images/00000211_000.png", "211", "pa", "val"),
        ("images_001/images/00000013_008.png", "13", "ap", "test"),
    ]
    assert records[1].same_as == (("nih_cxr14", "00000013_008.png"),)
    assert Counter(item.reason for item in rejected) == {"bad_row": 1, "unlisted": 1}
    loaded = hierarchy.load(VOCAB / "cxr")
    labels = load_labels(VOCAB / "cxr", [nih_google.CARD], loaded)["nih_google"]
    _, yes, _ = labels.apply(records[0].labels, loaded)
    assert "cxr.lung_lesion" in yes.present and {"cxr.nodule", "cxr.mass.pulmonary"} <= yes.uncertain
    _, no, _ = labels.apply(records[1].labels, loaded)
    absent = loaded.ontology.expand_absent(no.absent, no.present, no.uncertain)
    assert {"cxr.nodule", "cxr.mass.pulmonary", "cxr.fracture", "cxr.pneumothorax"} <= absent
    assert not absent & {"cxr.lung_lesion", "cxr.cavitation", "cxr.effusion"} and "cxr.alveolar" in no.present


def test_google_needs_a_table(tmp_path):
    with pytest.raises(UsageError, match=r"validation_labels\.csv"):
        list(nih_google.read(tmp_path))


def test_objects_of_every_shape_become_boxes(tmp_path):
    annotation = "0 10 20 30 40;1 5 6 7 8;2 50 60 70 65 55 90"
    rows = [
        f"00001.jpg,{annotation}",
        "00002.jpg,",
        "00003.jpg,3 1 2 3 4",
        "00004.jpg,0 1 2 x 4",
        "00005.jpg,0 9 9 9 9",
    ]
    put(tmp_path / "train.csv", "\n".join(["image_name,annotation", *rows]))
    put(tmp_path / "dev.csv", "image_path,annotation\n00001.jpg,\n")
    for name in ("train/00001.jpg", "dev/00001.jpg", "test/00001.jpg"):
        put(tmp_path / name)
    records, rejected = split(list(object_cxr.read(tmp_path)))
    assert [(r.image, r.labels["foreign object"], r.official_split) for r in records] == [
        ("train/00001.jpg", State.PRESENT, "train"),
        ("train/00002.jpg", State.ABSENT, "train"),
        ("dev/00001.jpg", State.ABSENT, "val"),
    ]
    assert [region.box for region in records[0].regions] == [(10, 20, 30, 40), (5, 6, 7, 8), (50, 60, 70, 90)]
    assert Counter(item.reason for item in rejected) == {"bad_row": 3, "unlisted": 1}


def test_jsrt_lists_have_no_header_and_odd_bytes(tmp_path):
    lines = [
        "JPCLN001.IMG\t5\t15\t53\tmale\t1634\t692\tmalignant\tl.upper lobe\tlung cancer",
        "JPCLN002.IMG\t4\t?\t?\tfemale\t1600\t700\tbenign\tr. middle lobe\tgranuloma\xb6",
        "JPCLN003.IMG\t4\t10",
    ]
    # The second and the third line run together.
    put(tmp_path / "info/CLNDAT_EN.txt", (lines[0] + "\r\n" + "".join(lines[1:])).encode("latin-1"))
    put(tmp_path / "CNNDAT_EN.TXT", b"JPCNN001.IMG\t27\tfemale\tnon-nodule\r\n\r\n")
    put(tmp_path / "All247images/JPCLN001.IMG")
    records, rejected = split(list(jsrt.read(tmp_path)))
    assert [(r.image, dict(r.labels), r.age, r.sex) for r in records] == [
        ("All247images/JPCLN001.IMG", {"nodule": State.PRESENT, "malignant": State.PRESENT}, 53, "M"),
        ("Nodule154images/JPCLN002.IMG", {"nodule": State.PRESENT, "benign": State.PRESENT}, None, "F"),
        ("NonNodule93images/JPCNN001.IMG", {"nodule": State.ABSENT}, 27, "F"),
    ]
    (region,) = records[0].regions
    assert region.box == pytest.approx((1634 - 42.86, 692 - 42.86, 1634 + 42.86, 692 + 42.86), abs=0.01)
    assert not records[1].regions
    assert [record.qualifiers for record in records] == [
        {"nodule": ("left", "upper")},
        {"nodule": ("right", "middle")},
        {},
    ]
    assert [(item.origin, item.reason) for item in rejected] == [("CLNDAT_EN.txt:2", "bad_row")]


def test_jsrt_without_its_lists_says_which_are_missing(tmp_path):
    put(tmp_path / "JPCLN001.IMG")
    with pytest.raises(UsageError, match=r"CLNDAT_EN(.|\n)*CNNDAT_EN"):
        list(jsrt.read(tmp_path))


def test_jsrt_with_an_empty_list_says_so(tmp_path):
    put(tmp_path / "CLNDAT_EN.txt", "")
    put(tmp_path / "CNNDAT_EN.TXT", "JPCNN001.IMG\t40\tMale")
    with pytest.raises(UsageError, match="names no film"):
        list(jsrt.read(tmp_path))


def test_headerless_films_show_air_black_and_bone_white(tmp_path):
    shown = np.tile(np.linspace(0, 4095, SIDE), (SIDE, 1)).astype(np.uint16)  # what a viewer should see: dark to bright
    # The first bytes of this one look like those of a DICOM file without a preamble.
    densities = (4095 - shown).astype(">u2")
    densities[0, :2] = (0x0800, 0x0100)
    path = tmp_path / "JPCLN001.IMG"
    path.write_bytes(densities.tobytes())
    made = process(path, ImageOptions(side=256, format="png"))
    pixels = cv2.imdecode(np.frombuffer(made.data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert (made.original_width, made.original_height) == (SIDE, SIDE) and "inverted" in made.flags
    assert pixels.shape == (256, 256) and pixels[128, 5] < 10 < 245 < pixels[128, 250]
    assert (np.diff(pixels[128].astype(int)) >= 0).all()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bytes(100), "truncated"),
        (bytes(SIDE * SIDE * 2 + 2), "undecodable"),
        (b"\x10\x00" * (SIDE * SIDE), "undecodable"),
    ],
)
def test_headerless_films_of_another_size_or_depth_are_refused(data, reason):
    with pytest.raises(SampleError) as caught:
        read_raw_film(data, "gray8", 256, 64_000_000)
    assert caught.value.reason == reason
    with pytest.raises(SampleError, match="too_large"):
        read_raw_film(data, "gray8", 256, 1_000_000)
