"""GRAPE: 631 photographs from the follow-up of 263 eyes with glaucoma."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError, SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import eye, graded, numbers, spreadsheet
from mgll_data.sources.tables import Row, age_in_years, made, sex

CARD = SourceCard(
    name="grape",
    modality="fundus",
    title="GRAPE: longitudinal follow-up visual field and fundus images for glaucoma management",
    release="1",
    images=631,
    licence="CC0-1.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://doi.org/10.6084/m9.figshare.c.6406319.v1",
    cite="""@article{huang2023grape,
  title   = {{GRAPE}: A Multi-Modal Dataset of Longitudinal Follow-Up Visual Field and Fundus Images for Glaucoma
             Management},
  author  = {Huang, Xiaoling and Kong, Xiangyin and Shen, Ziyan and others},
  journal = {Scientific Data},
  volume  = {10},
  pages   = {520},
  year    = {2023},
  doi     = {10.1038/s41597-023-02424-4}
}""",
    label_origin="Diagnosis of each eye at the first visit (OAG open-angle, ACG closed-angle); all have glaucoma.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download the collection from figshare: the spreadsheet, and CFPs.rar, to unpack. Annotated copies and disc
cutouts are not read. Both sheets begin with two header rows; a visit without a picture says "/".

grape/
  VF and clinical information.xlsx   (sheets Baseline and Follow-up)
  CFPs/1_OD_1.jpg ...""",
    needs=("**/VF*clinical*information.xlsx", "**/CFPs/*.jpg"),
)

_PICTURE = "Corresponding CFP"


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the first visits, then of the later ones, which repeat the eye's diagnosis.

    The word is `Category of Glaucoma=<value>`. A visit without a picture is excluded as `no_image`.
    """
    images = Images(root, ("**/CFPs/*.jpg",))
    eyes: dict[tuple[str, str], Row] = {}

    def first(origin: str, row: Row) -> RawRecord:
        eyes.setdefault((row["Subject Number"], row["Laterality"]), row)
        return _record(images, origin, row, row, "0", age_in_years(row.get("Age", "")))

    def later(origin: str, row: Row) -> RawRecord:
        if (known := eyes.get((row["Subject Number"], row["Laterality"]))) is None:
            raise SampleError("bad_row", "an eye that the sheet Baseline does not list")
        return _record(images, origin, row, known, row.get("Visit Number", ""), None)

    for path in list_images(root, ("**/VF*clinical*information.xlsx",)):
        book = root / path
        keys = ("Subject Number", "Laterality", _PICTURE)
        yield from made("Baseline", _data(book, "Baseline", (*keys, "Category of Glaucoma")), first)
        yield from made("Follow-up", _data(book, "Follow-up", keys), later)
    yield from images.unlisted()


def _data(book: Path, sheet: str, required: tuple[str, ...]) -> Iterator[tuple[int, Row | SampleError]]:
    """Rows below the second header row, which names only the parts of merged columns."""
    rows = spreadsheet(book, required=required, sheet=sheet)
    return (item for item in rows if item[0] > 2 or (isinstance(item[1], dict) and item[1]["Subject Number"]))


def _record(images: Images, origin: str, row: Row, known: Row, visit: str, age: float | None) -> RawRecord:
    name = row[_PICTURE]
    if name in ("", "/"):
        raise ExcludedError("no_image", "a visit without a photograph")
    return RawRecord(
        images.take(name, f"CFPs/{name}"),
        origin,
        patient=row["Subject Number"],
        study=visit or None,
        laterality=eye(row["Laterality"]),
        labels=graded(known, "Category of Glaucoma") | {"glaucoma": State.PRESENT},
        age=age,
        sex=sex(known.get("Gender", "")),
        attrs=numbers(intraocular_pressure_mmhg=row.get("IOP", "")),
    )
