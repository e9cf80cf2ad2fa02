"""Messidor (1): 1,200 photographs of three French departments, graded on Messidor's own scale."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import UsageError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import graded, spreadsheet, stem
from mgll_data.sources.tables import Row, made

CARD = SourceCard(
    name="messidor",
    modality="fundus",
    title="Messidor",
    release="2008",
    images=1_200,
    licence="LicenseRef-Messidor",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://www.adcis.net/en/third-party/messidor/",
    cite="""@article{decenciere2014messidor,
  title   = {Feedback on a Publicly Distributed Image Database: The {Messidor} Database},
  author  = {Decenci{\\`e}re, Etienne and Zhang, Xiwei and Cazuguel, Guy and Lay, Bruno and Cochener, B{\\'e}atrice and
             Trone, Caroline and Gain, Philippe and Ordonez, Richard and Massin, Pascale and Erginay, Ali and
             Charton, B{\\'e}atrice and Klein, Jean-Claude},
  journal = {Image Analysis and Stereology},
  volume  = {33},
  number  = {3},
  pages   = {231--234},
  year    = {2014},
  doi     = {10.5566/ias.1155}
}""",
    label_origin=(
        "Medical experts of the consortium: retinopathy 0 to 3, risk of macular edema 0 to 2, both on"
        " Messidor's own scales."
    ),
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Register at ADCIS (research only, no redistribution), unpack the twelve archives, and apply the errata of
its page: wrong grades and duplicates are listed there. Save each annotation sheet (.xls) as .csv or .xlsx under the
same name. Grades 0 to 3 are Messidor's own and are not those of the ICDR scale.

messidor/
  Annotation_Base11.csv     Image name,Ophthalmologic department,Retinopathy grade,Risk of macular edema
  Base11/20051019_38557_0100_PP.tif   ... Base12 to Base34; any folders will do""",
    needs=("**/Annotation_Base*.*", "**/*.tif"),
)

_GRADES = ("Retinopathy grade", "Risk of macular edema")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the twelve bases in the order of their sheets; words are `<column>=<value>`. No patient is named."""
    images = Images(root, ("**/*.tif", "**/*.tiff", "**/*.png"), stem)

    def record(origin: str, row: Row) -> RawRecord:
        name = row["Image name"]
        image = images.take(stem(name), f"images/{name}")
        return RawRecord(image, origin, labels=graded(row, *_GRADES))

    for sheet in _sheets(root):
        yield from made(sheet.name, spreadsheet(sheet, required=("Image name", *_GRADES)), record)
    yield from images.unlisted()


def _sheets(root: Path) -> list[Path]:
    """One readable sheet per base. Raises UsageError for those that are only there as .xls."""
    found = {
        path.stem: path for end in (".xls", ".csv", ".xlsx") for path in sorted(root.rglob(f"Annotation_Base*{end}"))
    }
    old = [
        f"{path}: save it as {path.stem}.csv; the old .xls is not read."
        for path in found.values()
        if path.suffix == ".xls"
    ]
    if old or not found:
        raise UsageError(old or f"{root}: no Annotation_Base11.csv to Annotation_Base34.csv, at any depth.")
    return [found[name].with_suffix(".xlsx") for name in sorted(found)]
