"""SIIM-FISABIO-RSNA COVID-19 Detection 2021: 6,334 films, each study classed by appearance, opacities boxed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import flags
from mgll_data.sources.tables import Row, corners, first_file, quarantined, read_csv, records

CARD = SourceCard(
    name="siim_covid19",
    modality="cxr",
    title="SIIM-FISABIO-RSNA COVID-19 Detection",
    release="2021",
    images=6_334,
    licence="LicenseRef-SIIM-COVID19-2021",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://www.kaggle.com/c/siim-covid19-detection",
    cite="""@misc{siimcovid2021,
  title  = {{SIIM-FISABIO-RSNA COVID-19} Detection},
  author = {{Society for Imaging Informatics in Medicine}},
  url    = {https://www.kaggle.com/c/siim-covid19-detection},
  year   = {2021}
}""",
    label_origin="Radiologists classed each study by appearance (typical, indeterminate, atypical, negative).",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Join the challenge on Kaggle, accept its rules, then:
kaggle competitions download -c siim-covid19-detection
The films come from the BIMCV-COVID19 and MIDRC-RICORD sets under other ids; equal ones are found by their pixels.
test/ has no labels and is not read.

siim_covid19/
  train_study_level.csv    id (<study>_study) and four columns of 0 and 1
  train_image_level.csv    id (<image>_image), boxes, label, StudyInstanceUID
  train/<study>/<series>/<image>.dcm""",
    needs=("train_study_level.csv*", "train_image_level.csv*", "train/**/*.dcm"),
    derives=("midrc_ricord_1c",),
)

_CLASSES = ("Negative for Pneumonia", "Typical Appearance", "Indeterminate Appearance", "Atypical Appearance")
_OPACITY = "opacity"


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `train_image_level.csv`; boxes in pixels of the DICOM image.

    The class is that of the study: where a study has several films, those without a box of their own may be lateral
    or repeated films, so they get the class only if no film of the study has a box.
    """
    images = Images(root, ("train/**/*.dcm",))
    classes: dict[str, dict[str, State]] = {}
    table = first_file(root, "train_study_level.csv")
    for line, row in read_csv(table, required=("id", *_CLASSES)):
        try:
            if isinstance(row, SampleError):
                raise row
            states = flags(row, _CLASSES)
            if list(states.values()).count(State.PRESENT) != 1:
                raise SampleError("bad_row", "a study that has not one class of the four")
            classes[row["id"].removesuffix("_study")] = {w: s for w, s in states.items() if s is State.PRESENT}
        except SampleError as error:
            yield quarantined(f"{table.name}:{line}", error)

    path = first_file(root, "train_image_level.csv")
    needed = ("id", "boxes", "label", "StudyInstanceUID")
    boxed = {
        row["StudyInstanceUID"] for _, row in read_csv(path, required=needed) if isinstance(row, dict) and row["boxes"]
    }

    def record(origin: str, row: Row) -> RawRecord:
        name, study = row["id"].removesuffix("_image"), row["StudyInstanceUID"]
        image = images.take(f"{name}.dcm", f"train/{study}/{name}.dcm" if name else "")
        regions = tuple(RawRegion(_OPACITY, box) for box in _boxes(row["boxes"]))
        if study not in classes:
            raise SampleError("bad_row", "a film whose study has no class")
        return RawRecord(
            image=image,
            origin=origin,
            study=study,
            labels=classes[study] if regions or study not in boxed else {},
            regions=regions,
        )

    for item in records(path, needed, record):
        if isinstance(item, RawRecord) and not item.labels:
            yield Rejected(item.image, item.origin, "excluded", "no_label", "another film of its study has the boxes")
        else:
            yield item
    yield from images.unlisted()


def _boxes(text: str) -> list[tuple[float, float, float, float]]:
    """Boxes from a list written as Python writes it: `[{'x': 1.0, 'y': 2.0, 'width': 3.0, 'height': 4.0}]`."""
    if not text:
        return []
    try:
        entries = json.loads(text.replace("'", '"'))
        return [corners(*(str(entry[side]) for side in ("x", "y", "width", "height"))) for entry in entries]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SampleError("bad_row", "boxes that cannot be read") from error
