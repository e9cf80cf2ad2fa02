"""ROC: 50 photographs with microaneurysms marked by consensus, and 50 without published marks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from mgll_data.errors import SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import read_xml
from mgll_data.sources.tables import quarantined

CARD = SourceCard(
    name="roc",
    modality="fundus",
    title="Retinopathy Online Challenge",
    release="2008",
    images=100,
    licence="LicenseRef-ROC",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://webeye.ophth.uiowa.edu/ROC/",
    cite="""@article{niemeijer2010roc,
  title   = {Retinopathy Online Challenge: Automatic Detection of Microaneurysms in Digital Color Fundus Photographs},
  author  = {Niemeijer, Meindert and others},
  journal = {IEEE Transactions on Medical Imaging},
  volume  = {29},
  number  = {1},
  pages   = {185--195},
  year    = {2010},
  doi     = {10.1109/TMI.2009.2033909}
}""",
    label_origin="Consensus of four retina experts on every microaneurysm of the training pictures.",
    scope=("fundus.ma",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Register at the challenge's page (research only). The test pictures have no published marks: they are
excluded.

roc/
  ROCtraining/image0_training.jpg           at any depth
  ROCtraining/annotations-consensus-ma-only.xml
  ROCtest/image0_test.jpg""",
    needs=("**/annotations-consensus-ma-only.xml", "**/*_training.jpg"),
)

_WORD = "microaneurysm"


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the annotation file; `microaneurysm` is present where a mark stands, else absent.

    A region is the square round a mark's circle.
    """
    files = list_images(root, ("**/annotations-consensus-ma-only.xml",))
    if not files:
        raise UsageError(f"{root}: no annotations-consensus-ma-only.xml, at any depth.")
    images = Images(root, ("**/*_training.jpg",))
    try:
        pages = list(read_xml(root / files[0]))
    except SampleError as error:
        raise UsageError(f"{root / files[0]}: {error.detail}. Download it again.") from error
    for number, page in enumerate(pages, start=1):
        origin = f"annotations-consensus-ma-only.xml:{number}"
        name = page.get("imagename", "")
        try:
            regions = tuple(map(_box, page.iter("mark")))
            state = State.PRESENT if regions else State.ABSENT
            yield RawRecord(images.take(name, name), origin, labels={_WORD: state}, regions=regions)
        except SampleError as error:
            yield quarantined(origin, error)
    for path in list_images(root, ("**/*_test.jpg",)):
        yield Rejected(path, "", "excluded", "no_label", "the marks of the test set are not public")
    yield from images.unlisted()


def _box(mark: ElementTree.Element) -> RawRegion:
    try:
        x, y, radius = float(mark.get("x", "")), float(mark.get("y", "")), float(mark.findtext("radius", ""))
    except ValueError as error:
        raise SampleError("bad_row", "a mark whose numbers cannot be read") from error
    return RawRegion(_WORD, (max(x - radius, 0.0), max(y - radius, 0.0), x + radius, y + radius))
