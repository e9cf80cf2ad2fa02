"""Lesion masks: what counts as set, boxes of the parts, blank and broken files, sizes that differ."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgll_data.errors import SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected
from mgll_data.sources.masks import MOST_BOXES, described, findings, read_mask
from tests.data.source_files import put


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path


def blank(height=40, width=60):
    return np.zeros((height, width), np.uint8)


def marked(height=40, width=60):
    mask = blank(height, width)
    mask[5, 7] = 1  # a single faint pixel
    mask[20:30, 40:52] = 255
    return mask


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_parts_are_boxed_the_largest_first_and_single_pixels_too(tmp_path, suffix):
    mask = read_mask(save(tmp_path / f"m{suffix}", marked()))
    assert (mask.width, mask.height, mask.parts) == (60, 40, 2)
    assert mask.boxes == ((40.0, 20.0, 52.0, 30.0), (7.0, 5.0, 8.0, 6.0))


def test_any_color_counts_and_transparency_does_not(tmp_path):
    red = np.zeros((40, 60, 4), np.uint8)
    red[:, :, 3] = 255
    assert read_mask(save(tmp_path / "blank.png", red)).parts == 0
    red[3, 4, 2] = 9
    assert read_mask(save(tmp_path / "red.png", red)).boxes == ((4.0, 3.0, 5.0, 4.0),)
    assert read_mask(save(tmp_path / "deep.png", marked().astype(np.uint16))).parts == 2


def test_limits_choose_the_grey_values_that_count(tmp_path):
    grey = np.full((40, 60), 255, np.uint8)
    grey[10:20, 10:20] = 128
    grey[12:15, 12:15] = 0
    path = save(tmp_path / "cup_and_disc.bmp", grey)
    assert read_mask(path, low=0, high=0).boxes == ((12.0, 12.0, 15.0, 15.0),)
    assert read_mask(path, low=0, high=128).boxes == ((10.0, 10.0, 20.0, 20.0),)
    assert read_mask(path, low=200).parts == 1


def test_the_noise_of_a_jpeg_mask_is_no_finding_above_a_limit(tmp_path):
    mask = blank(64, 64)
    mask[20:31, 20:31] = 255
    path = save(tmp_path / "mask.jpg", mask)
    assert read_mask(path).boxes != read_mask(path, low=128).boxes  # ringing around the part
    assert read_mask(path, low=128).boxes == ((20.0, 20.0, 31.0, 31.0),)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 59)), max_size=30))
def test_every_set_pixel_lies_in_a_box_and_every_box_holds_one(tmp_path_factory, pixels):
    mask = blank()
    for y, x in pixels:
        mask[y, x] = 255
    found = read_mask(save(tmp_path_factory.mktemp("mask") / "m.png", mask))
    covered = blank()
    for x0, y0, x1, y1 in found.boxes:
        assert mask[int(y0) : int(y1), int(x0) : int(x1)].any()
        covered[int(y0) : int(y1), int(x0) : int(x1)] = 1
    assert covered[mask > 0].all() and bool(found.parts) == bool(pixels)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".jpg"])
@pytest.mark.parametrize("keep", [0.4, 0.8])
def test_a_cut_mask_is_an_error_and_never_a_smaller_finding(tmp_path, suffix, keep):
    noise = np.random.default_rng(0).integers(0, 2, (90, 90)).astype(np.uint8) * 255
    data = save(tmp_path / f"whole{suffix}", noise).read_bytes()
    put(tmp_path / f"cut{suffix}", data[: int(len(data) * keep)])
    with pytest.raises(SampleError) as error:
        read_mask(tmp_path / f"cut{suffix}")
    assert error.value.reason in ("truncated", "undecodable")


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "zero_bytes"), (b"no picture", "undecodable"), (None, "missing_image")]
)
def test_what_is_no_mask_has_its_reason(tmp_path, content, reason):
    if content is not None:
        put(tmp_path / "m.png", content)
    with pytest.raises(SampleError) as error:
        read_mask(tmp_path / "m.png")
    assert error.value.reason == reason


def test_blank_masks_say_nothing_or_what_the_source_means_by_them(tmp_path):
    save(tmp_path / "image.png", blank())
    save(tmp_path / "blank.png", blank())
    save(tmp_path / "marked.png", marked())
    pairs = [("a", "blank.png"), ("b", "marked.png"), ("b", "blank.png")]
    assert findings(tmp_path, "image.png", pairs).labels == {"b": State.PRESENT}
    found = findings(tmp_path, "image.png", pairs, blank=State.ABSENT)
    assert found.labels == {"a": State.ABSENT, "b": State.PRESENT}
    assert [region.label for region in found.regions] == ["b", "b"] and not found.attrs


@pytest.mark.parametrize("unknown", [None, State.ABSENT])
def test_a_broken_mask_neither_states_nor_denies_its_word_and_is_counted(tmp_path, unknown):
    save(tmp_path / "image.png", blank())
    save(tmp_path / "blank.png", blank())
    put(tmp_path / "broken.png", b"x")
    record = RawRecord("image.png", "here", labels={"grade=2": State.PRESENT})
    pairs = [("a", "blank.png"), ("a", "broken.png")]
    kept, problem = described(tmp_path, record, pairs, blank=unknown)
    assert isinstance(kept, RawRecord) and kept.labels == {"grade=2": State.PRESENT}
    assert isinstance(problem, Rejected) and (problem.image, problem.outcome) == ("broken.png", "quarantined")
    assert problem.reason == "undecodable" and "'a'" in problem.detail


def test_a_picture_whose_masks_are_all_blank_has_no_label(tmp_path):
    save(tmp_path / "image.png", blank())
    save(tmp_path / "blank.png", blank())
    (only,) = described(tmp_path, RawRecord("image.png", "here"), [("a", "blank.png")])
    assert isinstance(only, Rejected) and (only.outcome, only.reason) == ("excluded", "no_label")


def test_boxes_are_in_pixels_of_the_picture_or_left_out_and_counted(tmp_path):
    save(tmp_path / "image.png", blank(80, 120))
    save(tmp_path / "square.png", blank(80, 80))
    save(tmp_path / "mask.png", marked())
    scaled = findings(tmp_path, "image.png", [("a", "mask.png")])
    assert [region.box for region in scaled.regions] == [(80.0, 40.0, 104.0, 60.0), (14.0, 10.0, 16.0, 12.0)]
    other = findings(tmp_path, "square.png", [("a", "mask.png")])  # cut differently: where the parts lie is unknown
    assert other.labels == {"a": State.PRESENT} and not other.regions and other.attrs == {"boxes_left_out": 2.0}


def test_boxes_are_capped_and_the_rest_counted(tmp_path):
    mask = blank(40, 400)
    mask[::4, ::4] = 255
    mask[:2, :2] = 255
    save(tmp_path / "image.png", mask)
    found = findings(tmp_path, "image.png", [("a", "image.png")])
    assert len(found.regions) == MOST_BOXES and found.attrs == {"boxes_left_out": 1000.0 - MOST_BOXES}
    assert found.regions[0].box == (0.0, 0.0, 2.0, 2.0)
