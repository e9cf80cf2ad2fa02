"""MIDRC data commons: CR and DX films by the node tables of its Gen3 portal, with study and series descriptions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mgll_data.errors import SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.dicom_series import SeriesFolders, film_view, off_chest
from mgll_data.sources.tables import Row, age_in_years, columns, quarantined, read_csv, sex

CARD = SourceCard(
    name="midrc",
    modality="cxr",
    title="Medical Imaging and Data Resource Center (MIDRC), chest radiographs",
    release="open",
    images=201_140,
    licence="LicenseRef-MIDRC-DUA",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://data.midrc.org",
    cite="""@misc{midrc,
  title  = {Medical Imaging and Data Resource Center},
  author = {{The University of Chicago}},
  url    = {https://www.midrc.org},
  year   = {2021}
}""",
    label_origin="""No label per film: whether the patient ever had a positive test for COVID-19, and what the scanner
and the hospital called study and series.""",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Sign in at data.midrc.org, choose cases with CR and DX studies, and download the file manifest and the
tables of the nodes below (Python package gen3: Gen3Submission.export_node). gen3-client download-multiple fetches the
series as <case>/<study UID>/<series UID>.zip: unpack each into a folder of its own name. A part of the set will do with
`partial: true` in the recipe. Which terms hold is not stated here; read the data use agreement that you accept.

midrc/
  case.tsv                 any number of each, below any folder, such as <project>_case.tsv
  imaging_study.tsv
  cr_series_file.tsv       one of these two, or both
  dx_series_file.tsv
  <...>/<series UID>/<...>.dcm""",
    needs=("**/*case.tsv", "**/*imaging_study.tsv", "**/*_series_file.tsv"),
    derives=("midrc_ricord_1c",),
    patients_of="midrc_ricord_1c",
)

_WORD = "covid19_positive"
_BLANK = frozenset({"", "[blank]", "(blank)", "<none>", "0", "nan", "none"})


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the series tables, one for every file of a series.

    Study and series descriptions, or the LOINC name of a study without one, are handed on as captions, to be
    normalised: they are typed by people and hold names. A series of a study or of a case that no table has is
    quarantined, one whose descriptions name no chest but another part of the body is excluded.
    """
    cases: dict[str, Row] = {}
    studies: dict[str, Row] = {}
    yield from _node(root, "case", ("submitter_id", _WORD, "age_at_index", "sex"), cases)
    yield from _node(root, "imaging_study", ("submitter_id", "cases.submitter_id", "study_description"), studies)
    folders = SeriesFolders(root)
    needed = ("imaging_studies.submitter_id", "series_uid", "series_description", "modality")
    for kind in ("cr_series_file", "dx_series_file"):
        for origin, row in _rows(root, kind, needed, optional=True):
            try:
                if isinstance(row, SampleError):
                    raise row
                study = studies.get(row["imaging_studies.submitter_id"])
                case = cases.get(study["cases.submitter_id"]) if study else None
                if study is None or case is None:
                    raise SampleError("bad_row", "a series whose study or case no table has")
                place = "/".join((case["submitter_id"], study["submitter_id"], row["series_uid"], "1.dcm"))
                images = folders.take(row["series_uid"], place)
            except SampleError as error:
                yield quarantined(origin, error)
            else:
                yield from _films(origin, images, row, study, case)
    yield from folders.unlisted()


def _films(origin: str, images: Sequence[str], row: Row, study: Row, case: Row) -> Iterator[RawRecord | Rejected]:
    described, series = _said(study["study_description"]), _said(row["series_description"])
    loinc = _said(study.get("loinc_long_common_name", ""))
    elsewhere = off_chest(described, series, _said(study.get("body_part_examined", "")))
    captions = {"modality": row["modality"].upper(), "study": described or loinc, "series": series}
    view = film_view(row.get("view_position", ""), series, described) if len(images) == 1 else None
    for image in images:
        if elsewhere:
            yield Rejected(image, origin, "excluded", "not_chest", "described as another part of the body")
            continue
        yield RawRecord(
            image=image,
            origin=origin,
            patient=case["submitter_id"],
            study=study["submitter_id"],
            view=view,
            labels={f"{_WORD}={case[_WORD] or 'Not Reported'}": State.PRESENT},
            captions={name: text for name, text in captions.items() if text},
            age=age_in_years(study.get("age_at_imaging") or case["age_at_index"]),
            sex=sex(case["sex"]),
            device=row.get("manufacturer") or None,
        )


def _said(text: str) -> str:
    """A description, empty where the cell holds a word for nothing. Of a list that was flattened, the first part."""
    text = text.strip("[]'\" ").split("', '")[0] if text.startswith("['") else text
    return "" if text.lower() in _BLANK else text


def _node(root: Path, name: str, needed: Sequence[str], found: dict[str, Row]) -> Iterator[Rejected]:
    """Fill `found`, submitter_id -> row, from the node's tables; yield the rows that cannot be read or come twice."""
    for origin, row in _rows(root, name, needed):
        try:
            if isinstance(row, SampleError):
                raise row
            if found.setdefault(row["submitter_id"], row) != row:
                raise SampleError("bad_row", "a submitter_id that an earlier row has with other values")
        except SampleError as error:
            yield quarantined(origin, error)


def _rows(
    root: Path, name: str, needed: Sequence[str], *, optional: bool = False
) -> Iterator[tuple[str, Row | SampleError]]:
    """Rows of all tables of a node, each with its origin; `*`, which marks needed columns in templates, is dropped."""
    tables = [
        path for path in sorted(root.glob(f"**/*{name}.tsv")) if path.stem == name or path.stem.endswith(f"_{name}")
    ]
    if not tables and not optional:
        raise UsageError(f"{root}: no table {name}.tsv. Download the node's table from the portal.")
    for path in tables:
        marked = {column.lstrip("*"): column for column in columns(path, delimiter="\t")}
        for line, row in read_csv(path, required=[marked.get(column, column) for column in needed], delimiter="\t"):
            clean = row if isinstance(row, SampleError) else {key.lstrip("*"): value for key, value in row.items()}
            yield f"{path.name}:{line}", clean
