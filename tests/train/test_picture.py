from __future__ import annotations

from random import Random

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgll_train.picture import UnreadablePictureError, View, _decode_jpeg, render


def encode(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    ok, data = cv2.imencode(suffix, pixels)
    assert ok
    return bytes(data.tobytes())


def picture(height: int, width: int) -> np.ndarray:
    """Smooth colours, so that resampling changes them little."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([255 * y / height, 255 * x / width, 128 + 0 * y], axis=2).astype(np.uint8)


def test_colours_come_out_as_rgb() -> None:
    red = np.zeros((40, 40, 3), np.uint8)
    red[:, :, 2] = 200
    out = render(encode(red), View(20), grey=False)
    assert out.shape == (3, 20, 20) and out.dtype == np.uint8
    assert (out[0] == 200).all() and (out[1:] == 0).all()


@pytest.mark.parametrize("height", [30, 21])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_grey_gives_one_plane(suffix: str, height: int) -> None:
    out = render(encode(picture(height, 30), suffix), View(20), grey=True)
    assert out.shape == (1, 20, 20)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("height, width", [(60, 30), (30, 60), (47, 47), (1, 9)])
def test_picture_keeps_its_shape_in_a_black_square(suffix: str, height: int, width: int) -> None:
    white = np.full((height, width, 3), 255, np.uint8)
    out = render(encode(white, suffix), View(32), grey=False)
    shown = out[0] > 128
    rows, columns = shown.any(axis=1).sum(), shown.any(axis=0).sum()
    assert abs(rows - max(1, 32 * height / max(height, width))) <= 1
    assert abs(columns - max(1, 32 * width / max(height, width))) <= 1
    assert shown[16, 16]  # in the middle


def test_nothing_is_mirrored() -> None:
    """Left stays left: over many random views the bright left half is left of the dark one."""
    half = np.zeros((64, 64, 3), np.uint8)
    half[:, :32] = 255
    data = encode(half)
    for seed in range(30):
        out = render(data, View(32, crop=0.5, jitter=0.2), grey=False, rng=Random(seed))
        assert out[0][:, :4].mean() > out[0][:, -4:].mean() + 50


@settings(max_examples=60, deadline=None)
@given(
    st.integers(8, 300), st.integers(8, 300), st.floats(0.3, 1), st.integers(0, 1000), st.sampled_from([".jpg", ".png"])
)
def test_random_view_always_shows_some_of_the_picture(
    height: int, width: int, crop: float, seed: int, suffix: str
) -> None:
    white = np.full((height, width), 255, np.uint8)
    out = render(encode(white, suffix), View(24, crop=crop), grey=True, rng=Random(seed))
    # A window stretches the picture by at most 1 / sqrt(crop * 0.9) and never leaves its centre.
    assert (out[0] > 200).any()
    assert (out[0] > 200).mean() >= 0.4 * min(height, width) / max(height, width) - 0.05


def test_random_window_equals_the_cut_of_the_whole() -> None:
    """A crop of a gradient reads back where it was taken: its mean value is that of the window."""
    y, x = np.mgrid[0:256, 0:256]
    data = encode(np.stack([y, x, x], axis=2).astype(np.uint8))
    sides = []
    for seed in range(40):
        out = render(data, View(64, crop=0.5), grey=False, rng=Random(seed)).astype(float)
        across, down = out[0, :, -1].mean() - out[0, :, 0].mean(), out[2, -1].mean() - out[2, 0].mean()
        assert 0.45 <= across * down / 255**2 <= 1.0
        assert 0.88 <= across / down <= 1.13
        sides.append((across * down) / 255**2)
    assert max(sides) - min(sides) > 0.3


@pytest.mark.parametrize("grey", [True, False])
def test_reduced_decode_is_close_to_the_full_one(grey: bool) -> None:
    data = encode(picture(513, 400), ".jpg")
    for crop, seed in ((1.0, None), (0.6, 3), (0.6, 4)):
        views = [
            render(
                data,
                View(64, crop=crop, reduced=reduced),
                grey=grey,
                rng=None if seed is None else Random(seed),
            ).astype(int)
            for reduced in (True, False)
        ]
        # Away from the picture's border, where the rounding of the reduced size shows.
        assert np.abs(views[0] - views[1])[:, 8:-8, 16:-16].max() <= 6


def test_jitter_changes_grey_levels_within_its_strength() -> None:
    flat = encode(np.full((20, 20, 3), 127, np.uint8))
    means = [render(flat, View(16, jitter=0.1), grey=False, rng=Random(seed)).mean() for seed in range(50)]
    assert max(means) > 140 and min(means) < 115
    assert all(127 - 26.5 <= mean <= 127 + 26.5 for mean in means)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_cut_pictures_are_refused_at_every_length(suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    data = encode(noise, suffix)
    for length in {0, 1, 4, 20, 100, len(data) // 2, len(data) - 20, len(data) - 3}:
        with pytest.raises(UnreadablePictureError):
            render(data[:length], View(16), grey=False)
    if suffix == ".jpg":  # an end marker after what was cut hides nothing
        with pytest.raises(UnreadablePictureError, match="premature end"):
            render(data[: len(data) // 2] + b"\xff\xd9", View(16), grey=False)


def test_a_picture_that_claims_to_be_huge_is_not_decoded() -> None:
    for suffix, place in ((".jpg", 0), (".png", 16)):
        data = bytearray(encode(picture(40, 40), suffix))
        if suffix == ".jpg":
            place = data.index(b"\xff\xc0") + 5
            data[place : place + 4] = (65000).to_bytes(2, "big") * 2
        else:
            data[place : place + 8] = (65000).to_bytes(4, "big") * 2
        with pytest.raises(UnreadablePictureError, match="65000 x 65000 pixels"):
            render(bytes(data), View(16), grey=False)


def test_jpegs_decode_to_the_pixels_that_opencv_gives() -> None:
    """Colour and grey, with and without chroma subsampling, baseline and progressive, whole and reduced."""
    rng = np.random.default_rng(5)
    noisy = (picture(301, 257) + rng.normal(0, 8, (301, 257, 3))).clip(0, 255).astype(np.uint8)
    whole = {False: cv2.IMREAD_COLOR, True: cv2.IMREAD_GRAYSCALE}
    half = {False: cv2.IMREAD_REDUCED_COLOR_2, True: cv2.IMREAD_REDUCED_GRAYSCALE_2}
    for sampling in (cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420):
        for progressive in (0, 1):
            options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
            for pixels in (noisy, noisy[..., 0]):
                data = cv2.imencode(".jpg", pixels, options)[1]
                for grey in (True, False):
                    for flags, size in ((whole, (301, 257)), (half, (151, 129))):
                        wanted = cv2.imdecode(data, flags[grey])
                        assert (_decode_jpeg(data.tobytes(), grey, *size) == wanted).all()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF"]))
def test_any_bytes_give_an_error_of_ours(data: bytes, start: bytes) -> None:
    with pytest.raises(UnreadablePictureError):
        render(start + data, View(16), grey=False)


@pytest.mark.parametrize("height, width, size", [(461, 461, 224), (300, 400, 100), (1000, 90, 64), (97, 95, 96)])
def test_scaling_keeps_place_and_mean(height: int, width: int, size: int) -> None:
    """A picture of smooth colours comes out as an exact area average of it, to a level or two, away from the border."""
    pixels = picture(height, width)
    out = render(encode(pixels), View(size), grey=False).astype(int)
    rows, columns = max(1, round(size * height / max(height, width))), max(1, round(size * width / max(height, width)))
    wanted = cv2.resize(pixels, (columns, rows), interpolation=cv2.INTER_AREA)[..., ::-1].transpose(2, 0, 1).astype(int)
    top, left = round((size - rows) / 2), round((size - columns) / 2)
    found = out[:, top : top + rows, left : left + columns]
    step = 255 / min(rows, columns)
    assert np.abs(found - wanted)[:, 1:-1, 1:-1].max() <= step + 1
    assert abs(found.mean() - wanted.mean()) <= 2


def test_noise_is_averaged_not_skipped() -> None:
    """Shrunk white noise: its spread falls as for means over the pixels that each result stands for."""
    noise = np.random.default_rng(0).normal(128, 30, (512, 512)).clip(0, 255).astype(np.uint8)
    for size in (250, 200, 128, 100, 60):
        spread = render(encode(noise), View(size), grey=True)[0].std()
        assert spread <= 1.35 * 30 * size / 512


def test_a_radiograph_stays_grey_under_jitter_and_colours_change_together() -> None:
    data = encode(picture(64, 64))
    rng = Random(1)
    for _ in range(20):
        assert render(data, View(32, crop=0.6, jitter=0.3), grey=True, rng=rng).shape == (1, 32, 32)
    flat = encode(np.dstack([np.full((20, 20), v, np.uint8) for v in (90, 127, 160)]))
    for _ in range(20):
        blue, green, red = (int(p[5, 5]) for p in render(flat, View(16, jitter=0.3), grey=False, rng=rng)[::-1])
        assert (green - blue) / 37 == pytest.approx((red - green) / 33, abs=0.07)
