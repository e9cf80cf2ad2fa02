"""The look at transfer syntaxes before a build: counts, decoders, what to install, and no second look at a file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless

from mgll_data import preflight
from mgll_data.errors import SampleError
from mgll_data.images import syntaxes
from mgll_data.images.syntaxes import missing_plugins
from tests.data.test_images_dicom import MISC, WG04, drawn, ramp, read, real


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two uncompressed films, one JPEG 2000, one of a syntax of nobody's, one without preamble, a PNG, a text."""
    root = tmp_path / "films"
    root.mkdir()
    plain = drawn(ramp())
    (root / "a.dcm").write_bytes(plain)
    (root / "b.dcm").write_bytes(drawn(ramp(), BodyPartExamined="CHEST"))
    ds = pydicom.dcmread(io.BytesIO(plain))
    ds.compress(JPEG2000Lossless)
    ds.save_as(root / "c")
    (root / "d.dcm").write_bytes(plain.replace(b"1.2.840.10008.1.2.1\0", b"9.9.999.10008.1.2.1\0"))
    (root / "e").write_bytes(plain[plain.index(b"\x08\x00\x16\x00") :])
    (root / "f.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "g.txt").write_text("no film")
    return root


def rows(folder: Path) -> list[dict[str, Any]]:
    names = [*sorted(p.name for p in folder.iterdir()), "missing.dcm", "../escape.dcm", "/etc/passwd", ""]
    return [{"source": "s", "image": name} for name in names]


def scan(folder: Path) -> list[preflight.Syntax]:
    return preflight.scan(rows(folder), {"s": folder}, folder.parent / "cache", 2)


def test_counts_and_decoders(folder: Path) -> None:
    found = {syntax.name: syntax for syntax in scan(folder)}
    assert {name: syntax.files for name, syntax in found.items()} == {
        "Explicit VR Little Endian": 3,
        "JPEG 2000 Image Compression (Lossless Only)": 1,
        "a transfer syntax outside the standard": 1,
    }
    assert found["Explicit VR Little Endian"].decoder == "built in"
    assert found["JPEG 2000 Image Compression (Lossless Only)"].decoder == "pylibjpeg"
    unknown = found["a transfer syntax outside the standard"]
    assert (unknown.decoder, unknown.install) == ("", "")
    assert preflight.advice([unknown])[0].endswith("no decoder is known for it")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    class Bare:
        is_available = False
        available_plugins = ()
        missing_dependencies = (
            "gdcm - requires gdcm>=3.0.10",
            "pylibjpeg - requires pylibjpeg>=2.0 and pylibjpeg-openjpeg>=2.0",
        )

    missing_plugins.cache_clear()
    monkeypatch.setattr("pydicom.pixels.get_decoder", lambda uid: Bare())
    yield
    missing_plugins.cache_clear()


@pytest.mark.usefixtures("bare")
def test_what_to_install_is_named(folder: Path) -> None:
    (line,) = [line for line in preflight.advice(scan(folder)) if "2000" in line]
    assert line.startswith("1 DICOM files in JPEG 2000 Image Compression (Lossless Only) cannot be decoded")
    assert line.endswith("pip install python-gdcm or pylibjpeg pylibjpeg-openjpeg")


def test_a_file_is_opened_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = syntaxes.syntax_of
    monkeypatch.setattr(syntaxes, "syntax_of", lambda path: (opened.append(path.name), real(path))[1])
    first = scan(folder)
    assert sorted(opened) == ["a.dcm", "b.dcm", "c", "d.dcm", "e", "g.txt"]  # not the PNG
    opened.clear()
    assert scan(folder) == first and not opened
    (folder / "b.dcm").write_bytes((folder / "c").read_bytes())
    assert sum(s.files for s in scan(folder)) == 5 and opened == ["b.dcm"]


def test_pictures_cost_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("opened"))
    monkeypatch.setattr(Path, "stat", lambda *_: pytest.fail("looked at"))
    names = [Path(f"{n}.png") for n in range(1000)]
    assert not any(seen.syntax for seen in syntaxes.look(names, {}, workers=1) if seen)


@real
def test_preflight_counts_the_syntaxes() -> None:
    paths = [path for folder in (WG04, MISC) for path in folder.rglob("*") if path.is_file()]
    report = syntaxes.preflight(paths)
    assert sum(entry.files for entry in report.values()) == 15
    assert report["1.2.840.10008.1.2"].files == 3  # two with a preamble, one without
    assert all(entry.decodable and entry.plugin == "" for entry in report.values())


def test_missing_plugin_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        is_available = False
        missing_dependencies = ("gdcm - requires gdcm>=3.0.10", "pylibjpeg - requires pylibjpeg")

    missing_plugins.cache_clear()
    monkeypatch.setattr("pydicom.pixels.get_decoder", lambda uid: Bare())
    with pytest.raises(SampleError) as caught:
        read(drawn(ramp()))
    missing_plugins.cache_clear()
    assert caught.value.reason == "decoder_missing"
    assert "python-gdcm or pylibjpeg" in caught.value.detail and "1.2.840" not in caught.value.detail
