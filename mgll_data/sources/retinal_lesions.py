"""Retinal-Lesions: 1,593 photographs of EyePACS with masks of eight lesions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import list_images
from mgll_data.sources.layouts import stem
from mgll_data.sources.masks import described

CARD = SourceCard(
    name="retinal_lesions",
    modality="fundus",
    title="Retinal-Lesions",
    release="20191227",
    images=1_593,
    licence="LicenseRef-Retinal-Lesions",
    open_licence=False,
    access="agreement",
    redistributable=False,
    url="https://github.com/WeiQijie/retinal-lesions",
    cite="""@misc{retinal_lesions,
  title = {Retinal-Lesions},
  year  = {2020},
  url   = {https://github.com/WeiQijie/retinal-lesions}
}""",
    label_origin="45 ophthalmologists, at least three a picture: lesions as ellipses and polygons.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Ask for access with the form of the repository. Pictures are squares of 896 pixels cut from EyePACS and
named as there: beside the source eyepacs each photograph counts once. Grey 255 is a lesion; grey 127 marks what does
not fit the grading guideline, which the authors leave out, and so does this reader. A lesion without a mask file was
not marked.

retinal_lesions/retinal-lesions-v20191227/
  images_896x896/10_left.jpg
  lesion_segs_896x896/10_left/microaneurysm.png""",
    needs=("**/images_896x896/*.jpg", "**/lesion_segs_896x896/*/*.png"),
    derives=("eyepacs",),
    patients_of="eyepacs",
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the pictures; a word is the name of a mask file with a pixel of value 255."""
    masks: dict[str, list[tuple[str, str]]] = {}
    for path in list_images(root, ("**/lesion_segs_896x896/*/*.png",)):
        masks.setdefault(path.split("/")[-2].lower(), []).append((stem(path), path))
    for image in list_images(root, ("**/images_896x896/*.jpg",)):
        name = stem(image)
        patient, _, side = name.partition("_")
        eye = side if side in ("left", "right") else None
        same = (("eyepacs", f"{name}.jpeg"),)
        record = RawRecord(image, "images_896x896/", patient=patient, laterality=eye, same_as=same)
        yield from described(root, record, masks.get(name, ()), low=255)
