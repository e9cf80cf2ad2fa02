"""A DICOM film with a token of its own in every tag that can hold text: a superset of PS3.15 Table E.1-1.

The table lists the attributes that a de-identifier must think of (620 in the edition of 2024b). Here every entry of
pydicom's data dictionary whose value representation can hold characters is planted, those of the table among them, and
beyond it private tags, overlays, curves, unknown elements, nested sequences, the file meta group and the preamble.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from pydicom.datadict import DicomDictionary, RepeatersDictionary

from mgll_data.images.dicom_words import words

TEXT = frozenset(
    [
        "AE",
        "AS",
        "CS",
        "DA",
        "DS",
        "DT",
        "IS",
        "LO",
        "LT",
        "PN",
        "SH",
        "ST",
        "TM",
        "UC",
        "UI",
        "UN",
        "UR",
        "UT",
        "OB",
        "OW",
    ]
)
_LONG = frozenset(words("OB OD OF OL OV OW SQ UC UN UR UT"))
# What describes the pixels must be true, or there is no picture from which anything could leak.
_PIXELS = range(0x00280002, 0x00280004), range(0x00280004, 0x00280020), range(0x00280100, 0x00280108)
_SPARED = frozenset(
    {0x00020010, 0x00280034, 0x00281050, 0x00281051, 0x00281052, 0x00281053, 0x00281056, 0x00283000, 0x00283010}
    | {0x00280030, 0x00181164, 0x00280301, 0x20500020}  # spacing, BurnedInAnnotation (YES would quarantine), LUT shape
)


def element(tag: int, vr: str, value: bytes) -> bytes:
    """One element, explicit VR little endian, padded to an even length."""
    value += b"\0" * (len(value) % 2) if vr in ("UI", "OB", "OW", "UN", "SQ") else b" " * (len(value) % 2)
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    length = b"\0\0" + struct.pack("<I", len(value)) if vr in _LONG else struct.pack("<H", len(value))
    return head + length + value


def token(tag: int, file: int, nested: bool = False) -> str:
    """What stands in a tag of a file; no other tag or file has it."""
    return f"Z{'N' if nested else 'T'}{file}{tag:08X}Q"


def _value(tag: int, vr: str, file: int, nested: bool = False) -> bytes:
    if vr == "UI":
        return f"2.25.77{file}.{int(nested)}.{tag}.771".encode()
    mark = token(tag, file, nested)
    if tag in _WORDS:  # tags that are read: with the word that makes them interesting
        mark = f"{_WORDS[tag]} {mark}"
    return mark.encode()


_WORDS = {
    0x00081030: "CHEST PA for",
    0x0008103E: "CHEST PA",
    0x00181030: "CHEST",
    0x00400254: "CHEST",
    0x00180015: "CHEST",
    0x00185101: "PA",
    0x00080060: "CR",
    0x00080104: "chest, postero-anterior",
}


def _listed() -> Iterator[tuple[int, str]]:
    """Tag and value representation of every attribute of the standard that can hold text or a sequence."""
    entries = dict(DicomDictionary)
    entries |= {int(mask.replace("x", "0"), 16): entry for mask, entry in RepeatersDictionary.items()}
    for tag in sorted(entries):
        if tag >> 16 in (0x0000, 0x7FE0, 0xFFFC, 0xFFFE, 0xFFFA) or tag in _SPARED or any(tag in r for r in _PIXELS):
            continue
        for vr in entries[tag][0].split(" or "):
            if vr in TEXT or vr == "SQ":
                yield tag, vr
                break


def planted_film(gray: np.ndarray, file: int) -> tuple[bytes, set[str]]:
    """A MONOCHROME2 film of 8 bits full of tokens, and the tokens. gray: H x W, uint8."""
    meta, body = b"", {}
    for tag, vr in _listed():
        if vr == "SQ":
            inner = b"".join(
                element(nested, kind, _value(nested, kind, file, True))
                for nested, kind in ((0x00080104, "LO"), (0x00100010, "PN"), (0x0040A123, "PN"), (0x00990010, "LO"))
            )
            deeper = element(0x00081140, "SQ", _item(element(0x00081155, "UI", _value(0x00081155, "UI", file, True))))
            body[tag] = element(
                tag, "SQ", _item(inner[: inner.index(b"\x99\x00")] + deeper + inner[inner.index(b"\x99\x00") :])
            )
        elif tag >> 16 == 0x0002:
            meta += element(tag, vr, _value(tag, vr, file)) if tag > 0x00020002 else b""
        else:
            body[tag] = element(tag, vr, _value(tag, vr, file))
    for tag, vr in ((0x00090010, "LO"), (0x00091001, "LO"), (0x00091002, "UN"), (0x00291010, "OB"), (0x00290010, "LO")):
        body[tag] = element(tag, vr, token(tag, file).encode())
    body |= _picture(gray)
    syntax = element(0x00020010, "UI", b"1.2.840.10008.1.2.1")
    at = meta.index(b"\x02\x00\x12\x00")
    meta = (
        element(0x00020001, "OB", b"\0\1")
        + element(0x00020002, "UI", b"1.2.840.10008.5.1.4.1.1.1")
        + meta[:at]
        + syntax
        + meta[at:]
    )
    preamble = token(0, file).encode().ljust(128, b"\0")
    whole = preamble + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta
    whole += b"".join(body[tag] for tag in sorted(body))
    marks = {token(tag, file) for tag in (0, 0x00090010, 0x00091001, 0x00091002, 0x00291010, 0x00290010)}
    for tag, vr in _listed():
        marks.add(f"77{file}.0.{tag}.771" if vr == "UI" else token(tag, file, nested=vr == "SQ"))
    marks |= {token(tag, file, True) for tag in (0x00080104, 0x00100010, 0x0040A123)} | {f"77{file}.1.{0x00081155}.771"}
    return whole, {mark for mark in marks if mark.encode() in whole}


def _item(content: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(content)) + content


def _picture(gray: np.ndarray) -> dict[int, bytes]:
    numbers = {0x00280002: 1, 0x00280010: gray.shape[0], 0x00280011: gray.shape[1], 0x00280100: 8, 0x00280101: 8}
    numbers |= {0x00280102: 7, 0x00280103: 0}
    made = {tag: element(tag, "US", struct.pack("<H", number)) for tag, number in numbers.items()}
    made[0x00280004] = element(0x00280004, "CS", b"MONOCHROME2")
    made[0x7FE00010] = element(0x7FE00010, "OW", gray.tobytes())
    return made
