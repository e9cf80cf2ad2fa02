"""VinDr-CXR: 18,000 frontal films of two hospitals in Hanoi, read by three radiologists each, or five for test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import corner_box, flags
from mgll_data.sources.tables import columns, first_file, quarantined, read_csv

CARD = SourceCard(
    name="vindr_cxr",
    modality="cxr",
    title="VinDr-CXR",
    release="1.0.0",
    images=18_000,
    licence="LicenseRef-PhysioNet-Credentialed-1.5.0",
    open_licence=False,
    access="credentialed",
    redistributable=False,
    url="https://physionet.org/content/vindr-cxr/1.0.0/",
    cite="""@article{nguyen2022vindrcxr,
  title   = {{VinDr-CXR}: An open dataset of chest {X}-rays with radiologist's annotations},
  author  = {Nguyen, Ha Q. and Lam, Khanh and Le, Linh T. and Pham, Hieu H. and others},
  journal = {Scientific Data},
  volume  = {9},
  pages   = {429},
  year    = {2022},
  doi     = {10.1038/s41597-022-01498-w}
}""",
    label_origin="""Radiologists with eight years of experience and more: 22 findings with boxes, 6 diagnoses. Three of
17 read each training film on their own; five agreed on each test film.""",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""PhysioNet (credentialed account, training in research ethics, signed agreement; the films must not be
passed on): wget -r -N -c -np --user <you> --ask-password https://physionet.org/files/vindr-cxr/1.0.0/
vindr_cxr/
  annotations/image_labels_train.csv   one row per film and reader: 28 columns of 0 and 1
  annotations/annotations_train.csv    one row per box and reader
  annotations/image_labels_test.csv    one row per film; "Other disease" is "Other diseases" in train
  annotations/annotations_test.csv
  train/<image_id>.dicom
  test/<image_id>.dicom

or the 15,000 training films as Kaggle gave them out (14 findings; the 3,000 films in test/ have no labels there):
kaggle competitions download -c vinbigdata-chest-xray-abnormalities-detection
vindr_cxr/
  train.csv                            67,914 rows, one per box and reader
  train/<image_id>.dicom

The headers keep 25 tags: no patient, study, series or view.""",
    needs=("**/*.dicom",),
    votes=True,
)

_BOX = ("x_min", "y_min", "x_max", "y_max")
_KAGGLE = (
    "Aortic enlargement",
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Consolidation",
    "ILD",
    "Infiltration",
    "Lung Opacity",
    "Nodule/Mass",
    "Other lesion",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary fibrosis",
    "No finding",
)


@dataclass
class _Film:
    origin: str
    readers: set[str] = field(default_factory=set)
    seen: dict[str, set[str]] = field(default_factory=dict)  # word -> readers
    agreed: dict[str, State] = field(default_factory=dict)
    boxes: list[RawRegion] = field(default_factory=list)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the label tables, training first; boxes of all readers, in pixels of the DICOM image.

    Readers disagree on 3,683 of the 15,000 training films: their words are votes, a word that none of them gave is
    a vote of 0. Both releases name films alike, so the PhysioNet tables win where both are there.
    """
    images = Images(root, ("**/*.dicom", "**/*.dcm"), key=lambda path: Path(path).stem)
    if (root / "annotations").is_dir():
        for split in ("train", "test"):
            films: dict[str, _Film] = {}
            labels = first_file(root, f"annotations/image_labels_{split}.csv")
            yield from _readings(labels, films)
            yield from _boxes(first_file(root, f"annotations/annotations_{split}.csv"), films, new=False)
            words = [name for name in columns(labels) if name not in ("image_id", "rad_id")]
            yield from _records(films, words, images, split)
    else:
        films = {}
        yield from _boxes(first_file(root, "train.csv"), films, new=True)
        yield from _records(films, _KAGGLE, images, "train")
    yield from images.unlisted()


def _readings(path: Path, films: dict[str, _Film]) -> Iterator[Rejected]:
    """Fill `films` from a table with one column per word: votes where it names readers, else what they agreed on."""
    names = columns(path)
    words = [name for name in names if name not in ("image_id", "rad_id")]
    for line, row in read_csv(path, required=("image_id", "No finding")):
        origin = f"{path.name}:{line}"
        try:
            if isinstance(row, SampleError):
                raise row
            states = flags(row, words)
            film = films.setdefault(row["image_id"], _Film(origin))
            if "rad_id" not in names:
                if film.agreed:
                    raise SampleError("bad_row", "names an image that an earlier row named")
                film.agreed = states
                continue
            if row["rad_id"] in film.readers:
                raise SampleError("bad_row", "a second row of one reader for one film")
            film.readers.add(row["rad_id"])
            for word, state in states.items():
                if state is State.PRESENT:
                    film.seen.setdefault(word, set()).add(row["rad_id"])
        except SampleError as error:
            yield quarantined(origin, error)


def _boxes(path: Path, films: dict[str, _Film], *, new: bool) -> Iterator[Rejected]:
    """Add the rows of a box table to `films`; `new`: its rows are the readers' labels too, as on Kaggle."""
    readers = "rad_id" in columns(path)
    for line, row in read_csv(path, required=("image_id", "class_name", *_BOX)):
        origin = f"{path.name}:{line}"
        try:
            if isinstance(row, SampleError):
                raise row
            name, word = row["image_id"], row["class_name"]
            film = films.setdefault(name, _Film(origin)) if new else films.get(name)
            if film is None:
                raise SampleError("bad_row", "a box on a film without a row of labels")
            if new:
                reader = row["rad_id"] if readers else ""
                film.readers.add(reader)
                film.seen.setdefault(word, set()).add(reader)
            if word != "No finding" or any(row[column] for column in _BOX):
                film.boxes.append(RawRegion(word, corner_box([row[column] for column in _BOX])))
        except SampleError as error:
            yield quarantined(origin, error)


def _records(
    films: dict[str, _Film], words: list[str] | tuple[str, ...], images: Images, split: str
) -> Iterator[RawRecord | Rejected]:
    for name, film in films.items():
        try:
            image = images.take(name, f"{split}/{name}.dicom" if name else "")
        except SampleError as error:
            yield quarantined(film.origin, error)
            continue
        asked = len(film.readers)
        voted = dict.fromkeys((*words, *film.seen)) if asked else {}
        yield RawRecord(
            image=image,
            origin=film.origin,
            labels=film.agreed,
            votes={word: (len(film.seen.get(word, ())), asked) for word in voted},
            regions=tuple(film.boxes),
            official_split=split,
        )
