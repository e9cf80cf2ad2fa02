"""MultiEYE: photographs of a dozen public sets and one private one, in eight classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import PICTURES, stem, text_rows
from mgll_data.sources.tables import made

CARD = SourceCard(
    name="multieye",
    modality="fundus",
    title="MultiEYE, fundus part",
    release="2025",
    images=58_036,
    licence="LicenseRef-MultiEYE",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://huggingface.co/datasets/Luxuriant16/MultiEYE",
    cite="""@misc{multieye,
  title = {MultiEYE, fundus part},
  year  = {2025},
  url   = {https://huggingface.co/datasets/Luxuriant16/MultiEYE}
}""",
    label_origin="The labels of the parent sets, merged by the authors into eight classes.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download (MIT on the page, but every picture keeps the terms of its own set). The photographs come from
RFMiD, RFMiD 2, Messidor-2, ODIR, STARE, FIVES, DDR, EyePACS and more under names of its own: build it beside them only
with near- duplicate search. The part assemble_oct holds OCT scans, which are excluded.

multieye/
  assemble/train/large9cls.txt          lines "name class", class 0 to 7; also dev, test
  assemble/train/ImageData/...          all pictures of all sets""",
    needs=("assemble/*/large9cls.txt", "assemble/**/ImageData/**/*.*"),
    derives=("ddr", "eyepacs", "fives", "messidor2", "odir5k", "rfmid", "rfmid2", "stare"),
)

_SPLITS = {"train": "train", "dev": "val", "test": "test"}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the training, dev and test list; the word is `class=<number>`."""
    images = Images(root, [f"assemble/{pattern}" for pattern in PICTURES], stem)
    for split, official in _SPLITS.items():

        def record(origin: str, row: list[str], official: str = official) -> RawRecord:
            name = row[0].rpartition("/")[2]
            image = images.take(stem(name), f"assemble/train/ImageData/{name}")
            return RawRecord(image, origin, labels={f"class={row[1]}": State.PRESENT}, official_split=official)

        path = root / "assemble" / split / "large9cls.txt"
        if path.is_file():
            yield from made(f"{split}/{path.name}", text_rows(path, 2), record)
    for scan in list_images(root, [f"assemble_oct/{pattern}" for pattern in PICTURES]):
        yield Rejected(scan, "", "excluded", "not_fundus", "an OCT scan")
    yield from images.unlisted()
