"""Size that a compressed picture itself states, so that a lying one is refused before a decoder reserves memory."""

from __future__ import annotations

import struct

_FRAMES = (frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {0xF7}  # SOF0 to SOF15 and SOF55, that of JPEG-LS


def stated_size(frame: bytes) -> tuple[int, int] | None:
    """Width and height in the header of a JPEG, JPEG-LS or JPEG 2000 codestream; None for anything else.

    Sources: ITU-T T.81 B.2.2 and T.87 C.2.2 (frame header), T.800 A.5.1 (SIZ: extent less offset).
    """
    try:
        if frame.startswith(b"\xff\x4f\xff\x51"):
            right, bottom, left, top = struct.unpack_from(">IIII", frame, 8)
            return right - left, bottom - top
        if frame.startswith(b"\xff\xd8"):
            return _frame_header(frame)
    except struct.error:
        return None
    return None


def _frame_header(frame: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", frame, at + 5)
            return width, height
        (length,) = struct.unpack_from(">H", frame, at + 2)
        at += 2 + length
    return None
