"""MAPLES-DR: 198 pictures of Messidor, graded again and with lesions drawn pixel by pixel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import UsageError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import graded, stem
from mgll_data.sources.masks import described
from mgll_data.sources.tables import Row, columns, made, read_csv

CARD = SourceCard(
    name="maples_dr",
    modality="fundus",
    title="MAPLES-DR",
    release="2024",
    images=198,
    licence="LicenseRef-Messidor",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://doi.org/10.6084/m9.figshare.24328660",
    cite="""@article{lepetitaimon2024maples,
  title   = {{MAPLES-DR}: {MESSIDOR} Anatomical and Pathological Labels for Explainable Screening of Diabetic
             Retinopathy},
  author  = {Lepetit-Aimon, Gabriel and Playout, Cl{\\'e}ment and Boucher, Marie Carole and Duval, Renaud and
             Brent, Michael H and Cheriet, Farida},
  journal = {Scientific Data},
  volume  = {11},
  number  = {1},
  pages   = {914},
  year    = {2024},
  doi     = {10.1038/s41597-024-03739-6}
}""",
    label_origin=(
        "Seven retina specialists, by the Canadian tele-ophthalmology guidelines; lesions corrected "
        "from automatic maps."
    ),
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Unpack MAPLES-DR.zip from figshare (CC BY 4.0). The photographs are not in it and keep the terms of
Messidor: copy the named ones from there, where they are .tif (.png will do), into a folder images. Masks have the names
and the size of the Messidor pictures; those of vessels, disc, cup and macula are not read. Beside the source messidor
each photograph counts once and its labels are merged.

maples_dr/
  train/diagnosis.csv               name,DR,ME
  train/Microaneurysms/20051019_38557_0100_PP.png   and one folder for each other structure
  test/...
  images/20051019_38557_0100_PP.tif""",
    needs=("**/diagnosis.csv*", "images/*"),
    derives=("messidor",),
)

_SPLITS = ("train", "test")
_LESIONS = ("Microaneurysms", "Hemorrhages", "Neovascularization", "Exudates", "CottonWoolSpots", "Drusens")
Items = Iterator[RawRecord | Rejected]


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the training, then of the test set. Words are `DR=<grade>`, `ME=<grade>` and the lesion folders."""
    images = Images(root, ("images/**/*.tif", "images/**/*.png", "images/**/*.jpg"), stem)
    masks = {path.lower(): path for path in list_images(root, ("**/*.png",)) if not path.startswith("images/")}
    tables = sorted(root.rglob("diagnosis.csv*"), reverse=True)
    if not tables:
        raise UsageError(f"{root}: no train/diagnosis.csv or test/diagnosis.csv. Unpack MAPLES-DR.zip there.")
    for table in tables:
        folder = table.parent.relative_to(root).as_posix()
        named = {column.lower(): column for column in columns(table)}
        required = tuple(named.get(column, column) for column in ("name", "dr", "me"))

        def record(origin: str, row: Row, folder: str = folder, required: tuple[str, ...] = required) -> Items:
            name, dr, me = (row[column] for column in required)
            key = stem(name) if "." in name else name.lower()
            image = images.take(key, f"images/{name.partition('.')[0]}.tif")
            labels = graded({"DR": dr, "ME": me}, "DR", "ME")
            same = (("messidor", f"{name.partition('.')[0]}.tif"),)
            lesions = [(word, path) for word in _LESIONS if (path := masks.get(f"{folder}/{word}/{key}.png".lower()))]
            split = folder.rpartition("/")[2]
            yield from described(
                root,
                RawRecord(
                    image, origin, labels=labels, same_as=same, official_split=split if split in _SPLITS else None
                ),
                lesions,
            )

        yield from made(f"{folder}/{table.name}", read_csv(table, required=required), record)
    yield from images.unlisted()
