"""DIARETDB1: 89 photographs in which four experts marked lesions, each on their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import list_images
from mgll_data.sources.layouts import read_xml, stem

CARD = SourceCard(
    name="diaretdb1",
    modality="fundus",
    title="DIARETDB1 v2.1",
    release="2.1",
    images=89,
    licence="LicenseRef-DIARETDB1",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://www.it.lut.fi/project/imageret/diaretdb1_v2_1/",
    cite="""@misc{diaretdb1,
  title = {DIARETDB1 v2.1},
  year  = {2007},
  url   = {https://www.it.lut.fi/project/imageret/diaretdb1_v2_1/}
}""",
    label_origin="Four experts who marked each picture independently.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download diaretdb1_v_2_1.zip (research only) and unpack it. Each picture has one annotation file per
expert; they disagree, and the recipe's labels.votes decides. The four main lesions count as asked of every expert, the
others only where an expert marked one.

diaretdb1/
  ddb1_fundusimages/image001.png            at any depth, any folder but the ground truth
  ddb1_groundtruth/image001_01.xml ... image001_04.xml""",
    needs=("**/*.png", "**/*_0[1-4].xml"),
    votes=True,
)

_MAIN = ("red small dots", "haemorrhages", "hard exudates", "soft exudates")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the pictures, with votes: (experts who marked the lesion, experts with a readable file).

    A file that cannot be read is quarantined and its expert not counted.
    """
    files: dict[str, list[str]] = {}
    for path in list_images(root, ("**/*_0?.xml",)):
        files.setdefault(stem(path)[:-3], []).append(path)
    for image in list_images(root, ("**/*.png",)):
        if "groundtruth" in image.lower():
            continue
        seen: Counter[str] = Counter()
        asked = 0
        for path in files.get(stem(image), ()):
            try:
                types = {_word(item.text or "") for item in read_xml(root / path).iter("markingtype")}
            except SampleError as error:
                yield Rejected(path, "", "quarantined", error.reason, error.detail)
                continue
            asked += 1
            seen.update(sorted(types - {""}))
        if asked:
            votes = {word: (seen[word], asked) for word in dict.fromkeys((*_MAIN, *seen))}
            yield RawRecord(image, f"{stem(image)}_01.xml", votes=votes)
        else:
            yield Rejected(image, "", "excluded", "no_label", "no expert's file")


def _word(text: str) -> str:
    return " ".join(text.lower().replace("_", " ").split())
