"""Stored pictures: size, determinism, hashes, quality figures, the field of view."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mgll_data.curate.quality import measure
from mgll_data.images.encode import EXTENSIONS, encode, reduce_to
from mgll_data.images.fundus import find_field
from mgll_data.images.process import ImageOptions, dhash, process
from tests.conftest import SHARED

IDRID = SHARED / "IDRiD"


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8 + 2, width // 8 + 2), np.uint8)
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize(("height", "width"), [(100, 50), (512, 512), (513, 100), (2000, 3), (3, 2000), (777, 1234)])
def test_longest_side_is_bounded_and_nothing_grows(height: int, width: int) -> None:
    small = reduce_to(texture(height, width), 512)
    assert max(small.shape) == min(512, max(height, width))
    if max(height, width) > 512:
        scale = 512 / max(height, width)
        assert abs(small.shape[0] - height * scale) <= 1 and abs(small.shape[1] - width * scale) <= 1


@pytest.mark.parametrize("form", EXTENSIONS)
@pytest.mark.parametrize("colour", [False, True])
def test_encoding_is_deterministic_and_faithful(form: str, colour: bool) -> None:
    pixels = texture(200, 300)
    if colour:
        pixels = cv2.merge([pixels, pixels[::-1], pixels[:, ::-1]])
    data = encode(pixels, form, 95)  # type: ignore[arg-type]
    assert data == encode(pixels.copy(), form, 95)  # type: ignore[arg-type]
    back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE)
    error = np.abs(back.astype(int) - pixels).mean()
    assert error == 0 if form == "png" else error < 4


def test_jpeg_keeps_full_colour_resolution() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:] = (40, 80, 180)
    pixels[31, 31] = (20, 20, 90)  # a red dot one pixel wide
    data = encode(pixels, "jpeg", 95)
    frame = data.index(b"\xff\xc0")
    assert data[frame + 9] == 3
    assert [data[frame + 11 + 3 * k] for k in range(3)] == [0x11] * 3  # ITU T.81 B.2.2: sampling factors
    back = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    contrast = back[25, 25].astype(int) - back[31, 31]
    assert np.abs(contrast - (np.array([40, 80, 180]) - [20, 20, 90]))[1:].max() < 12


def test_dhash_bits_and_robustness() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    assert dhash(ramp) == "f" * 16
    assert dhash(ramp[:, ::-1]) == "0" * 16
    one = texture(400, 400)
    brighter = np.clip(one * 0.8 + 20, 0, 255).astype(np.uint8)
    other = texture(400, 400, seed=1)
    distance = lambda a, b: (int(dhash(a), 16) ^ int(dhash(b), 16)).bit_count()  # noqa: E731
    assert distance(one, reduce_to(one, 128)) <= 2
    assert distance(one, brighter) <= 2
    assert distance(one, other) > 10


def test_quality_words() -> None:
    scene = texture(600, 600)
    assert measure(scene).flags == ()
    assert measure((scene // 16).astype(np.uint8)).flags == ("dark", "flat")
    assert measure((250 + scene // 64).astype(np.uint8)).flags == ("bright", "flat")
    assert measure(np.full((600, 600), 128, np.uint8)).flags == ("flat",)
    assert measure(cv2.GaussianBlur(scene, (0, 0), 12)).flags == ("blurred",) or measure(
        cv2.GaussianBlur(scene, (0, 0), 12)
    ).flags == ("flat",)
    ramp = np.tile(np.linspace(0, 255, 600).astype(np.uint8), (600, 1))
    assert measure(ramp).flags == ("blurred",)


def test_sharpness_falls_with_blur_and_not_with_size() -> None:
    scene = texture(1024, 1024)
    blurred = [measure(cv2.GaussianBlur(scene, (0, 0), sigma)).sharpness for sigma in (1, 3, 6, 12)]
    assert blurred == sorted(blurred, reverse=True)
    half = cv2.resize(scene, (512, 512), interpolation=cv2.INTER_AREA)
    assert measure(half).sharpness == pytest.approx(measure(scene).sharpness, rel=0.02)


def photograph(
    width: int, height: int, cx: float, cy: float, rx: float, ry: float, level: int, floor: int
) -> np.ndarray:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:height, :width]
    inside = ((x + 0.5 - cx) / rx) ** 2 + ((y + 0.5 - cy) / ry) ** 2 <= 1
    red = np.where(inside, level * (1 - 0.3 * (x - cx) ** 2 / rx**2), floor)
    scene = np.stack([red * 0.2, red * 0.5, red], axis=2) + rng.normal(0, 1.5, (height, width, 3))
    return np.clip(scene, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("width", "height", "cx", "cy", "rx", "ry"),
    [
        (1200, 900, 600, 450, 400, 400),
        (1200, 800, 560, 400, 480, 480),  # cut above and below
        (900, 900, 450, 450, 460, 460),  # touches all borders
        (800, 800, 400, 400, 300, 390),  # resized without its proportions
        (2144, 1424, 1000, 712, 850, 850),
    ],
)
@pytest.mark.parametrize(("level", "floor"), [(220, 2), (60, 4), (250, 20)])
def test_field_of_view(
    width: int, height: int, cx: float, cy: float, rx: float, ry: float, level: int, floor: int
) -> None:
    field = find_field(photograph(width, height, cx, cy, rx, ry, level, floor))
    assert field is not None
    expected = (max(0, cx - rx), max(0, cy - ry), min(width, cx + rx), min(height, cy + ry))
    assert np.abs(np.subtract(field.box, expected)).max() <= 0.012 * max(width, height)
    assert field.center == pytest.approx((cx, cy), abs=0.012 * max(width, height))


def test_no_field_in_pictures_without_a_surround() -> None:
    for picture in (texture(500, 500), np.zeros((300, 300), np.uint8), np.full((300, 300, 3), 200, np.uint8)):
        assert find_field(picture) is None


def test_crop_is_in_pixels_of_the_original(tmp_path: Path) -> None:
    scene = photograph(2400, 1800, 1300, 900, 700, 700, 200, 3)
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), scene)
    for side in (128, 512, 2000):
        made = process(path, ImageOptions(side=side, mode="rgb8", field_of_view=True))
        assert np.abs(np.subtract(made.crop, (600, 200, 2000, 1600))).max() <= 30
        longest = max(made.crop[2] - made.crop[0], made.crop[3] - made.crop[1])
        assert max(made.width, made.height) == min(side, longest)
        assert (made.original_width, made.original_height) == (2400, 1800)
    cv2.imwrite(str(path), photograph(2400, 1800, 1200, 900, 470, 470, 200, 3))
    small = process(path, ImageOptions(side=512, mode="rgb8", field_of_view=True))
    assert max(small.width, small.height) == 512  # a coarser scaled decode would leave 470
    (tmp_path / "b.png").write_bytes(encode(texture(600, 600), "png", 0))
    whole = process(tmp_path / "b.png", ImageOptions(mode="rgb8", field_of_view=True))
    assert whole.crop == (0, 0, 600, 600) and "no_field_of_view" in whole.flags


def test_real_fundus_fields() -> None:
    """All of IDRiD was taken by one camera: the field is a circle of about 3,450 pixels, cut above and below."""
    pictures = sorted(IDRID.rglob("*.jpg"))[::20]
    if not pictures:
        pytest.skip("no IDRiD here")
    for path in pictures:
        made = process(path, ImageOptions(mode="rgb8", field_of_view=True))
        x0, y0, x1, y1 = made.crop
        assert "no_field_of_view" not in made.flags
        assert 3300 < x1 - x0 < 3600 and y0 <= 20 and y1 >= 2828
        assert made.width == 512
