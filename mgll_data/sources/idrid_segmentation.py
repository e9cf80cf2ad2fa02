"""IDRiD, part A (segmentation): 81 photographs with masks of four lesions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from mgll_data.schema import State
from mgll_data.sources import idrid
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import list_images
from mgll_data.sources.layouts import part_folder, stem
from mgll_data.sources.masks import described

CARD = SourceCard(
    name="idrid_segmentation",
    modality="fundus",
    title="Indian Diabetic Retinopathy Image Dataset, lesion segmentation",
    release="1.0",
    images=81,
    licence="CC-BY-4.0",
    open_licence=True,
    access="registration",
    redistributable=True,
    url="https://ieee-dataport.org/open-access/indian-diabetic-retinopathy-image-dataset-idrid",
    cite=idrid.CARD.cite,
    label_origin="Lesions drawn pixel by pixel by a retina specialist's team.",
    scope=("fundus.ma", "fundus.hem", "fundus.ex", "fundus.cws"),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download "A. Segmentation.zip" from IEEE DataPort (free account) and unpack it; names may be URL-quoted.
A lesion without a mask file was not found in that picture. The photographs are believed to stand among those of part B
(source idrid) under other numbers, which nobody has published: near-duplicate search finds them. Masks of the optic
disc are not read.

idrid_segmentation/
  A. Segmentation/
    1. Original Images/a. Training Set/IDRiD_01.jpg        b. Testing Set/IDRiD_55.jpg
    2. All Segmentation Groundtruths/a. Training Set/
      1. Microaneurysms/IDRiD_01_MA.tif    2. Haemorrhages/..._HE.tif    3. Hard Exudates/..._EX.tif
      4. Soft Exudates/..._SE.tif""",
    needs=("**/1.*Original*Images/**/*.jpg", "**/2.*Segmentation*Groundtruths/**/*.tif"),
    derives=("idrid",),
)

_LESIONS = {"Microaneurysms": "ma", "Haemorrhages": "he", "Hard Exudates": "ex", "Soft Exudates": "se"}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the files. A lesion is present where its mask has a pixel set.

    It is absent where it has no mask file or a blank one, but only in a set that has masks of this lesion at all.
    """
    home = part_folder(root, "A. Segmentation")
    masks: dict[tuple[str, str], str] = {}  # (set, name of the mask) -> path
    for path in list_images(root, (f"{home}**/*.tif",)):
        parts = ["", "", *unquote(path).split("/")]
        masks[parts[-3], stem(parts[-1])] = path
    drawn = {(folder, name.rpartition("_")[2]) for folder, name in masks}
    for image in list_images(root, (f"{home}**/*.jpg",)):
        folder, name = ["", *unquote(image).split("/")][-2:]
        lesions: list[tuple[str, str]] = []
        absent: dict[str, State] = {}
        for word, code in _LESIONS.items():
            if mask := masks.get((folder, f"{stem(name)}_{code}")):
                lesions.append((word, mask))
            elif (folder, code) in drawn:
                absent[word] = State.ABSENT
        split = "test" if folder == "b. Testing Set" else "train"
        record = RawRecord(image, f"{folder}/", labels=absent, official_split=split)
        yield from described(root, record, lesions, blank=State.ABSENT)
