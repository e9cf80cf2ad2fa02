"""CSDI: 187 photographs through cataracts, scored for their severity."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import numbers
from mgll_data.sources.tables import Row, first_file, records

CARD = SourceCard(
    name="csdi",
    modality="fundus",
    title="CSDI: A Fine-Grained Fundus Image Dataset of Cataract Severity and Diagnostic Images",
    release="1",
    images=187,
    licence="CC-BY-NC-4.0",
    open_licence=False,
    access="open",
    redistributable=True,
    url="https://huggingface.co/datasets/RainyNight/CSDI",
    cite="""@article{xie2026csdi,
  title   = {A Fine-Grained Fundus Image Dataset for Cataract Severity Assessment and Diagnosis},
  author  = {Xie, Zixun and Ao, Mingxin and Tang, Haiming and others},
  journal = {Scientific Data},
  year    = {2026},
  doi     = {10.1038/s41597-026-06684-8}
}""",
    label_origin="Ophthalmologists' score of cataract severity, 0 to 10, from the photograph.",
    scope=("fundus.cat",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""huggingface-cli download --repo-type dataset RainyNight/CSDI --local-dir csdi
(CC BY-NC 4.0: no commercial use). The written diagnoses in the table are not read.

csdi/
  CSDI_annotations.csv
  original_images/cataract_001.png, cataract_002.jpg ...""",
    needs=("CSDI_annotations.csv*", "original_images/*"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the table: the word `score>0` or `score=0`; the score is an attribute."""
    images = Images(root, ("original_images/*.png", "original_images/*.jpg", "original_images/*.jpeg"))

    def record(origin: str, row: Row) -> RawRecord:
        image = images.take(row["id"], f"original_images/{row['id']}")
        score = numbers(cataract_score=row["score"])
        if not score:
            raise ExcludedError("no_label", "no score")
        word = "score>0" if float(score["cataract_score"]) > 0 else "score=0"
        return RawRecord(image, origin, labels={word: State.PRESENT}, attrs=score)

    yield from records(first_file(root, "CSDI_annotations.csv"), ("id", "score"), record)
    yield from images.unlisted()
