"""DDR (OIA-DDR): 13,673 photographs of Chinese clinics, graded for diabetic retinopathy or as ungradable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import text_rows
from mgll_data.sources.tables import made

CARD = SourceCard(
    name="ddr",
    modality="fundus",
    title="DDR: diabetic retinopathy grading",
    release="2019",
    images=13_673,
    licence="MIT",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://github.com/nkicsl/DDR-dataset",
    cite="""@article{li2019ddr,
  title   = {Diagnostic Assessment of Deep Learning Algorithms for Diabetic Retinopathy Screening},
  author  = {Li, Tao and Gao, Yingqi and Wang, Kai and Guo, Song and Liu, Hanruo and Kang, Hong},
  journal = {Information Sciences},
  volume  = {501},
  pages   = {511--522},
  year    = {2019},
  doi     = {10.1016/j.ins.2019.06.011}
}""",
    label_origin="Several graders per photograph, 0 to 4 on the ICDR scale, 5 where no grade could be given.",
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download DDR-dataset.zip (parts) by the links of the repository and unpack it. MIT is the licence of the
repository that points to the data; whether it covers the photographs is not said, so consent is asked for. No patient
is named. Names are only known to differ within a set.

ddr/
  DR_grading/train.txt              lines "name.jpg grade"
  DR_grading/valid.txt, DR_grading/test.txt
  DR_grading/train/007-0004-000.jpg""",
    needs=("**/train.txt", "**/*.jpg"),
)

_SPLITS = {"train": "train", "valid": "val", "test": "test"}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the training, validation and test list; the word is `grade=<value>`."""
    home = "DR_grading/" if (root / "DR_grading").is_dir() else ""
    images = Images(root, [f"{home}{split}/*.jpg" for split in _SPLITS], lambda path: path.removeprefix(home))
    for split, official in _SPLITS.items():

        def record(origin: str, row: list[str], split: str = split, official: str = official) -> RawRecord:
            image = images.take(f"{split}/{row[0]}", f"{home}{split}/{row[0]}")
            return RawRecord(image, origin, labels={f"grade={row[1]}": State.PRESENT}, official_split=official)

        path = root / f"{home}{split}.txt"
        yield from made(path.name, text_rows(path, 2), record)
    yield from images.unlisted()
