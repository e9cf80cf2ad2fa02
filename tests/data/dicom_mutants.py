"""Damaged DICOM objects: sound films of several transfer syntaxes, changed in ways that real and hostile files are."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from random import Random

import cv2
import numpy as np
import pydicom
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from tests.data.test_images_dicom import drawn

SIDE = 96
_LYING = {
    "Rows": (0, 1, 95, 97, 4000, 65535),
    "Columns": (0, 1, 95, 97, 4000, 65535),
    "BitsAllocated": (0, 1, 7, 8, 12, 32, 64, 65535),
    "BitsStored": (0, 1, 17, 255),
    "HighBit": (0, 15, 200),
    "SamplesPerPixel": (0, 2, 3, 65535),
    "NumberOfFrames": ("0", "2", "2147483647", "-1"),
    "PixelRepresentation": (1, 7),
    "PhotometricInterpretation": ("RGB", "PALETTE COLOR", "YBR_FULL_422", "NONSENSE", ""),
    "WindowWidth": ("0", "-5", "1e300"),
    "RescaleSlope": ("0", "1e300", "-1"),
    "PixelSpacing": (["0", "0"], ["1e9", "1e-9"]),
}


def films() -> list[bytes]:
    """Sound films, 96 x 96: raw with a VOI LUT, raw with a window, RLE, JPEG 2000, JPEG-LS, JPEG."""
    rng = np.random.default_rng(8)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    values = np.rint(2000 + 1500 * np.sin(x / 9) * np.cos(y / 11) + rng.normal(0, 30, (SIDE, SIDE))).astype(np.uint16)
    lut = pydicom.Dataset()
    lut.LUTDescriptor, lut.LUTData = [4096, 0, 12], list(range(4096))
    lut["LUTDescriptor"].VR = lut["LUTData"].VR = "US"
    made = [
        drawn(values, VOILUTSequence=[lut], BodyPartExamined="CHEST"),
        drawn(values, WindowCenter=2000, WindowWidth=3000, PixelSpacing=[0.1, 0.1]),
    ]
    for syntax in (RLELossless, JPEG2000Lossless, JPEGLSLossless):
        ds = pydicom.dcmread(io.BytesIO(made[1]))
        ds.compress(syntax, encoding_plugin="pydicom" if syntax == RLELossless else "", generate_instance_uid=False)
        made.append(_saved(ds))
    ds = pydicom.dcmread(io.BytesIO(drawn((values >> 4).astype(np.uint8))))
    ds.PixelData = encapsulate([cv2.imencode(".jpg", (values >> 4).astype(np.uint8))[1].tobytes()])
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return [*made, _saved(ds)]


def mutants(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` damaged objects, each with the kind of damage; the same for the same seed."""
    random, sound = Random(seed), films()
    for number in range(count):
        damage = _DAMAGE[number % len(_DAMAGE)]
        yield damage.__name__.strip("_"), damage(sound[random.randrange(len(sound))], random)


def _saved(ds: pydicom.Dataset) -> bytes:
    file = io.BytesIO()
    ds.save_as(file)
    return file.getvalue()


def _truncated(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data))]


def _flipped(data: bytes, random: Random) -> bytes:
    made = bytearray(data)
    for _ in range(random.choice((1, 4, 64))):
        made[random.randrange(len(made))] ^= 1 << random.randrange(8)
    return bytes(made)


def _header_flipped(data: bytes, random: Random) -> bytes:
    made = bytearray(data)
    for _ in range(random.choice((1, 3, 12))):
        made[random.randrange(128, min(len(made), 1200))] ^= 1 << random.randrange(8)
    return bytes(made)


def _wrong_length(data: bytes, random: Random) -> bytes:
    """A length field replaced by another: found by the two letters of a value representation before it."""
    places = [
        at for at in range(132, min(len(data), 1500) - 8) if data[at : at + 2] in (b"US", b"LO", b"CS", b"UI", b"OW")
    ]
    made, at = bytearray(data), random.choice(places)
    wrong = random.choice((0, 1, 7, 0x7FFF, 0xFFFF, 0xFFFFFFF0, 0xFFFFFFFF))
    if data[at : at + 2] == b"OW":
        struct.pack_into("<I", made, at + 4, wrong)
    else:
        struct.pack_into("<H", made, at + 2, wrong & 0xFFFF)
    return bytes(made)


def _lying_header(data: bytes, random: Random) -> bytes:
    ds = pydicom.dcmread(io.BytesIO(data))
    for _ in range(random.choice((1, 1, 2, 3))):
        key = random.choice(sorted(_LYING))
        setattr(ds, key, random.choice(_LYING[key]))
    return _saved(ds)


def _lying_codestream(data: bytes, random: Random) -> bytes:
    """The size inside a JPEG or JPEG 2000 stream made huge, or bytes of the stream replaced."""
    made = bytearray(data)
    start = max(data.find(b"\xff\x4f\xff\x51"), data.find(b"\xff\xd8"))
    if start < 0:
        start = max(0, len(data) - 4000)
    if random.random() < 0.5:
        struct.pack_into(">II", made, start + 8, *(random.choice((97, 60000, 2**31)) for _ in range(2)))
    else:
        for _ in range(20):
            made[random.randrange(start, len(made))] = random.randrange(256)
    return bytes(made)


def _nested(data: bytes, random: Random) -> bytes:
    """Thousands of sequences one inside the other, before the pixels, in a tag that is read or in one that is not."""
    tag = random.choice((b"\x28\x00\x00\x30", b"\x54\x00\x20\x02", b"\x40\x00\x75\x02"))
    depth = random.choice((10, 500, 5000))
    opening = tag + b"SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    bomb = opening * depth + (
        b"" if random.random() < 0.5 else (b"\xfe\xff\x0d\xe0" + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4)) * depth
    )
    at = data.find(b"\x28\x00\x02\x00US")
    return data[:at] + bomb + data[at:]


def _deflated(data: bytes, random: Random) -> bytes:
    """Said to be deflated: random bytes, a bomb, or the sound data set cut in its stream."""
    meta = b"\x02\x00\x10\x00UI" + struct.pack("<H", 22) + b"1.2.840.10008.1.2.1.99"
    head = bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(meta)) + meta
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    kind = random.randrange(3)
    if kind == 0:
        return head + random.randbytes(500)
    packed = packer.compress(bytes(1 << 23) if kind == 1 else data[400:]) + packer.flush()
    return head + packed[: random.randrange(1, len(packed))]


def _garbage(data: bytes, random: Random) -> bytes:
    at = random.randrange(132, len(data))
    return data[:at] + random.randbytes(random.choice((1, 3, 300))) + data[at:]


def _headerless(data: bytes, random: Random) -> bytes:
    """Without preamble and file meta, from some element on."""
    return data[data.find(b"\x08\x00", 140) :][: random.choice((50, 400, len(data)))]


_DAMAGE: tuple[Callable[[bytes, Random], bytes], ...] = (
    _truncated,
    _flipped,
    _header_flipped,
    _wrong_length,
    _lying_header,
    _lying_codestream,
    _nested,
    _deflated,
    _garbage,
    _headerless,
)
