"""EyePACS arranged in folders by grade: a copy of its 35,126 training photographs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import class_folders, stem

CARD = SourceCard(
    name="dr_arranged",
    modality="fundus",
    title="Diabetic Retinopathy Arranged",
    release="2015",
    images=35_126,
    licence="LicenseRef-EyePACS-Kaggle",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://tianchi.aliyun.com/dataset/93926",
    cite="""@misc{dr_arranged,
  title = {Diabetic Retinopathy Arranged},
  year  = {2015},
  url   = {https://tianchi.aliyun.com/dataset/93926}
}""",
    label_origin="The grades of EyePACS, 0 to 4 on the ICDR scale.",
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Register at Tianchi and download, or take a copy of this layout from Kaggle (the rules of EyePACS hold:
research, no redistribution). The folder is the grade. Names are those of EyePACS: beside that source each photograph
counts once.

dr_arranged/
  0/10_left.jpeg        1/    2/    3/    4/            or one folder deeper""",
    needs=("**/0/*_*.jpeg",),
    derives=("eyepacs",),
    patients_of="eyepacs",
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records grade by grade; the word is `level=<folder>`, as EyePACS calls it."""
    tops = sorted(path.relative_to(root).as_posix() for path in root.rglob("0") if path.is_dir())
    home = f"{tops[0].removesuffix('0')}" if tops else ""

    def record(image: str, word: str) -> RawRecord:
        name = stem(image)
        patient, _, side = name.partition("_")
        eye = side if side in ("left", "right") else None
        same = (("eyepacs", f"{name}.jpeg"),)
        folder = image.rpartition("/")[0] + "/"
        return RawRecord(image, folder, patient=patient, laterality=eye, labels={word: State.PRESENT}, same_as=same)

    yield from class_folders(root, {f"{home}{grade}": f"level={grade}" for grade in range(5)}, make=record)
