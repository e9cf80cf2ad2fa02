"""One picture in every transfer syntax that can be written here gives the same pixels; odd objects are read or not."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import cv2
import gdcm
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from mgll_data.errors import SampleError
from mgll_data.images.codestream import stated_size
from mgll_data.images.dicom_pixels import refuse_bomb
from mgll_data.images.process import ImageOptions, process
from mgll_data.images.syntaxes import plugins
from tests.conftest import SHARED
from tests.data.test_images_dicom import drawn, ramp, read, reason

LOSSLESS = (JPEG2000Lossless, JPEGLSLossless, RLELossless)
NATIVE = (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


def film(rows: int, columns: int, bits: int, signed: bool, seed: int) -> np.ndarray:
    """A smooth picture with noise over the whole range of `bits` bits."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns]
    wave = np.sin(x / 17 + seed) * np.cos(y / 23) + rng.normal(0, 0.02, (rows, columns))
    unit = (wave - wave.min()) / np.ptp(wave)
    values = np.rint(unit * (2**bits - 1)).astype(np.int64) - (2 ** (bits - 1) if signed else 0)
    kind = ("int" if signed else "uint") + ("8" if bits <= 8 else "16")
    return values.astype(kind)


def written(ds: pydicom.Dataset, syntax: str) -> bytes:
    file = io.BytesIO()
    ds.file_meta.TransferSyntaxUID = syntax
    if syntax in NATIVE and syntax == ExplicitVRBigEndian and ds.BitsAllocated == 16:
        ds.PixelData = np.frombuffer(ds.PixelData, "<u2").byteswap().tobytes()
        ds["PixelData"].VR = "OB"  # already turned round: the writer must not do it again
    pydicom.dcmwrite(file, ds, enforce_file_format=True, implicit_vr=None)
    return file.getvalue()


def compressed(data: bytes, syntax: str, **options: Any) -> bytes:
    ds = pydicom.dcmread(io.BytesIO(data))
    # gdcm's run-length encoder dies on some pictures; what is tested here is decoding.
    ds.compress(syntax, encoding_plugin="pydicom" if syntax == RLELossless else "", **options)
    file = io.BytesIO()
    ds.save_as(file)
    return file.getvalue()


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(64, 131),
    columns=st.integers(64, 131),
    bits=st.sampled_from([8, 10, 12, 15, 16]),
    inverse=st.booleans(),
    windowed=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_lossless_form_gives_the_same_pixels(
    rows: int, columns: int, bits: int, inverse: bool, windowed: bool, seed: int
) -> None:
    """Odd sizes, all depths, both polarities, with and without a window."""
    values = film(rows, columns, bits, False, seed)
    tags: dict[str, Any] = {"PhotometricInterpretation": "MONOCHROME1" if inverse else "MONOCHROME2"}
    tags |= {"BitsStored": bits, "HighBit": bits - 1}
    if windowed:
        tags |= {"WindowCenter": 2 ** (bits - 1), "WindowWidth": 2**bits // 2}
    raw = drawn(values, **tags)
    expected = read(raw).pixels
    assert expected.shape == (rows, columns) and np.ptp(expected) > 100
    for syntax in LOSSLESS:
        assert np.array_equal(read(compressed(raw, syntax)).pixels, expected), syntax.name
    for syntax in NATIVE:
        assert np.array_equal(read(written(pydicom.dcmread(io.BytesIO(raw)), syntax)).pixels, expected), syntax.name


@pytest.mark.parametrize(
    "syntax", [gdcm.TransferSyntax.JPEGLosslessProcess14, gdcm.TransferSyntax.JPEGLosslessProcess14_1]
)
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless_jpeg_gives_the_same_pixels(tmp_path: Path, syntax: int, bits: int) -> None:
    raw = drawn(film(102, 78, bits, False, 3), BitsStored=bits, HighBit=bits - 1)
    (tmp_path / "raw.dcm").write_bytes(raw)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(tmp_path / "raw.dcm"))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(tmp_path / "made.dcm"))
    assert writer.Write()
    made = (tmp_path / "made.dcm").read_bytes()
    assert b"1.2.840.10008.1.2.4." in made
    assert np.array_equal(read(made).pixels, read(raw).pixels)


@settings(max_examples=15, deadline=None)
@given(bits=st.sampled_from([8, 12, 16]), near=st.integers(1, 8), seed=st.integers(0, 99))
def test_near_lossless_forms_stay_within_their_bound(bits: int, near: int, seed: int) -> None:
    """JPEG-LS states its largest error in stored values; JPEG 2000 at 40 to 1 stays within 16 of 255 grey levels."""
    raw = drawn(film(96, 120, bits, False, seed), BitsStored=bits, HighBit=bits - 1, **window(bits))
    expected = read(raw).pixels.astype(int)
    lossy = read(compressed(raw, JPEGLSNearLossless, jls_error=near)).pixels
    assert np.abs(lossy - expected).max() <= near * 255 / (2**bits - 1) + 1
    lossy = read(compressed(raw, JPEG2000, j2k_cr=[8])).pixels
    assert np.abs(lossy - expected).max() <= 16


def window(bits: int) -> dict[str, int]:
    return {"WindowCenter": 2 ** (bits - 1), "WindowWidth": 2**bits}


def test_baseline_jpeg_stays_within_its_bound() -> None:
    values = film(128, 160, 8, False, 5)
    done, coded = cv2.imencode(".jpg", values, [cv2.IMWRITE_JPEG_QUALITY, 95])
    assert done
    ds = pydicom.dcmread(io.BytesIO(drawn(values)))
    ds.PixelData = encapsulate([coded.tobytes()])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    file = io.BytesIO()
    ds.save_as(file)
    assert np.abs(read(file.getvalue()).pixels.astype(int) - values).max() <= 12


def test_plug_ins_are_tried_in_one_order() -> None:
    assert plugins(JPEGLSLossless) == ["gdcm"]
    assert plugins(JPEG2000)[0] == "pylibjpeg"
    assert plugins(RLELossless) == ["pydicom"]
    assert plugins(JPEGBaseline8Bit)[0] == "gdcm"


def test_signed_values_of_every_form() -> None:
    raw = drawn(film(90, 91, 12, True, 1), BitsStored=12, HighBit=11, WindowCenter=0, WindowWidth=4096)
    expected = read(raw).pixels
    assert expected.min() < 5 and expected.max() > 250
    for syntax in (JPEG2000Lossless, RLELossless):
        assert np.array_equal(read(compressed(raw, syntax)).pixels, expected)


def test_overlays_in_unused_high_bits_do_not_show() -> None:
    values, marked = ramp(), ramp()
    marked[:40] |= 0xF000
    tags = {"WindowCenter": 2048, "WindowWidth": 4096}
    assert np.array_equal(read(drawn(marked, **tags)).pixels, read(drawn(values, **tags)).pixels)


@pytest.mark.parametrize("signed", [False, True])
def test_significant_bits_may_stand_high(signed: bool) -> None:
    """HighBit 15 of 12 stored bits: the four lowest bits are not the picture's."""
    values = ramp(np.int16 if signed else np.uint16) - (2048 if signed else 0)
    low = np.random.default_rng(0).integers(0, 16, values.shape)
    high = ((values.astype(np.int32) << 4) | low).astype(values.dtype)
    tags = {"WindowCenter": 0 if signed else 2048, "WindowWidth": 4096}
    assert np.array_equal(read(drawn(high, HighBit=15, **tags)).pixels, read(drawn(values, **tags)).pixels)


def test_one_bit_and_six_bit_pictures_use_the_whole_range() -> None:
    bits = ramp() > 2000
    packed = drawn(np.packbits(bits, axis=1, bitorder="little"), BitsAllocated=1, BitsStored=1, HighBit=0, Columns=300)
    packed_rows = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    shown = read(packed.replace(np.packbits(bits, axis=1, bitorder="little").tobytes(), packed_rows)).pixels
    assert set(np.unique(shown)) == {0, 255}
    six = read(drawn(ramp(np.uint8, 63), BitsStored=6, HighBit=5)).pixels
    assert six.min() == 0 and six.max() == 255


def test_floating_point_pixels_are_stretched_and_refused_where_they_are_no_numbers() -> None:
    values = np.tile(np.linspace(-1.5, 2.5, 300, dtype=np.float32), (200, 1))

    def float_object(pixels: np.ndarray) -> bytes:
        ds = pydicom.dcmread(io.BytesIO(drawn(ramp(), BitsStored=None, HighBit=None, PixelRepresentation=None)))
        del ds.PixelData
        ds.BitsAllocated, ds.FloatPixelData = 32, pixels.tobytes()
        file = io.BytesIO()
        ds.save_as(file)
        return file.getvalue()

    picture = read(float_object(values))
    assert picture.flags == ("percentile_window",) and np.ptp(picture.pixels) == 255
    values[:50] = np.nan
    assert reason(float_object(values)) == "undecodable"


@pytest.mark.parametrize(
    ("tags", "shape"),
    [
        ({"PixelSpacing": [0.2, 0.1]}, (400, 300)),
        ({"PixelSpacing": [0.1, 0.15]}, (200, 450)),
        ({"PixelSpacing": [0, 0]}, (200, 300)),
        ({"PixelSpacing": [-1, 0.1]}, (200, 300)),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.3, 0.1]}, (600, 300)),
        ({"PixelAspectRatio": [2, 1]}, (400, 300)),
        ({"PixelSpacing": [0.1431, 0.1432]}, (200, 300)),
    ],
)
def test_pixels_are_made_square(tags: dict[str, Any], shape: tuple[int, int]) -> None:
    picture = read(drawn(ramp(), **tags))
    assert picture.pixels.shape == shape
    assert ("square_pixels" in picture.flags) == (shape != (200, 300))
    assert (picture.height, picture.width) == (200, 300)


def test_a_spacing_that_asks_for_a_giant_is_refused() -> None:
    assert reason(drawn(ramp(), PixelSpacing=[10000, 0.01])) == "too_large"


@pytest.mark.parametrize("modality", ["CT", "MR", "MG", "US"])
def test_other_kinds_of_imaging_are_no_chest_films(modality: str) -> None:
    assert reason(drawn(ramp(), Modality=modality, BodyPartExamined="CHEST")) == "not_chest"


def test_a_codestream_of_another_size_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = compressed(drawn(ramp()[:100, :120]), JPEG2000Lossless)
    at = data.index(b"\xff\x4f\xff\x51")
    lying = data[: at + 8] + (60000).to_bytes(4, "big") + (60000).to_bytes(4, "big") + data[at + 16 :]
    monkeypatch.setattr("mgll_data.images.dicom_pixels._decompressed", lambda *_: pytest.fail("decoded"))
    assert reason(lying) == "undecodable"


def test_stated_sizes() -> None:
    picture = ramp(np.uint8, 255)[:50, :70]
    assert stated_size(cv2.imencode(".jpg", picture)[1].tobytes()) == (70, 50)
    assert stated_size(b"\xff\xd8\xff") is None and stated_size(b"") is None and stated_size(bytes(99)) is None


def test_deflated_bomb_is_refused() -> None:
    head = drawn(ramp())[:132] + b"\x02\x00\x00\x00UL\x04\x00" + (26).to_bytes(4, "little")
    head += b"\x02\x00\x10\x00UI" + (22).to_bytes(2, "little") + b"1.2.840.10008.1.2.1.99"
    head = head[:140] + (len(head) - 144).to_bytes(4, "little") + head[144:]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = head + b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    assert len(bomb) < 200_000
    with pytest.raises(SampleError, match="too_large"):
        refuse_bomb(bomb, 1 << 24)
    refuse_bomb(bomb, 1 << 30)


@pytest.mark.skipif(not SHARED.is_dir(), reason="no real files here")
def test_what_no_decoder_reads_names_the_package_that_might() -> None:
    """The two 12-bit extended JPEG files of the NEMA set: neither gdcm nor pillow reads them."""
    for name in ("RG2_JPLY", "RG3_JPLY"):
        with pytest.raises(SampleError) as caught:
            process(SHARED / "dicom-nema-wg04" / "JPLY" / name, ImageOptions(mode="rgb8"))
        assert caught.value.reason == "undecodable" and "pylibjpeg-libjpeg" in caught.value.detail
