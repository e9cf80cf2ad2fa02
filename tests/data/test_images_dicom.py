"""DICOM: real files of nine transfer syntaxes, and drawn ones for what the real ones do not show."""

import io
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_windowing
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from mgll_data.errors import ExcludedError, SampleError
from mgll_data.images import dicom_pixels
from mgll_data.images.dicom import read_dicom
from mgll_data.images.dicom_display import apply_window
from mgll_data.images.headers import sniff
from mgll_data.images.process import ImageOptions, process
from mgll_data.images.raster import Picture
from tests.conftest import SHARED

WG04 = SHARED / "dicom-nema-wg04"
MISC = SHARED / "dicom-misc-xray"
FUJI, FUJI_WRAPPED = MISC / "fo-dicom" / "CR-MONO1-10-chest", MISC / "rse-panimg" / "cxr.dcm"
GRAY = ImageOptions(side=512)
real = pytest.mark.skipif(not WG04.is_dir(), reason="no real DICOM files here")


def pixels_of(path: Path, window: str = "voi") -> np.ndarray:
    data = path.read_bytes()
    headerless = sniff(data) == "headerless_dicom"
    return read_dicom(data, "gray8", window, 64, 10**8, chest=True, headerless=headerless).pixels  # type: ignore[arg-type]


def drawn(values: np.ndarray, **tags: object) -> bytes:
    """A small uncompressed CR object; keyword arguments replace or add tags (None removes)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1", "1.2.826.0.1.3680043.8.498.1"
    ds.PatientName, ds.PatientID, ds.StudyDate = "Doe^Jane", "SECRET-77", "19990417"
    ds.Modality, ds.PhotometricInterpretation, ds.SamplesPerPixel = "CR", "MONOCHROME2", 1
    ds.Rows, ds.Columns = values.shape[:2]
    ds.BitsAllocated = 8 * values.dtype.itemsize
    ds.BitsStored = 12 if values.dtype.itemsize == 2 else 8
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(values.dtype.kind == "i")
    ds.PixelData = values.tobytes()
    for key, value in tags.items():
        if value is None:
            delattr(ds, key)
        else:
            setattr(ds, key, value)
    file = io.BytesIO()
    pydicom.dcmwrite(file, ds, enforce_file_format=True)
    return file.getvalue()


def ramp(dtype: type = np.uint16, top: int = 4095) -> np.ndarray:
    return np.tile(np.linspace(0, top, 300), (200, 1)).astype(dtype)


def read(data: bytes, mode: str = "gray8", window: str = "voi", **more: object) -> Picture:
    return read_dicom(data, mode, window, 64, 10**7, chest=more.pop("chest", True), **more)  # type: ignore[arg-type]


def reason(data: bytes, **more: object) -> str:
    with pytest.raises(SampleError) as caught:
        read(data, **more)
    for secret in ("Doe", "SECRET", "1999", "/"):
        assert secret not in str(caught.value)
    return caught.value.reason


@real
@pytest.mark.parametrize(("name", "bound"), [("J2KR/RG1_J2KR", 0), ("JLSN/RG1_JLSN", 1), ("J2KI/RG1_J2KI", 8)])
@pytest.mark.parametrize("window", ["voi", "percentile"])
def test_compressed_forms_equal_the_raw_one(name: str, bound: int, window: str) -> None:
    raw, other = pixels_of(WG04 / "REF" / "RG1_UNC", window), pixels_of(WG04 / name, window)
    assert np.abs(raw.astype(int) - other).max() <= bound


@real
def test_lossless_forms_are_exact_duplicates() -> None:
    raw, lossless = process(WG04 / "REF" / "RG1_UNC", GRAY), process(WG04 / "J2KR" / "RG1_J2KR", GRAY)
    lossy = process(WG04 / "J2KI" / "RG1_J2KI", GRAY)
    assert raw.file_sha256 != lossless.file_sha256
    assert raw.pixel_sha256 == lossless.pixel_sha256 != lossy.pixel_sha256
    assert (int(raw.dhash, 16) ^ int(lossy.dhash, 16)).bit_count() <= 3
    assert (raw.modality_code, raw.view, raw.laterality) == ("CR", "pa", None)


@real
def test_headerless_file_is_read_and_equals_its_wrapped_copy() -> None:
    bare, wrapped = process(FUJI, GRAY), process(FUJI_WRAPPED, GRAY)
    assert bare.file_sha256 != wrapped.file_sha256
    assert bare.pixel_sha256 == wrapped.pixel_sha256
    assert (bare.original_width, bare.original_height, bare.view) == (440, 440, "pa")


@real
@pytest.mark.parametrize("window", ["voi", "percentile"])
@pytest.mark.parametrize("path", [FUJI, WG04 / "REF" / "RG1_UNC"], ids=["fuji", "philips"])
def test_monochrome1_is_shown_with_dark_lungs(path: Path, window: str) -> None:
    """Lung fields (a third of the height, a quarter from either side) are darker than the spine between them."""
    shown = pixels_of(path, window).astype(float)
    height, width = shown.shape
    rows = slice(int(0.3 * height), int(0.45 * height))
    middle = shown[rows, int(0.47 * width) : int(0.53 * width)].mean()
    lungs = [shown[rows, int(a * width) : int((a + 0.1) * width)].mean() for a in (0.2, 0.7)]
    assert max(lungs) < middle - 10


@real
@pytest.mark.parametrize("name", ["JPLL/RG2_JPLL", "JPLY/RG2_JPLY", "JPLY/RG3_JPLY", "RLE/RG3_RLE", "JLSL/RG3_JLSL"])
def test_hip_and_leg_are_excluded(name: str) -> None:
    with pytest.raises(ExcludedError, match="not_chest"):
        process(WG04 / name, GRAY)


@real
def test_leg_is_equal_in_all_lossless_forms() -> None:
    options = ImageOptions(mode="rgb8")  # a photograph recipe does not ask for a chest
    hashes = {process(WG04 / name, options).pixel_sha256 for name in ("RLE/RG3_RLE", "JLSL/RG3_JLSL", "J2KR/RG3_J2KR")}
    assert len(hashes) == 1


@real
def test_twelve_bit_jpeg_is_quarantined() -> None:
    with pytest.raises(SampleError, match="undecodable"):
        process(WG04 / "JPLY" / "RG2_JPLY", ImageOptions(mode="rgb8"))


@real
def test_colour_fundus_is_excluded_in_grey_and_read_in_colour() -> None:
    path = WG04 / "J2KI" / "VL4_J2KI"
    with pytest.raises(ExcludedError, match="colour"):
        process(path, GRAY)
    made = process(path, ImageOptions(mode="rgb8"))
    stored = cv2.imdecode(np.frombuffer(made.data, np.uint8), cv2.IMREAD_COLOR).reshape(-1, 3).mean(axis=0)
    assert stored[2] > stored[1] > stored[0]  # BGR: a fundus is red


@real
def test_modality_lut_runs_backwards_and_is_applied() -> None:
    path = MISC / "fo-dicom" / "CR-ModalitySequenceLUT.dcm"
    ds = pydicom.dcmread(path)
    table = np.frombuffer(ds.ModalityLUTSequence[0].LUTData, np.uint16)
    assert len(table) == 1024
    shown = read(path.read_bytes(), chest=False).pixels.astype(float)
    stored = ds.pixel_array
    expected_sign = -np.sign(np.corrcoef(np.arange(len(table)), table)[0, 1])  # MONOCHROME1 turns it once more
    assert np.sign(np.corrcoef(stored.reshape(-1), shown.reshape(-1))[0, 1]) == expected_sign


@given(
    center=st.floats(-3000, 3000),
    width=st.floats(2, 6000),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    signed=st.booleans(),
)
@settings(deadline=None)
@pytest.mark.filterwarnings("ignore:overflow encountered in exp")  # in pydicom's own sigmoid
def test_window_equals_pydicom(center: float, width: float, function: str, signed: bool) -> None:
    values = np.arange(-2048, 2048, 7, np.int16) if signed else np.arange(0, 4096, 7, np.uint16)
    ds = Dataset()
    ds.PhotometricInterpretation, ds.BitsStored, ds.PixelRepresentation = "MONOCHROME2", 12, int(signed)
    ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = round(center, 3), round(width, 3), function
    low, high = (-2048, 2047) if signed else (0, 4095)
    expected = (apply_windowing(values, ds) - low) / (high - low)
    assert np.allclose(apply_window(values, round(center, 3), round(width, 3), function), expected, atol=2e-3)


@given(slope=st.floats(0.1, 10), intercept=st.floats(-2000, 2000))
@settings(max_examples=25, deadline=None)
def test_rescale_moves_the_window_and_nothing_else(slope: float, intercept: float) -> None:
    slope, intercept = round(slope, 4), round(intercept, 2)
    plain = read(drawn(ramp(), WindowCenter=2000, WindowWidth=3000)).pixels
    center, width = round((2000 - 0.5) * slope + intercept + 0.5, 6), round((3000 - 1) * slope + 1, 6)
    moved = read(drawn(ramp(), WindowCenter=center, WindowWidth=width, RescaleSlope=slope, RescaleIntercept=intercept))
    assert np.abs(moved.pixels.astype(int) - plain).max() <= 1


def test_monochrome1_is_inverted_after_the_window() -> None:
    """An asymmetric window tells the order: inverting stored values first would move the window's centre."""
    tags = {"WindowCenter": 600, "WindowWidth": 800}
    direct = read(drawn(ramp(), **tags)).pixels
    inverse = read(drawn(ramp(), PhotometricInterpretation="MONOCHROME1", **tags)).pixels
    assert np.array_equal(inverse, 255 - direct)
    assert direct[0, 0] == 0 and direct[0, -1] == 255
    assert 0 < direct[0, 40] < 255  # stored value about 546: inside the window


def test_scale_is_that_of_the_window_not_of_the_picture() -> None:
    """A faint film must stay faint: the brightest pixel is far below white."""
    shown = read(drawn(ramp(top=400), WindowCenter=2048, WindowWidth=4096)).pixels
    assert shown.max() == pytest.approx(25, abs=1)


def test_voi_lut_is_preferred_and_scaled_by_its_depth() -> None:
    lut = Dataset()
    lut.LUTDescriptor, lut.LUTData = [4096, 0, 10], [min(1023, n // 8) for n in range(4096)]
    lut["LUTDescriptor"].VR = lut["LUTData"].VR = "US"
    shown = read(drawn(ramp(), VOILUTSequence=[lut], WindowCenter=1, WindowWidth=2)).pixels
    assert shown[0, -1] == pytest.approx(255 * 511 / 1023, abs=1)


def test_window_choice_and_flags() -> None:
    plain = read(drawn(ramp()))
    assert plain.flags == ("percentile_window",) and plain.pixels.max() == 255
    assert read(drawn(ramp(), WindowCenter=9, WindowWidth=0)).flags == ("percentile_window", "bad_window")
    several = read(drawn(ramp(), WindowCenter=[2000, 100], WindowWidth=[3000, 50]))
    assert several.flags == ()
    assert np.array_equal(several.pixels, read(drawn(ramp(), WindowCenter=2000, WindowWidth=3000)).pixels)
    stretched = read(drawn(ramp(), WindowCenter=2000, WindowWidth=3000), window="percentile")
    assert "percentile_window" in stretched.flags and np.array_equal(stretched.pixels, plain.pixels)
    eight = read(drawn(ramp(np.uint8, 200)))
    assert eight.flags == () and np.array_equal(eight.pixels, ramp(np.uint8, 200))
    odd = drawn(
        ramp(),
        PhotometricInterpretation="MONOCHROME1",
        PresentationLUTShape="IDENTITY",
        PresentationIntentType="FOR PROCESSING",
        BurnedInAnnotation="YES",
    )
    assert set(read(odd).flags) >= {"lut_shape_conflict", "for_processing", "burned_in_annotation"}


def test_headers_decide_before_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    colour = np.zeros((200, 300, 3), np.uint8)
    cases = {
        "multi_frame": drawn(ramp(), NumberOfFrames=2),
        "colour": drawn(colour, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0),
        "not_chest": drawn(ramp(), BodyPartExamined="ABDOMEN"),
        "too_large": drawn(ramp(), Rows=60000, Columns=60000),
        "too_small": drawn(ramp()[:20]),
    }
    monkeypatch.setattr(dicom_pixels, "stored_values", lambda *_: pytest.fail("decoded"))
    for expected, data in cases.items():
        assert reason(data) == expected


def test_damaged_objects() -> None:
    whole = drawn(ramp())
    assert reason(whole[:-5000]) in ("truncated", "undecodable")
    assert reason(whole[:300]) in ("truncated", "undecodable")
    assert reason(drawn(ramp(), PixelData=None)) == "truncated"
    assert reason(drawn(ramp(), Rows=None)) == "undecodable"
    assert reason(drawn(ramp(), PixelData=ramp().tobytes()[:-200])) == "truncated"
    broken = drawn(ramp())
    broken = broken.replace(ExplicitVRLittleEndian.encode(), JPEGBaseline8Bit.encode()[: len(ExplicitVRLittleEndian)])
    assert reason(broken) in ("undecodable", "truncated", "decoder_missing")


@settings(max_examples=80, deadline=None)
@given(at=st.integers(132, 1200), value=st.integers(0, 255), cut=st.integers(132, 20_000))
def test_damage_raises_sample_errors_only(at: int, value: int, cut: int) -> None:
    data = bytearray(drawn(ramp()[:100, :100], BodyPartExamined="CHEST", WindowCenter=9, WindowWidth=7))
    data[at % len(data)] = value
    try:
        read(bytes(data[:cut]))
    except SampleError as error:
        assert "SECRET" not in error.detail


def test_odd_values_are_not_shouted_out(recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]) -> None:
    """pydicom quotes values that break their type; those may hold anything."""
    odd = drawn(ramp(), BodyPartExamined="CHEST", ViewPosition="PAXX", WindowCenter=2, WindowWidth=9)
    recwarn.clear()
    read(odd.replace(b"PAXX", b"Do\xeb!").replace(b"CHEST ", b"ch\xebst "))
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_headerless_object_must_be_plausible() -> None:
    for data in (b"\x08\x00\x05\x00" + bytes(3000), b"\x08\x00\x08\x00" + b"what a file may say" * 200):
        assert sniff(data) == "headerless_dicom"
        assert reason(data, headerless=True) in ("undecodable", "truncated")


def test_colour_object_keeps_its_channels() -> None:
    colour = np.zeros((100, 120, 3), np.uint8)
    colour[:] = (200, 90, 30)  # RGB
    data = drawn(colour, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0, Laterality="L")
    picture = read(data, mode="rgb8", chest=False)
    assert picture.pixels[50, 50].tolist() == [30, 90, 200]
    assert picture.laterality == "left"
