"""DR HAGIS: 40 photographs of diabetic patients in four groups by what else they have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import by_name, stem

CARD = SourceCard(
    name="dr_hagis",
    modality="fundus",
    title="DR HAGIS: Diabetic Retinopathy, Hypertension, Age-related macular degeneration and Glaucoma Images",
    release="2017",
    images=40,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://personalpages.manchester.ac.uk/staff/niall.p.mcloughlin/",
    cite="""@article{holm2017drhagis,
  title   = {{DR HAGIS}: A Fundus Image Database for the Automatic Extraction of Retinal Surface Vessels from Diabetic
             Patients},
  author  = {Holm, Sven and Russell, Greg and Nourrit, Vincent and McLoughlin, Niall},
  journal = {Journal of Medical Imaging},
  volume  = {4},
  number  = {1},
  pages   = {014503},
  year    = {2017}
}""",
    label_origin="Clinical groups by picture number: 1 to 10 glaucoma, 11 to 20 hypertension of the patient, 21 to 30 "
    "diabetic retinopathy, 31 to 40 age-related macular degeneration. A group does not deny the others' diseases.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download the archive and unpack it; we know of no stated licence. Pictures 24 and 32 are one photograph of
an eye in two groups. Vessel and field masks are not read.

dr_hagis/
  Fundus_Images/1.jpg ... 40.jpg""",
    needs=("**/Fundus_Images/*.jpg",),
)

GROUPS = ("glaucoma", "hypertension", "diabetic retinopathy", "age-related macular degeneration")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records by picture number; the word is the group's name."""

    def record(image: str) -> RawRecord | None:
        name = stem(image)
        if not (name.isdigit() and 1 <= int(name) <= 40):
            return None
        return RawRecord(image, "name", labels={GROUPS[(int(name) - 1) // 10]: State.PRESENT})

    yield from by_name(root, ("**/Fundus_Images/*.jpg",), record)
