"""FGADR, segmentation set: 1,842 photographs with a grade and masks of six lesions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import stem, text_rows
from mgll_data.sources.masks import described
from mgll_data.sources.tables import made

CARD = SourceCard(
    name="fgadr",
    modality="fundus",
    title="FGADR: Fine-Grained Annotated Diabetic Retinopathy",
    release="2021",
    images=1_842,
    licence="LicenseRef-FGADR",
    open_licence=False,
    access="agreement",
    redistributable=False,
    url="https://csyizhou.github.io/FGADR/",
    cite="""@article{zhou2021fgadr,
  title   = {A Benchmark for Studying Diabetic Retinopathy: Segmentation, Grading, and Transferability},
  author  = {Zhou, Yi and Wang, Boyang and Huang, Lei and Cui, Shanshan and Shao, Ling},
  journal = {IEEE Transactions on Medical Imaging},
  volume  = {40},
  number  = {3},
  pages   = {818--828},
  year    = {2021},
  doi     = {10.1109/TMI.2020.3037771}
}""",
    label_origin="Three ophthalmologists: grade 0 to 4 (ICDR), lesions drawn pixel by pixel.",
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Ask for access with the form of the page (research only, no redistribution). The table has no header.
Every picture has a file for every lesion, blank where there is none. The pictures are said to come from other public
pools.

fgadr/Seg-set/
  DR_Seg_Grading_Label.csv          lines "0000_1.png,2"
  Original_Images/0000_1.png
  Microaneurysms_Masks/, Hemohedge_Masks/, HardExudate_Masks/, SoftExudate_Masks/, IRMA_Masks/,
  Neovascularization_Masks/""",
    needs=("**/DR_Seg_Grading_Label.csv", "**/Original_Images/*"),
)

_LESIONS = (
    "Microaneurysms_Masks",
    "Hemohedge_Masks",
    "HardExudate_Masks",
    "SoftExudate_Masks",
    "IRMA_Masks",
    "Neovascularization_Masks",
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the table. Words are `grade=<value>` and the folders of masks with a pixel set."""
    home = "Seg-set/" if (root / "Seg-set").is_dir() else ""
    images = Images(root, (f"{home}Original_Images/*",), stem)
    masks = {f"{path.split('/')[-2]}/{stem(path)}": path for path in list_images(root, (f"{home}*_Masks/*.png",))}

    def record(origin: str, row: list[str]) -> Iterator[RawRecord | Rejected]:
        image = images.take(stem(row[0]), f"{home}Original_Images/{row[0]}")
        whole = RawRecord(image, origin, labels={f"grade={row[1]}": State.PRESENT})
        lesions = [(word, masks[key]) for word in _LESIONS if (key := f"{word}/{stem(row[0])}") in masks]
        yield from described(root, whole, lesions)

    name = "DR_Seg_Grading_Label.csv"
    yield from made(name, text_rows(root / f"{home}{name}", 2, separator=","), record)
    yield from images.unlisted()
