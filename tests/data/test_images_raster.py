"""Raster files: headers before pixels, damage found, pictures turned and scaled as promised."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mgll_data.errors import SampleError
from mgll_data.images.headers import read_header, sniff
from mgll_data.images.process import ImageOptions, process
from mgll_data.images.raster import read_raster, scale_for, stretch
from tests.conftest import SHARED

OPTIONS = ImageOptions(side=128, min_side=32)


def drawing(height: int = 300, width: int = 400, seed: int = 0) -> np.ndarray:
    """A smooth colour scene with edges and a little noise, BGR."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    scene = np.stack([x * 255 / width, y * 255 / height, 128 + 100 * np.sin(x / 17) * np.cos(y / 23)], axis=2)
    cv2.circle(scene, (width // 3, height // 2), height // 4, (30, 60, 220), -1)
    return np.clip(scene + rng.normal(0, 4, scene.shape), 0, 255).astype(np.uint8)


def encoded(extension: str, pixels: np.ndarray, *parameters: int) -> bytes:
    done, data = cv2.imencode(extension, pixels, list(parameters))
    assert done
    return data.tobytes()


def reason(tmp_path: Path, data: bytes, options: ImageOptions = OPTIONS, name: str = "a.png") -> str:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(SampleError) as caught:
        process(path, options)
    assert str(tmp_path) not in str(caught.value)
    return caught.value.reason


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("extension", [".png", ".jpg", ".bmp", ".tiff", ".webp", ".ppm", ".pgm"])
@pytest.mark.parametrize("shape", [(301, 403), (64, 999)])
def test_header_size_equals_decoded_size(extension: str, shape: tuple[int, int]) -> None:
    pixels = drawing(*shape)
    data = encoded(extension, pixels[:, :, 0] if extension == ".pgm" else pixels)
    kind = sniff(data)
    assert kind is not None
    header = read_header(data, kind)
    assert (header.height, header.width) == shape


@pytest.mark.parametrize("extension", [".png", ".bmp", ".tiff", ".ppm"])
def test_lossless_containers_have_one_pixel_hash(tmp_path: Path, extension: str) -> None:
    pixels = drawing()
    (tmp_path / "a").write_bytes(encoded(".png", pixels, cv2.IMWRITE_PNG_COMPRESSION, 1))
    (tmp_path / "b").write_bytes(encoded(extension, pixels))
    other = pixels.copy()
    other[150:160, 200:210] ^= 0x40
    (tmp_path / "c").write_bytes(encoded(extension, other))
    options = ImageOptions(side=128, min_side=32, mode="rgb8")
    a, b, c = (process(tmp_path / name, options) for name in "abc")
    assert a.pixel_sha256 == b.pixel_sha256 != c.pixel_sha256
    assert a.data == b.data


def test_budget_is_judged_before_decoding(tmp_path: Path) -> None:
    assert reason(tmp_path, png_header(60_000, 60_000)) == "too_large"
    jpeg = encoded(".jpg", drawing())
    at = jpeg.index(b"\xff\xc0")
    huge = jpeg[: at + 5] + struct.pack(">HH", 60_000, 60_000) + jpeg[at + 9 :]
    assert reason(tmp_path, huge) == "too_large"
    assert reason(tmp_path, encoded(".png", drawing(300, 20))) == "too_small"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "zero_bytes"),
        (b"this is a text file, whatever its name says\n" * 9, "undecodable"),
        (b"<html><body>404</body></html>", "undecodable"),
        (bytes(5000), "undecodable"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"\xff\xd8\xff", "truncated"),
    ],
)
def test_files_that_are_no_picture(tmp_path: Path, data: bytes, expected: str) -> None:
    assert reason(tmp_path, data) == expected


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="missing_image"):
        process(tmp_path / "no.png", OPTIONS)


@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.8, 0.97])
@pytest.mark.parametrize("tail", [b"", b"\xff\xd9", bytes(4096)])
def test_cut_jpeg_is_truncated(tmp_path: Path, progressive: int, part: float, tail: bytes) -> None:
    data = encoded(".jpg", drawing(), cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
    assert reason(tmp_path, data[: int(len(data) * part)] + tail) == "truncated"


def test_whole_jpegs_with_untidy_ends_are_accepted(tmp_path: Path) -> None:
    data = encoded(".jpg", drawing())
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    clean = process(path, OPTIONS)
    for untidy, flags in [(data + b"appended" * 99, ()), (data[:-2], ("no_end_marker",)), (data + bytes(99), ())]:
        path.write_bytes(untidy)
        made = process(path, OPTIONS)
        assert made.pixel_sha256 == clean.pixel_sha256
        assert made.flags == flags


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_cut_png_is_truncated(tmp_path: Path, part: float) -> None:
    data = encoded(".png", drawing())
    assert reason(tmp_path, data[: int(len(data) * part)]) == "truncated"


def test_png_with_a_flipped_bit_is_undecodable(tmp_path: Path) -> None:
    data = bytearray(encoded(".png", drawing()))
    data[len(data) // 2] ^= 0x10
    assert reason(tmp_path, bytes(data)) == "undecodable"


@settings(max_examples=60, deadline=None)
@given(
    cut=st.integers(0, 20_000),
    at=st.integers(0, 20_000),
    value=st.integers(0, 255),
    form=st.sampled_from([".png", ".jpg", ".bmp", ".tiff", ".webp", ".ppm"]),
)
def test_damage_raises_sample_errors_only(cut: int, at: int, value: int, form: str) -> None:
    data = bytearray(encoded(form, drawing(60, 80)))
    data[at % len(data)] = value
    broken = bytes(data[: max(1, cut % (len(data) + 1))])
    kind = sniff(broken)
    if kind in (None, "dicom", "headerless_dicom"):
        return
    try:
        picture = read_raster(broken, kind, "gray8", 64, 1, 10**6)
    except SampleError:
        return
    assert picture.pixels.dtype == np.uint8 and picture.pixels.ndim == 2


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    tiff = b"MM\0*" + struct.pack(">IH", 8, 1) + struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0) + bytes(4)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_a_viewer_does(tmp_path: Path, orientation: int) -> None:
    data = with_orientation(encoded(".jpg", drawing()), orientation)
    picture = read_raster(data, "jpeg", "rgb8", 10_000, 32, 10**7)
    viewer = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)  # applies EXIF by default
    assert np.array_equal(picture.pixels, viewer)
    assert (picture.height, picture.width) == viewer.shape[:2]
    assert ("exif_rotated" in picture.flags) == (orientation != 1)


@given(longest=st.integers(1, 20_000), target=st.integers(1, 3000))
def test_scaled_decode_never_falls_below_the_target(longest: int, target: int) -> None:
    scale = scale_for(longest, target)
    assert scale == 1 or -(-longest // scale) >= target
    assert scale == 8 or -(-longest // (scale * 2)) < target


def test_scaled_decode_is_close_to_the_full_one(tmp_path: Path) -> None:
    pixels = cv2.GaussianBlur(drawing(1600, 2000), (0, 0), 3)
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(".jpg", pixels, cv2.IMWRITE_JPEG_QUALITY, 95))
    options = ImageOptions(side=240, min_side=32, mode="rgb8", format="png")
    stored = cv2.imdecode(np.frombuffer(process(path, options).data, np.uint8), cv2.IMREAD_COLOR)
    full = cv2.resize(cv2.imread(str(path)), (240, 192), interpolation=cv2.INTER_AREA)
    assert stored.shape == full.shape
    assert np.sqrt(np.mean((stored.astype(float) - full) ** 2)) < 2


def test_sixteen_bits_are_stretched_and_said_so(tmp_path: Path) -> None:
    deep = drawing()[:, :, 2].astype(np.uint16) * 13 + 700  # 12 bits in a 16-bit file
    path = tmp_path / "a.png"
    path.write_bytes(encoded(".png", deep))
    made = process(path, ImageOptions(side=512, min_side=32, format="png"))
    stored = cv2.imdecode(np.frombuffer(made.data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert made.flags == ("percentile_window",)
    assert stored.dtype == np.uint8 and stored.min() == 0 and stored.max() == 255
    order = np.argsort(deep, axis=None, kind="stable")
    assert (np.diff(stored.reshape(-1)[order].astype(int)) >= 0).all()


def test_stretch_ignores_gain_and_offset() -> None:
    values = np.random.default_rng(0).normal(500, 90, (200, 200))
    assert np.array_equal(stretch(values), stretch(values * 8 + 1024))
    assert not stretch(np.full((9, 9), 7)).any()


def test_transparency_is_composed_over_black(tmp_path: Path) -> None:
    pixels = drawing()
    opaque = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    clear = opaque.copy()
    clear[:100, :, 3] = 0
    black = pixels.copy()
    black[:100] = 0
    options = ImageOptions(side=128, min_side=32, mode="rgb8")
    made = {}
    for name, array in {"plain": pixels, "opaque": opaque, "clear": clear, "black": black}.items():
        (tmp_path / name).write_bytes(encoded(".png", array))
        made[name] = process(tmp_path / name, options)
    assert made["plain"].pixel_sha256 == made["opaque"].pixel_sha256
    assert made["clear"].pixel_sha256 == made["black"].pixel_sha256
    assert "alpha" in made["clear"].flags and "alpha" not in made["opaque"].flags


@pytest.mark.parametrize("mode", ["gray8", "rgb8"])
def test_grey_and_colour_twins_are_one_picture(tmp_path: Path, mode: str) -> None:
    gray = drawing()[:, :, 1]
    (tmp_path / "gray").write_bytes(encoded(".png", gray))
    (tmp_path / "colour").write_bytes(encoded(".png", cv2.merge([gray] * 3)))
    options = ImageOptions(side=128, min_side=32, mode=mode)  # type: ignore[arg-type]
    a, b = (process(tmp_path / name, options) for name in ("gray", "colour"))
    assert a.pixel_sha256 == b.pixel_sha256 and a.dhash == b.dhash


def test_no_real_file_is_rejected() -> None:
    """Every picture of the shared sets is whole; a sample of each folder is enough here."""
    if not SHARED.is_dir():
        pytest.skip("no real data here")
    folders = sorted({path.parent for path in SHARED.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg")})
    assert folders
    for folder in folders:
        pictures = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
        for path in pictures[:: max(1, len(pictures) // 8)]:
            made = process(path, ImageOptions(side=64, min_side=32))
            assert max(made.width, made.height) <= 64
