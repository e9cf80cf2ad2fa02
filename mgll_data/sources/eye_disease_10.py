"""Eye Disease Image Dataset (Bangladesh): 5,335 pictures in ten classes, one of which is not of the fundus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import class_folders

CARD = SourceCard(
    name="eye_disease_10",
    modality="fundus",
    title="Eye Disease Image Dataset",
    release="1",
    images=5_335,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://data.mendeley.com/datasets/s9bfhswzjb/1",
    cite="""@misc{sharmin2024eye,
  title     = {Eye Disease Image Dataset},
  author    = {Sharmin, Shayla and Rashid, Mohammad Riadur and Khatun, Tania and others},
  publisher = {Mendeley Data},
  year      = {2024},
  doi       = {10.17632/s9bfhswzjb.1}
}""",
    label_origin="Clinical diagnosis of two hospitals in Bangladesh, one class per picture.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download the data set from Mendeley Data (see there for its licence) and unpack "Original Dataset"; the
augmented copies are not read. Pterygium is pictured on the front of the eye and counted as not_fundus. Many pictures
are exposures of one eye in a row under neighboring numbers: near duplicates tell, the files do not.

eye_disease_10/
  Original Dataset/Central Serous Chorioretinopathy [Color Fundus]/CSCR1.jpg ...
  Original Dataset/Diabetic Retinopathy/DR1.jpg ...   (and Disc Edema, Glaucoma, Healthy, Macular Scar, Myopia,
  Pterygium, Retinal Detachment, Retinitis Pigmentosa)""",
    needs=("Original Dataset/*/*.jpg",),
)

CLASSES = (
    "Central Serous Chorioretinopathy [Color Fundus]",
    "Diabetic Retinopathy",
    "Disc Edema",
    "Glaucoma",
    "Healthy",
    "Macular Scar",
    "Myopia",
    "Pterygium",
    "Retinal Detachment",
    "Retinitis Pigmentosa",
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the ten folders, which are the words."""

    def record(image: str, word: str) -> RawRecord:
        if word == "Pterygium":
            raise ExcludedError("not_fundus", "the front of the eye")
        return RawRecord(image, f"{word}/", labels={word: State.PRESENT})

    folders = {f"Original Dataset/{name}": name for name in CLASSES}
    yield from class_folders(
        root, folders, patterns=("Original Dataset/**/*.jpg", "Original Dataset/**/*.png"), make=record
    )
