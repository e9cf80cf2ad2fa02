"""Transfer syntaxes: which are there, which can be decoded here, and the packages that would decode the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mgll_data.errors import SampleError

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
# Two plug-ins may differ in the last bit of a lossy picture: one order on every machine. Both leaders are dependencies.
_ORDER = ("gdcm", "pillow", "pylibjpeg", "pyjpegls")
_ORDER_JPEG_2000 = ("pylibjpeg", "gdcm", "pillow")
UNKNOWN = "no known decoder"
_PACKAGES = {
    "gdcm": "python-gdcm",
    "pillow": "pillow",
    "pyjpegls": "pyjpegls",
    "pylibjpeg-openjpeg": "pylibjpeg pylibjpeg-openjpeg",
    "pylibjpeg-libjpeg": "pylibjpeg pylibjpeg-libjpeg",
    "pylibjpeg-rle": "pylibjpeg pylibjpeg-rle",
}
# Files of these kinds are no DICOM objects, and to open a hundred thousand of them only to see that takes minutes.
_OTHER_FILES = frozenset({".png", ".jpg", ".jpeg", ".jfif", ".tif", ".tiff", ".bmp", ".webp", ".pgm", ".ppm", ".img"})


class SyntaxReport(NamedTuple):
    """Number of files in a transfer syntax, whether we can decode it, and packages of which one would ('' if none)."""

    files: int
    decodable: bool
    plugin: str


class Seen(NamedTuple):
    """A file that was looked at: size in bytes and mtime in nanoseconds. syntax is '' for what is no DICOM object."""

    size: int
    mtime_ns: int
    syntax: str


def preflight(paths: Iterable[Path]) -> dict[str, SyntaxReport]:
    """Transfer syntaxes of the DICOM files among `paths` (others are passed over), read from their headers."""
    return report(seen.syntax for seen in look(list(paths), {}, workers=1) if seen)


def report(syntaxes: Iterable[str]) -> dict[str, SyntaxReport]:
    """Number of files by syntax ('' is passed over), with the decoders that this machine has for it."""
    counts: dict[str, int] = {}
    for uid in syntaxes:
        if uid:
            counts[uid] = counts.get(uid, 0) + 1
    found = {}
    for uid, count in sorted(counts.items()):
        lacking = missing_plugins(uid)
        found[uid] = SyntaxReport(count, lacking is None, (lacking or "").replace(UNKNOWN, ""))
    return found


def look(paths: Sequence[Path], known: dict[Path, Seen], *, workers: int) -> list[Seen | None]:
    """The syntax of each file, in order; None where there is no such file. `known`: what an earlier look has found.

    A file is opened again only if its size or mtime is new. Opening waits for the disk, so threads do.
    """

    def one(path: Path) -> Seen | None:
        if path.suffix.lower() in _OTHER_FILES:
            return Seen(0, 0, "")
        try:
            info = path.stat()
            before = known.get(path)
            if before and (before.size, before.mtime_ns) == (info.st_size, info.st_mtime_ns):
                return before
            return Seen(info.st_size, info.st_mtime_ns, syntax_of(path) or "")
        except OSError:
            return None  # the images stage says what is wrong with the file

    with ThreadPoolExecutor(max(1, workers)) as pool:
        return list(pool.map(one, paths, chunksize=64))


def syntax_of(path: Path) -> str | None:
    """Transfer syntax of a file with DICOM preamble, or of one without that still describes a picture; else None."""
    from mgll_data.images.dicom import header_of
    from mgll_data.images.headers import sniff

    with path.open("rb") as file:
        start = file.read(4096)
        kind = sniff(start)
        if kind not in ("dicom", "headerless_dicom"):
            return None
        if kind == "dicom" and (stated := _stated_syntax(start)):
            return stated
        try:
            return str(header_of(start + file.read(), headerless=kind != "dicom").file_meta.TransferSyntaxUID)
        except SampleError:
            return None


def _stated_syntax(start: bytes) -> str | None:
    """TransferSyntaxUID (0002,0010) in the file meta group, always explicit little endian (PS3.10 section 7.1)."""
    at = start.find(b"\x02\x00\x10\x00UI", 132)
    if at < 0 or at + 8 > len(start):
        return None
    length = int.from_bytes(start[at + 6 : at + 8], "little")
    value = start[at + 8 : at + 8 + length].rstrip(b"\0 ")
    return value.decode("ascii") if 0 < len(value) <= 64 and set(value) <= set(b"0123456789.") else None


@cache
def missing_plugins(syntax: str) -> str | None:
    """None where pixels of this transfer syntax can be decoded, else the packages of which one would do."""
    from pydicom.pixels import get_decoder

    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        return UNKNOWN
    return None if decoder.is_available else " or ".join(packages(decoder)) or UNKNOWN


def plugins(syntax: str) -> list[str]:
    """Decoders installed for a compressed transfer syntax, in the order in which they are tried."""
    from pydicom.pixels import get_decoder

    found = get_decoder(syntax).available_plugins
    if "pydicom" in found:  # run lengths in Python: slower than pylibjpeg-rle, which panics on damaged data
        return ["pydicom"]
    order = _ORDER_JPEG_2000 if "JPEG 2000" in name_of(syntax) else _ORDER
    # pyjpegls can take a minute to give up on damaged data, so it is not asked after another has refused them.
    return [name for name in order if name in found and (name != "pyjpegls" or "gdcm" not in found)]


def decoder_of(syntax: str) -> str:
    """The decoder that reads this transfer syntax here: `built in` for uncompressed pixels, '' where there is none."""
    if missing_plugins(syntax) is not None:
        return ""
    return next(iter(plugins(syntax)), "built in")


def packages(decoder: Any) -> list[str]:
    """What to `pip install` for the decoders that are not there: from pydicom's "name - requires a>=1 and b>=2"."""
    found = []
    for line in decoder.missing_dependencies:
        plugin, _, needs = line.partition(" - requires ")
        last = needs.split(" and ")[-1].split(">")[0].strip()
        found.append(_PACKAGES.get(last) or _PACKAGES.get(plugin.strip()) or last or plugin.strip())
    return found


def name_of(syntax: str) -> str:
    """The syntax in words, such as `JPEG 2000 Image Compression`. A UID outside the standard is not repeated."""
    from pydicom.uid import UID_dictionary

    entry = UID_dictionary.get(syntax)
    return str(entry[0]) if entry else "a transfer syntax outside the standard"
