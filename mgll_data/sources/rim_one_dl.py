"""RIM-ONE DL: 485 pictures cut out around the optic disc, from three Spanish hospitals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import list_images
from mgll_data.sources.layouts import class_folders

CARD = SourceCard(
    name="rim_one_dl",
    modality="fundus",
    title="RIM-ONE DL: A Unified Retinal Image Database for Assessing Glaucoma Using Deep Learning",
    release="2020",
    images=485,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://github.com/miag-ull/rim-one-dl",
    cite="""@article{fumero2020rimonedl,
  title   = {{RIM-ONE DL}: A Unified Retinal Image Database for Assessing Glaucoma Using Deep Learning},
  author  = {Fumero Batista, Francisco Jos{\\'e} and Diaz-Aleman, Tinguaro and Sigut, Jose and others},
  journal = {Image Analysis \\& Stereology},
  volume  = {39},
  number  = {3},
  pages   = {161--167},
  year    = {2020}
}""",
    label_origin="Clinical diagnosis of two experts: glaucoma or healthy. The pictures show the optic disc only.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download RIM-ONE_DL_images.zip and unpack it. It holds the same 485 pictures twice, in two partitions:
only the one by hospital is read (or the other one, where that alone is there).

rim_one_dl/
  partitioned_by_hospital/{training_set,test_set}/{normal,glaucoma}/r1_Im001.png ...
  partitioned_randomly/   (not read)""",
    needs=("**/partitioned_*/training_set/normal/*.png",),
)

_PARTITIONS = ("partitioned_by_hospital", "partitioned_randomly")
_SPLITS = {"training_set": "train", "test_set": "test"}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of one partition; the words are `glaucoma` and `normal`. Raises UsageError if neither is there."""
    homes = [
        path.partition(f"{name}/")[0] + name
        for name in _PARTITIONS
        for path in list_images(root, (f"**/{name}/**/*.png",))
    ]
    if not homes:
        raise UsageError(f"{root}: no folder {' or '.join(_PARTITIONS)}. Unpack RIM-ONE_DL_images.zip there.")

    def record(image: str, word: str) -> RawRecord:
        part = _SPLITS[image.removeprefix(f"{homes[0]}/").split("/")[0]]
        shown = {"field": "optic disc"}
        return RawRecord(image, f"{part}/{word}/", labels={word: State.PRESENT}, official_split=part, attrs=shown)

    folders = {f"{homes[0]}/{part}/{word}": word for part in _SPLITS for word in ("normal", "glaucoma")}
    yield from class_folders(root, folders, patterns=(f"{homes[0]}/**/*.png",), make=record)
