"""SIIM-ACR Pneumothorax Segmentation 2019: 12,047 NIH films, each pneumothorax outlined, here as a box around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.tables import first_file, quarantined, read_csv

CARD = SourceCard(
    name="siim_acr",
    modality="cxr",
    title="SIIM-ACR Pneumothorax Segmentation",
    release="2019",
    images=12_047,
    licence="LicenseRef-SIIM-ACR-2019",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation",
    cite="""@misc{siimacr2019,
  title = {{SIIM-ACR} Pneumothorax Segmentation},
  author = {{Society for Imaging Informatics in Medicine} and {American College of Radiology}},
  url   = {https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation},
  year  = {2019}
}""",
    label_origin="Radiologists outlined every pneumothorax; a film without an outline has none.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Join the challenge on Kaggle and accept its rules (its first stage is handed out through the Google Cloud
Healthcare API). Either table will do; the films may lie in folders of study and series UIDs. dicom-images-test has no
labels in the first stage and is not read. The films are NIH ChestX-ray14's, without their names; view, age and sex
stand in the headers.

siim_acr/
  train-rle.csv                           columns "ImageId" and " EncodedPixels"; or stage_2_train.csv
  dicom-images-train/<study>/<series>/<ImageId>.dcm""",
    needs=("**/*.dcm",),
    derives=("nih_cxr14",),
)

SIDE = 1024  # pixels of every film and mask
_WORD = "Pneumothorax"


@dataclass
class _Film:
    origin: str
    none: bool = False
    boxes: list[RawRegion] = field(default_factory=list)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the table, whose rows are masks: a film may have several.

    `-1` says that there is no pneumothorax; versions of the table write it with a space in front, as they do the
    column's name. A film with a mask and a `-1` contradicts itself and is quarantined. `ImageId` is a DICOM UID and
    says nothing of the patient, so films of one patient may stand in two splits unless the NIH set is built beside it.
    """
    images = Images(root, ("dicom-images-train/**/*.dcm", "**/*.dcm"))
    path = first_file(root, "stage_2_train.csv", "train-rle.csv")
    films: dict[str, _Film] = {}
    for line, row in read_csv(path, required=("ImageId", "EncodedPixels")):
        origin = f"{path.name}:{line}"
        try:
            if isinstance(row, SampleError):
                raise row
            film = films.setdefault(row["ImageId"], _Film(origin))
            if row["EncodedPixels"] == "-1":
                film.none = True
            else:
                film.boxes.append(RawRegion(_WORD, mask_box(row["EncodedPixels"])))
        except SampleError as error:
            yield quarantined(origin, error)
    for name, film in films.items():
        try:
            image = images.take(f"{name}.dcm", f"dicom-images-train/{name}.dcm" if name else "")
            if film.none == bool(film.boxes):
                raise SampleError("bad_row", "its rows say both or neither of a mask and -1")
        except SampleError as error:
            yield quarantined(film.origin, error)
            continue
        state = State.ABSENT if film.none else State.PRESENT
        yield RawRecord(image, film.origin, labels={_WORD: state}, regions=tuple(film.boxes))
    yield from images.unlisted()


def mask_box(text: str) -> tuple[float, float, float, float]:
    """Box x0, y0, x1, y1 around a mask of 1024 x 1024, given as `<gap> <length> <gap> <length> ...`.

    Each gap counts from the end of the run before it, and pixels are counted down the columns: the challenge's own
    coding, not that of COCO or of other Kaggle sets. Raises SampleError `bad_row` for anything else.
    """
    try:
        numbers = [int(number) for number in text.split()]
    except ValueError as error:
        raise SampleError("bad_row", "a mask whose numbers cannot be read") from error
    if not numbers or len(numbers) % 2:
        raise SampleError("bad_row", f"a mask of {len(numbers)} numbers, pairs expected")
    end, left, right, top, bottom = 0, SIDE, -1, SIDE, -1
    for gap, length in zip(numbers[::2], numbers[1::2], strict=True):
        start = end + gap
        end = start + length
        if gap < 0 or length < 1 or end > SIDE * SIDE:
            raise SampleError("bad_row", "a mask that leaves its picture")
        first, last = start // SIDE, (end - 1) // SIDE
        left, right = min(left, first), max(right, last)
        whole = last > first  # the run goes on in the next column
        top, bottom = min(top, 0 if whole else start % SIDE), max(bottom, SIDE - 1 if whole else (end - 1) % SIDE)
    return float(left), float(top), float(right + 1), float(bottom + 1)
