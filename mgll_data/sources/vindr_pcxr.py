"""VinDr-PCXR (PediCXR): 9,125 films of children under ten, each read by one pediatric radiologist, with boxes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import corner_box, flags
from mgll_data.sources.tables import columns, first_file, quarantined, read_csv

CARD = SourceCard(
    name="vindr_pcxr",
    modality="cxr",
    title="VinDr-PCXR (PediCXR)",
    release="1.0.0",
    images=9_125,
    licence="LicenseRef-PhysioNet-Restricted",
    open_licence=False,
    access="agreement",
    redistributable=False,
    url="https://physionet.org/content/vindr-pcxr/1.0.0/",
    cite="""@misc{pham2022vindrpcxr,
  title     = {{VinDr-PCXR}: An open, large-scale pediatric chest {X}-ray dataset for interpretation of common thoracic
               diseases},
  author    = {Pham, Hieu Huy and Tran, Tien Thanh and Nguyen, Ha Quy},
  publisher = {PhysioNet},
  year      = {2022},
  doi       = {10.13026/k8qc-na36}
}""",
    label_origin="A pediatric radiologist read each film: 15 diagnoses and 36 findings, these with boxes.",
    scope=(
        "cxr.consolidation",
        "cxr.atelectasis",
        "cxr.reticulonodular",
        "cxr.infiltrate",
        "cxr.edema",
        "cxr.effusion",
        "cxr.pneumothorax",
        "cxr.pleural_thickening",
        "cxr.cardiomegaly",
        "cxr.dextrocardia",
        "cxr.pa_enlargement",
        "cxr.aortic.enlarged",
        "cxr.mediastinal_shift",
        "cxr.hyperinflation",
        "cxr.bronchial_thickening",
        "cxr.bronchiectasis",
        "cxr.cavitation",
        "cxr.cyst",
        "cxr.emphysema",
        "cxr.fracture.clavicle",
    ),
    silence="absent",
    normal_excludes_all=True,
    layout="""PhysioNet, restricted access (account and signed agreement; the films must not be passed on):
wget -r -N -c -np --user <you> --ask-password https://physionet.org/files/vindr-pcxr/1.0.0/
These are children: their thymus, heart and lungs look other than an adult's. Keep them apart from adult sources, or
weigh them, where age would become a shortcut. Misspelt words (Brocho-pneumonia, Diffuse aveolar opacity) are the real
ones.

vindr_pcxr/
  image_labels_train.csv     image_id, rad_ID, 15 columns of 0 and 1
  image_labels_test.csv
  annotations_train.csv      one row per box
  annotations_test.csv
  train/<image_id>.dicom
  test/<image_id>.dicom""",
    needs=("image_labels_*.csv*", "annotations_*.csv*", "**/*.dicom"),
)

_BOX = ("x_min", "y_min", "x_max", "y_max")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the label tables, training first; boxes in pixels of the DICOM image.

    A finding stands in the box table alone: a film without its box was read and has none. Boxes that cannot be read
    are quarantined, their word is still stated.
    """
    images = Images(root, ("**/*.dicom", "**/*.dcm"), key=lambda path: Path(path).stem)
    for split in ("train", "test"):
        found: dict[str, dict[str, State]] = {}
        boxes: dict[str, list[RawRegion]] = {}
        yield from _boxes(first_file(root, f"annotations_{split}.csv"), found, boxes)
        path = first_file(root, f"image_labels_{split}.csv")
        words = [name for name in columns(path) if name not in ("image_id", "rad_ID")]
        for line, row in read_csv(path, required=("image_id", "No finding")):
            origin = f"{path.name}:{line}"
            try:
                if isinstance(row, SampleError):
                    raise row
                name = row["image_id"]
                image = images.take(name, f"{split}/{name}.dicom" if name else "")
                labels = flags(row, words) | found.pop(name, {})
            except SampleError as error:
                yield quarantined(origin, error)
                continue
            yield RawRecord(image, origin, labels=labels, regions=tuple(boxes.get(name, ())), official_split=split)
        for _ in found:
            yield quarantined(f"annotations_{split}.csv", SampleError("bad_row", "boxes on a film that gave no record"))
    yield from images.unlisted()


def _boxes(path: Path, found: dict[str, dict[str, State]], boxes: dict[str, list[RawRegion]]) -> Iterator[Rejected]:
    for line, row in read_csv(path, required=("image_id", "class_name", *_BOX)):
        try:
            if isinstance(row, SampleError):
                raise row
            word, values = row["class_name"], [row[column] for column in _BOX]
            if word == "No finding" and not any(values):
                continue
            found.setdefault(row["image_id"], {})[word] = State.PRESENT
            boxes.setdefault(row["image_id"], []).append(RawRegion(word, corner_box(values)))
        except SampleError as error:
            yield quarantined(f"{path.name}:{line}", error)
