"""OpenI, Indiana University: 7,470 films of 3,955 studies, each with its report and codes that a person assigned."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from mgll_data.errors import SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.tables import first_file, quarantined, read_csv

CARD = SourceCard(
    name="openi",
    modality="cxr",
    title="OpenI: Indiana University chest X-ray collection",
    release="2013",
    images=7_470,
    licence="CC-BY-NC-ND-4.0",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://openi.nlm.nih.gov/faq",
    cite="""@article{demner2016preparing,
  title   = {Preparing a collection of radiology examinations for distribution and retrieval},
  author  = {Demner-Fushman, Dina and Kohli, Marc D. and Rosenman, Marc B. and Shooshan, Sonya E. and
             Rodriguez, Laritza and Antani, Sameer and Thoma, George R. and McDonald, Clement J.},
  journal = {Journal of the American Medical Informatics Association},
  volume  = {23},
  number  = {2},
  pages   = {304--310},
  year    = {2016},
  doi     = {10.1093/jamia/ocv080}
}""",
    label_origin="Each report coded by people with MeSH and RadLex terms (MeSH/major); the codes hold for the study.",
    scope=(),
    silence="unknown",
    normal_excludes_all=True,
    layout="""Download NLMCXR_png.tgz (1.4 GB) and NLMCXR_reports.tgz (1 MB) from the page's dataset links. Unpack the
pictures into NLMCXR_png/ (tar xzf NLMCXR_png.tgz --one-top-level); the reports may stay packed. Each report says
CC BY-NC-ND 4.0: no commercial use, and resized films are derivatives, which may not be passed on.
indiana_projections.csv (Kaggle: raddar/chest-xrays-indiana-university) tells lateral films from frontal ones; without
it no film has a view, because the reports do not say which is which.

openi/
  NLMCXR_reports.tgz             or ecgen-radiology/<n>.xml
  NLMCXR_png/CXR<n>_<...>.png
  indiana_projections.csv        optional""",
    needs=("**/*.png",),
    path_labels=True,
)

_LARGEST = 4 << 20  # bytes; real reports have 5 to 20 thousand


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records by report number, then in the report's own order of images. Patient and study are the report's id.

    View: lateral where `indiana_projections.csv` says Lateral. Frontal does not tell PA from AP, and the study's
    caption does not either (of the frontal films in a "PA and lateral" study whose DICOM header names a view, 15 in
    100 are AP), so it gives no view; the word is kept in the caption `series`. A report without images is excluded.
    """
    images = Images(root, ("NLMCXR_png/*.png", "NLMCXR_png/**/*.png", "*.png"))
    views: dict[str, str] = {}
    if any(root.glob("indiana_projections.csv*")):
        path = first_file(root, "indiana_projections.csv")
        for line, row in read_csv(path, required=("uid", "filename", "projection")):
            if isinstance(row, SampleError):
                yield quarantined(f"{path.name}:{line}", row)
            else:
                views[row["filename"].removesuffix(".png").removesuffix(".dcm")] = row["projection"]

    for origin, data in _reports(root):
        try:
            yield from _study(origin, data, images, views)
        except SampleError as error:
            yield quarantined(origin, error)
    yield from images.unlisted()


def _study(origin: str, data: bytes, images: Images, views: dict[str, str]) -> Iterator[RawRecord | Rejected]:
    report = _parse(data)
    study = report.find("uId")
    key = study.get("id") if study is not None else None
    if not key:
        raise SampleError("bad_row", "a report without an id")
    sections: dict[str, str] = {}
    for part in report.iter("AbstractText"):
        name, text = (part.get("Label") or "").strip().lower(), _text(part)
        if name and text:
            sections[name] = f"{sections[name]} {text}" if name in sections else text
    words = [_text(code) for code in report.iterfind("MeSH/major")]
    found = report.findall("parentImage")
    if not found:
        yield Rejected("", origin, "excluded", "no_image", "a report without images")
    for picture in found:
        name = picture.get("id") or ""
        try:
            image = images.take(f"{name}.png", f"NLMCXR_png/{name}.png")
        except SampleError as error:
            yield quarantined(origin, error)
            continue
        view = _view(name, key, views)
        captions = {"study": _text(picture.find("caption")), "series": view or ""}
        yield RawRecord(
            image=image,
            origin=origin,
            patient=key,
            study=key,
            view="lateral" if view == "Lateral" else None,
            labels={word: State.PRESENT for word in words if word},
            report=sections,
            captions={kind: text for kind, text in captions.items() if text},
        )


def _view(name: str, key: str, views: dict[str, str]) -> str | None:
    """`CXR10_IM-0002-1001` is `10_IM-0002-1001` in the projections table, and `CXR1_1_IM-...` is `1_IM-...` there."""
    return views.get(name.removeprefix("CXR")) or views.get(name.removeprefix(f"{key}_"))


def _text(element: ElementTree.Element | None) -> str:
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def _parse(data: bytes) -> ElementTree.Element:
    # A report declares no document type; refusing one keeps out entities that expand without end.
    if len(data) > _LARGEST or b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise SampleError("bad_row", "not a report: larger than 4 MiB, or with a document type of its own")
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise SampleError("bad_row", "broken XML") from error


def _reports(root: Path) -> Iterator[tuple[str, bytes]]:
    """Origin and content of every report, by number: from the folder if it is there, else from the archive in place."""
    folder = root / "ecgen-radiology"
    if folder.is_dir():
        for path in sorted(folder.glob("[!.]*.xml"), key=lambda path: _number(path.name)):
            yield f"{folder.name}/{path.name}", path.read_bytes()
        return
    archive = root / "NLMCXR_reports.tgz"
    if not archive.is_file():
        raise UsageError(f"{root}: neither ecgen-radiology/ nor NLMCXR_reports.tgz. Put one of them there.")
    try:
        with tarfile.open(archive) as tar:
            # In the archive's order, because going back in a compressed file means reading it from the start.
            reports = {member.name: _content(tar, member) for member in tar if member.isfile()}
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UsageError(f"{archive}: damaged archive ({error}). Download it again.") from error
    for name in sorted(reports, key=_number):
        base = name.rpartition("/")[2]
        if base.endswith(".xml") and not base.startswith("."):
            yield f"{archive.name}/{name}", reports[name]


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read(_LARGEST + 1) if file else b""


def _number(name: str) -> tuple[int, str]:
    digits = "".join(char for char in name.rpartition("/")[2] if char.isdecimal())
    return int(digits or 0), name
