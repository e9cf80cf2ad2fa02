"""JICHI: 9,939 photographs of a Japanese hospital, graded on the Davis scale."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import graded, stem
from mgll_data.sources.tables import Row, first_file, records

CARD = SourceCard(
    name="jichi",
    modality="fundus",
    title="Jichi Medical University fundus photographs, Davis grading",
    release="2017",
    images=9_939,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://doi.org/10.6084/m9.figshare.4879853.v1",
    cite="""@article{takahashi2017davis,
  title   = {Applying Artificial Intelligence to Disease Staging: Deep Learning for Improved Staging of Diabetic
             Retinopathy},
  author  = {Takahashi, Hidenori and Tampo, Hironobu and Arai, Yusuke and Inoue, Yuji and Kawashima, Hidetoshi},
  journal = {PLOS ONE},
  volume  = {12},
  number  = {6},
  pages   = {e0179790},
  year    = {2017},
  doi     = {10.1371/journal.pone.0179790}
}""",
    label_origin="One grader, modified Davis grading: NDR, SDR, PPDR, PDR.",
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download from figshare and unpack. The Davis scale (simple, pre-proliferative, proliferative) is not the
ICDR scale: its middle stages have concepts of their own. The grade of four joined pictures belongs to no single one
and is not read. The first number of a name is the patient, who may come several times.

jichi/
  list.csv      Image,Davis_grading_of_concatenated_figures,Davis_grading_of_one_figure
  dmr/1_1_R.jpg""",
    needs=("list.csv*", "dmr/*.jpg"),
)

_GRADE = "Davis_grading_of_one_figure"


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `list.csv`; the word is `Davis_grading_of_one_figure=<grade>`."""
    images = Images(root, ("dmr/*.jpg",))

    def record(origin: str, row: Row) -> RawRecord:
        name = row["Image"]
        image = images.take(name, f"dmr/{name}")
        parts = stem(name).split("_")
        side = {"l": "left", "r": "right"}.get(parts[-1])
        return RawRecord(image, origin, patient=parts[0], laterality=side, labels=graded(row, _GRADE))

    yield from records(first_file(root, "list.csv"), ("Image", _GRADE), record)
    yield from images.unlisted()
