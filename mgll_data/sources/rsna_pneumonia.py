"""RSNA Pneumonia Detection Challenge 2018 (stage 2): 26,684 NIH films read again by radiologists, with boxes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.nih_identity import NIH, patient, rsna_mapping
from mgll_data.sources.tables import Row, corners, first_file, quarantined, read_csv

CARD = SourceCard(
    name="rsna_pneumonia",
    modality="cxr",
    title="RSNA Pneumonia Detection Challenge 2018",
    release="stage-2",
    images=26_684,
    licence="LicenseRef-RSNA-Pneumonia-2018",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://www.kaggle.com/c/rsna-pneumonia-detection-challenge",
    cite="""@article{shih2019augmenting,
  title   = {Augmenting the National Institutes of Health Chest Radiograph Dataset with Expert Annotations of
             Possible Pneumonia},
  author  = {Shih, George and Wu, Carol C. and Halabi, Safwan S. and Kohli, Marc D. and Prevedello, Luciano M. and
             Cook, Tessa S. and Sharma, Arjun and Amorosa, Judith K. and Arteaga, Veronica and
             Galperin-Aizenberg, Maya and others},
  journal = {Radiology: Artificial Intelligence},
  volume  = {1},
  number  = {1},
  pages   = {e180041},
  year    = {2019},
  doi     = {10.1148/ryai.2019180041}
}""",
    label_origin="Radiologists read each film without clinical facts and boxed the opacities that may be pneumonia.",
    scope=("cxr.pneumonia",),
    silence="unknown",
    normal_excludes_all=True,
    layout="""Join the challenge on Kaggle, accept its rules (research and teaching, no commercial use), then:
kaggle competitions download -c rsna-pneumonia-detection-challenge, and unpack the archive (and the archives in it).
stage_2_test_images has no labels and is not read. View, age and sex stand in the DICOM headers.
Put RSNA's mapping file (linked from its page of the challenge, east1.public.rsna.org/AI/2018/) beside the tables: it
names the NIH film that each one is, and so its patient. With it, and with nih_cxr14 in the recipe, a film counts once
and has the labels of both. Without it the patient is unknown, and films of one patient may stand in two splits.

rsna_pneumonia/
  stage_2_train_labels.csv           one row per box, one per film without a box
  stage_2_detailed_class_info.csv    one class per film, in as many rows; without it a film without boxes may be
                                     normal or not, and is only known to show no suspected pneumonia
  pneumonia-challenge-dataset-mappings_2018.json   optional
  stage_2_train_images/<patientId>.dcm""",
    needs=("stage_2_train_labels.csv*", "stage_2_train_images/*.dcm"),
    derives=(NIH,),
    patients_of=NIH,
)

_OPACITY = "Lung Opacity"
_CLASSES = "stage_2_detailed_class_info.csv"


@dataclass
class _Film:
    origin: str
    targets: set[str] = field(default_factory=set)
    boxes: list[RawRegion] = field(default_factory=list)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `stage_2_train_labels.csv`; boxes in pixels of the DICOM image.

    `patientId` names a film, not a patient: the 26,684 ids come from 11,439 NIH patients, whom only the challenge's
    mapping file tells. A film whose class and Target disagree is quarantined. Without the class table the word is
    `Target=0` or `Target=1`.
    """
    nih = rsna_mapping(root)
    images = Images(root, ("stage_2_train_images/*.dcm",))
    classes: dict[str, tuple[str, set[str]]] = {}  # patientId -> first origin, its classes
    with_classes = any(root.glob(f"{_CLASSES}*"))
    table = first_file(root, _CLASSES) if with_classes else None
    for origin, row in _rows(table, ("patientId", "class")) if table else ():
        if isinstance(row, SampleError):
            yield quarantined(origin, row)
        else:
            classes.setdefault(row["patientId"], (origin, set()))[1].add(row["class"])

    films: dict[str, _Film] = {}
    box = ("x", "y", "width", "height")
    for origin, row in _rows(first_file(root, "stage_2_train_labels.csv"), ("patientId", *box, "Target")):
        if isinstance(row, SampleError):
            yield quarantined(origin, row)
            continue
        film = films.setdefault(row["patientId"], _Film(origin))
        film.targets.add(row["Target"])
        if any(row[column] for column in box):
            try:
                film.boxes.append(RawRegion(_OPACITY, corners(*(row[column] for column in box))))
            except SampleError as error:
                yield quarantined(origin, error)

    for name, film in films.items():
        try:
            said = classes.pop(name, ("", set[str]()))[1] if with_classes else None
            yield _record(name, film, said, images, nih.get(name))
        except SampleError as error:
            yield quarantined(film.origin, error)
    for origin, _ in classes.values():
        yield quarantined(origin, SampleError("bad_row", "a film without a row in stage_2_train_labels.csv"))
    yield from images.unlisted()


def _rows(path: Path, required: tuple[str, ...]) -> Iterator[tuple[str, Row | SampleError]]:
    for line, row in read_csv(path, required=required):
        yield f"{path.name}:{line}", row


def _record(name: str, film: _Film, classes: set[str] | None, images: Images, nih: str | None) -> RawRecord:
    image = images.take(f"{name}.dcm", f"stage_2_train_images/{name}.dcm")
    if classes is None:  # the word is the row's own: a film with boxes, or without
        word = f"Target={min(film.targets)}"
        positive = word == "Target=1"
    elif len(classes) != 1:
        raise SampleError("bad_row", f"{len(classes)} classes in {_CLASSES}, 1 expected")
    else:
        word = next(iter(classes))
        positive = word == _OPACITY
    if film.targets != {"1" if positive else "0"} or (film.boxes and not positive):
        raise SampleError("bad_row", "its class and its Target or boxes disagree")
    return RawRecord(
        image=image,
        origin=film.origin,
        patient=patient(nih) if nih else None,
        labels={word: State.PRESENT},
        regions=tuple(film.boxes),
        same_as=((NIH, nih),) if nih else (),
    )
