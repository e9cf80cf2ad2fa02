"""Films that come as DICOM series: folders named by a series UID, and the table of the Imaging Data Commons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.images.dicom_words import is_elsewhere, view_from_words, words
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected
from mgll_data.sources.files import inside, list_images
from mgll_data.sources.tables import Row, age_in_years, first_file, quarantined, read_csv, sex

IDC_COLUMNS = (
    "collection_id",
    "PatientID",
    "PatientAge",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDescription",
    "SeriesInstanceUID",
    "SeriesDescription",
    "BodyPartExamined",
    "Modality",
)
IDC_LAYOUT = """Download from the NCI Imaging Data Commons, without an account (pip install idc-index), in Python:
  from idc_index import index
  client = index.IDCClient()
  rows = client.sql_query("SELECT * FROM index WHERE collection_id = '{name}' AND Modality IN ('CR', 'DX')")
  rows.to_csv("{name}/idc_index.csv", index=False)
  client.download_from_selection(downloadDir="{name}", seriesInstanceUID=list(rows["SeriesInstanceUID"]))"""
PARTLY_ABDOMEN = frozenset({"ABDOMEN", "ABDOMINAL", "ABD", "KUB"})


class SeriesFolders:
    """The DICOM files of a source by the folder that holds them, named `<series UID>` or `<modality>_<series UID>`."""

    def __init__(self, root: Path, patterns: Sequence[str] = ("**/*.dcm",)) -> None:
        self._root = root
        self._files: dict[str, list[str]] = {}
        self._named: set[str] = set()
        for path in list_images(root, patterns):
            self._files.setdefault(path.split("/")[-2].rpartition("_")[2] if "/" in path else "", []).append(path)

    def take(self, uid: str, expected: str) -> list[str]:
        """Paths of the series' files, or `expected`, normalised, where none is on disk.

        Raises SampleError: `bad_row` for no UID or one that an earlier row took, `path_escape` as `files.inside` does.
        """
        if not uid:
            raise SampleError("bad_row", "names no series")
        if uid in self._named:
            raise SampleError("bad_row", "names a series that an earlier row named")
        self._named.add(uid)
        return self._files.get(uid) or [inside(self._root, expected)]

    def unlisted(self) -> Iterator[Rejected]:
        """A `Rejected` for every file of a series that no row took."""
        for path in (path for uid, paths in self._files.items() if uid not in self._named for path in paths):
            yield Rejected(path, "", "excluded", "unlisted", "no row of the tables names its series")


def off_chest(study: str, series: str, body: str) -> bool:
    """Whether the descriptions of a series say that it does not show the chest.

    The study's description counts before the body part, which a modality may carry over from the last patient: in
    COVID-19-NY-SBU five series described as chest are tagged as abdomen, and three the other way round. A study of
    both, such as an abdominal series with a chest film, is judged by its series.
    """
    said = set(words(study))
    both = "CHEST" in said and said & PARTLY_ABDOMEN
    return is_elsewhere((series, body) if both else (study, series, body))


def film_view(*descriptions: str) -> str | None:
    """pa, ap or lateral from the first description that names one view alone, else None."""
    found = (view_from_words(text, coded=False) for text in descriptions)
    return next((view for view in found if view in ("pa", "ap", "lateral")), None)


def idc_films(root: Path, collection: str, labels: Mapping[str, State] | None = None) -> Iterator[RawRecord | Rejected]:
    """Records of a collection from `idc_index.csv`, in its order: one for every file of a series of CR or DX.

    patient and study are DICOM's PatientID and StudyInstanceUID. `labels` hold for every film. A series of several
    files, such as a frontal and a lateral film, has no view here: its description speaks of both. Other modalities and
    other parts of the body are excluded, files of no listed series are `unlisted`.
    """
    folders = SeriesFolders(root)
    path = first_file(root, "idc_index.csv")
    for line, row in read_csv(path, required=IDC_COLUMNS):
        origin = f"{path.name}:{line}"
        try:
            if isinstance(row, SampleError):
                raise row
            if row["collection_id"] != collection:
                raise SampleError("bad_row", f"a series of another collection than {collection}")
            folder = f"{row['PatientID']}/{row['StudyInstanceUID']}/{row['Modality']}_{row['SeriesInstanceUID']}"
            images = folders.take(row["SeriesInstanceUID"], f"{folder}/1.dcm")
        except SampleError as error:
            yield quarantined(origin, error)
        else:
            yield from _films(origin, row, images, labels or {})
    yield from folders.unlisted()


def _films(origin: str, row: Row, images: Sequence[str], labels: Mapping[str, State]) -> Iterator[RawRecord | Rejected]:
    study, series = row["StudyDescription"], row["SeriesDescription"]
    other = "" if row["Modality"] in ("CR", "DX") else "a series that is no plain film"
    if not other and off_chest(study, series, row["BodyPartExamined"]):
        other = "described as another part of the body"
    captions = {"modality": row["Modality"], "study": study, "series": series}
    for image in images:
        if other:
            yield Rejected(image, origin, "excluded", "not_chest", other)
            continue
        yield RawRecord(
            image=image,
            origin=origin,
            patient=row["PatientID"] or None,
            study=row["StudyInstanceUID"] or None,
            view=film_view(series, study) if len(images) == 1 else None,
            labels=labels,
            captions={name: text for name, text in captions.items() if text},
            age=age_in_years(row["PatientAge"]),
            sex=sex(row["PatientSex"]),
        )
