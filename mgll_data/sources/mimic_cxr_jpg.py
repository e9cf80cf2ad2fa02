"""MIMIC-CXR-JPG: 377,110 films of about 65,000 patients, labels by study from a labeler, and the reports themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mgll_data.errors import ExcludedError, SampleError, UsageError
from mgll_data.images.dicom_words import view_from_words
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.chexpert import OBSERVATIONS, contradictions, observations
from mgll_data.sources.files import Images
from mgll_data.sources.tables import Row, first_file, quarantined, read_csv, records

CARD = SourceCard(
    name="mimic_cxr_jpg",
    modality="cxr",
    title="MIMIC-CXR-JPG",
    release="2.0.0",
    images=377_110,
    licence="LicenseRef-PhysioNet-Credentialed-1.5.0",
    open_licence=False,
    access="credentialed",
    redistributable=False,
    url="https://physionet.org/content/mimic-cxr-jpg/",
    cite="""@article{johnson2019mimiccxrjpg,
  title   = {{MIMIC-CXR-JPG}, a large publicly available database of labeled chest radiographs},
  author  = {Johnson, Alistair E. W. and Pollard, Tom J. and Greenbaum, Nathaniel R. and Lungren, Matthew P. and
             Deng, Chih-ying and Peng, Yifan and Lu, Zhiyong and Mark, Roger G. and Berkowitz, Seth J. and
             Horng, Steven},
  journal = {arXiv preprint arXiv:1901.07042},
  year    = {2019}
}""",
    label_origin="The CheXpert labeler (else NegBio) read the report of each study; blank: no mention.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Become a credentialed user of PhysioNet, take the CITI course, sign the data use agreement (no sharing),
and download with wget from the project page. mimic-cxr-reports.zip belongs to the project MIMIC-CXR; unpacked, its
texts may lie among the films or in a folder mimic-cxr-reports/. Labels and reports speak of a study and hold for each
of its films. A part of the films will do with `partial: true` in the recipe.

mimic_cxr_jpg/
  mimic-cxr-2.0.0-metadata.csv.gz      every table gzipped or not
  mimic-cxr-2.0.0-chexpert.csv.gz      or mimic-cxr-2.0.0-negbio.csv.gz; without both only the reports speak
  mimic-cxr-2.0.0-split.csv.gz         optional
  files/p10/p10000032/s50414267/<dicom_id>.jpg
  files/p10/p10000032/s50414267.txt    optional, or mimic-cxr-reports/files/p10/...""",
    needs=("mimic-cxr-*-metadata.csv*", "files/**/*.jpg"),
)

_SPLITS = {"train": "train", "validate": "val", "test": "test"}
_LARGEST = 1 << 20  # bytes of a report; real ones have a few thousand


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the metadata. The report stands whole and as it is under `text`.

    View: ViewPosition, where it is blank the view code's meaning. A film whose ViewPosition is AP while the procedure
    speaks of PA (22,043 films of release 2.0.0), or the reverse, has no view: either may be wrong. Dates are not read.
    Films of a study without labels and report are excluded.
    """
    images = Images(root, ("files/**/*.jpg",))
    labels: dict[tuple[str, str], Mapping[str, State]] = {}
    yield from _labels(root, labels)
    split: dict[str, str] = {}
    yield from _split(root, split)
    last: tuple[str, str] = ("", "")

    def record(origin: str, row: Row) -> RawRecord:
        nonlocal last
        name, patient, study = row["dicom_id"], row["subject_id"], row["study_id"]
        folder = f"p{patient[:2]}/p{patient}/s{study}"
        image = images.take(f"{name}.jpg", f"files/{folder}/{name}.jpg")
        if not (patient.isdecimal() and study.isdecimal()):
            raise SampleError("bad_row", "a subject or a study that is no number")
        if last[0] != folder:  # the films of a study follow one another
            last = (folder, _report(root, folder))
        states = labels.get((patient, study), {})
        if not states and not last[1]:
            raise ExcludedError("no_label", "its study has neither labels nor a report")
        procedure = row["PerformedProcedureStepDescription"]
        view_words = row["ViewCodeSequence_CodeMeaning"]
        captions = {"study": procedure, "series": row["ViewPosition"] or view_words}
        return RawRecord(
            image=image,
            origin=origin,
            patient=patient,
            study=study,
            view=_view(row["ViewPosition"], view_words, procedure),
            labels=states,
            report={"text": last[1]} if last[1] else {},
            captions={kind: text for kind, text in captions.items() if text},
            official_split=split.get(name),
            conflicts=contradictions(states),
        )

    needed = ("dicom_id", "subject_id", "study_id", "PerformedProcedureStepDescription", "ViewPosition")
    yield from records(_table(root, "metadata"), (*needed, "ViewCodeSequence_CodeMeaning"), record)
    yield from images.unlisted()


def _table(root: Path, kind: str) -> Path:
    found = sorted(root.glob(f"mimic-cxr-*-{kind}.csv*"))
    return found[-1] if found else first_file(root, f"mimic-cxr-2.0.0-{kind}.csv")


def _labels(root: Path, labels: dict[tuple[str, str], Mapping[str, State]]) -> Iterator[Rejected]:
    """Fill `labels`, (subject, study) -> states; yield the rows that cannot be understood."""
    kind = next((kind for kind in ("chexpert", "negbio") if any(root.glob(f"mimic-cxr-*-{kind}.csv*"))), None)
    if kind is None:
        return
    path = _table(root, kind)
    for line, row in read_csv(path, required=("subject_id", "study_id", *OBSERVATIONS)):
        try:
            if isinstance(row, SampleError):
                raise row
            labels[row["subject_id"], row["study_id"]] = observations(row)
        except SampleError as error:
            yield quarantined(f"{path.name}:{line}", error)


def _split(root: Path, split: dict[str, str]) -> Iterator[Rejected]:
    """Fill `split`, film -> train, val or test; yield the rows that cannot be understood."""
    if not any(root.glob("mimic-cxr-*-split.csv*")):
        return
    path = _table(root, "split")
    for line, row in read_csv(path, required=("dicom_id", "split")):
        if isinstance(row, SampleError) or row["split"] not in _SPLITS:
            problem = SampleError("bad_row", f"its split is none of {', '.join(_SPLITS)}")
            yield quarantined(f"{path.name}:{line}", row if isinstance(row, SampleError) else problem)
        else:
            split[row["dicom_id"]] = _SPLITS[row["split"]]


def _view(position: str, code: str, procedure: str) -> str | None:
    view = view_from_words(position, coded=True) or view_from_words(code, coded=True)
    study = view_from_words(procedure.upper().replace("LATERAL", "").replace("LAT", ""), coded=False)
    if {view, study} == {"pa", "ap"}:
        return None
    return view


def _report(root: Path, study: str) -> str:
    """Text of a study's report, empty where there is none. Raises UsageError for one that cannot be read."""
    for folder in ("files", "mimic-cxr-reports/files"):
        path = root / folder / f"{study}.txt"
        if path.is_file():
            try:
                with path.open("rb") as file:
                    return file.read(_LARGEST).decode("utf-8", "replace").strip()
            except OSError as error:
                raise UsageError(f"{path}: cannot be read ({error.strerror}).") from error
    return ""
