"""What a file is, how large its picture is and whether it is all there: read from its bytes, without decoding.

The picture's size decides whether we decode at all: a header that promises 60,000 x 60,000 pixels must cost nothing.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Literal

from mgll_data.errors import SampleError

Kind = Literal["png", "jpeg", "dicom", "headerless_dicom", "raw_film", "tiff", "pnm", "bmp", "webp"]

_PNG = b"\x89PNG\r\n\x1a\n"
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")  # in entropy-coded data: a real marker, not stuffing, not RSTn
_PNM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15 without DHT, JPG, DAC
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})


@dataclass(frozen=True, slots=True)
class Header:
    """width, height in pixels as stored. complete: false where a JPEG stops without its end marker.

    orientation: EXIF orientation 1 to 8 (JPEG only). progressive: JPEG whose scans refine one another.
    """

    width: int
    height: int
    complete: bool = True
    orientation: int = 1
    progressive: bool = False


def sniff(data: bytes) -> Kind | None:
    """Kind of file by its first bytes, never by its name; None for anything that we do not read.

    `headerless_dicom` is only a guess (first tag of group 0008): `dicom.read_dicom` must still find an image in it.
    """
    if data.startswith(_PNG):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[128:132] == b"DICM":
        return "dicom"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:2] == b"BM" and data[6:10] == bytes(4):
        return "bmp"
    if _PNM.match(data[:1024]):
        return "pnm"
    if len(data) > 16 and data[:2] == b"\x08\x00" and data[3] == 0:
        return "headerless_dicom"
    return None


def read_header(data: bytes, kind: Kind) -> Header:
    """Header of a raster file. Raises SampleError `truncated` or `undecodable`."""
    try:
        match kind:
            case "png":
                header = _png(data)
            case "jpeg":
                header = _jpeg(data)
            case "tiff":
                header = _tiff(data)
            case "webp":
                header = _webp(data)
            case "bmp":
                width, height = struct.unpack_from("<ii", data, 18)
                header = Header(width, abs(height))  # negative: rows from top to bottom
            case "pnm":
                found = _PNM.match(data[:1024])
                header = Header(int(found[1]), int(found[2])) if found else Header(0, 0)
            case _:
                raise ValueError(f"{kind} has no raster header")
    except (struct.error, IndexError):
        raise SampleError("truncated", f"the {kind} file ends inside its header") from None
    if header.width < 1 or header.height < 1:
        raise SampleError("undecodable", f"the {kind} header states {header.width} x {header.height} pixels")
    return header


def png_is_whole(data: bytes) -> bool:
    """Whether the chunks of a PNG lead to its IEND. Bytes after IEND are nobody's business."""
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"IEND":
            return True
        at += 12 + length
    return False


def _png(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 16)
    if data[12:16] != b"IHDR":
        raise SampleError("undecodable", "the png file does not start with IHDR")
    return Header(width, height)


def _jpeg(data: bytes) -> Header:
    """Walk the segments and scans (ITU T.81 annex B); thumbnails lie inside APPn segments and are stepped over."""
    at, width, height, orientation, progressive = 2, 0, 0, 1, False
    complete = False
    while True:
        while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] == b"\xff":
            at += 1  # fill bytes
        if at + 2 > len(data) or data[at] != 0xFF:
            break
        marker = data[at + 1]
        if marker == 0xD9:
            complete = True
            break
        if at + 4 > len(data):
            break
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            progressive = marker in _PROGRESSIVE
        elif marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            orientation = _exif_orientation(data[at + 10 : at + 2 + length])
        at += 2 + length
        if marker == 0xDA:
            if data.endswith(b"\xff\xd9"):  # the usual case; whether the scans are whole is the decoder's to say
                complete = True
                break
            found = _MARKER.search(data, at)
            if not found:
                break
            at = found.end() - 2
    if not width:
        raise SampleError("truncated" if at + 4 > len(data) else "undecodable", "the jpeg file has no frame header")
    return Header(width, height, complete, orientation, progressive)


def _exif_orientation(exif: bytes) -> int:
    """Orientation (tag 0x0112 of IFD 0, EXIF 2.3 section 4.6.4), 1 where it is absent or damaged."""
    try:
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        (ifd,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, ifd)
        for k in range(count):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, ifd + 2 + 12 * k)
            if tag == 0x0112 and kind == 3:
                return value if 1 <= value <= 8 else 1
    except (KeyError, struct.error):
        return 1
    return 1


def _tiff(data: bytes) -> Header:
    """ImageWidth and ImageLength of the first directory (TIFF 6.0 section 2; BigTIFF has 8-byte offsets)."""
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    if big:
        (ifd,) = struct.unpack_from(order + "Q", data, 8)
        (count,) = struct.unpack_from(order + "Q", data, ifd)
        first, step, value_at = ifd + 8, 20, 12
    else:
        (ifd,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, ifd)
        first, step, value_at = ifd + 2, 12, 8
    sizes = {256: 0, 257: 0}
    for k in range(min(count, 4096)):
        tag, kind = struct.unpack_from(order + "HH", data, first + step * k)
        if tag in sizes and kind in (3, 4, 16):
            (sizes[tag],) = struct.unpack_from(
                order + {3: "H", 4: "I", 16: "Q"}[kind], data, first + step * k + value_at
            )
    return Header(sizes[256], sizes[257])


def _webp(data: bytes) -> Header:
    """Canvas size of the three WebP forms (RFC 9649)."""
    form = data[12:16]
    if form == b"VP8X":
        return Header(1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"))
    if form == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return Header(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    width, height = struct.unpack_from("<HH", data, 26)
    return Header(width & 0x3FFF, height & 0x3FFF)
