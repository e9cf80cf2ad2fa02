"""SUSTech-SYSU: 1,219 photographs graded on three scales, with boxes of exudates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError, SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import stem, voc_boxes
from mgll_data.sources.tables import Row, columns, records

CARD = SourceCard(
    name="sustech_sysu",
    modality="fundus",
    title="SUSTech-SYSU dataset of exudates and diabetic retinopathy grades",
    release="2020",
    images=1_219,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://doi.org/10.6084/m9.figshare.12570770.v1",
    cite="""@misc{sustech_sysu,
  title = {SUSTech-SYSU dataset of exudates and diabetic retinopathy grades},
  year  = {2020},
  url   = {https://doi.org/10.6084/m9.figshare.12570770.v1}
}""",
    label_origin="Three ophthalmologists; grades on three scales, boxes of hard (ex) and soft (se) exudates.",
    scope=("fundus.dr",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download from figshare and unpack. Names of the table and of its columns differ between releases:
drLables.csv, drLabels.csv or Labels.csv, and brackets or underscores round the scale. Grade 5 means an eye treated by
laser. The international scale is mapped; the other two disagree with it in places and are kept as words without a
concept.

sustech_sysu/
  drLables.csv
  originalImages/*.jpg              or images/originalImages
  exudatesLabels/<picture>.xml      boxes named ex and se""",
    needs=("**/*.csv*", "**/originalImages/*.jpg"),
)

_TABLES = ("drLables.csv", "drLabels.csv", "Labels.csv")
_SCALES = ("International", "American", "Scottish")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the table. Words are `<scale>=<grade>` with the scale as International, American or
    Scottish, and `ex` and `se` for the boxes. A picture without boxes is not said to be free of exudates.
    """
    images = Images(root, ("**/originalImages/*.jpg",), stem)
    boxes = {stem(path): path for path in list_images(root, ("**/exudatesLabels/*.xml",))}
    table = _table(root)
    scales = {scale: column for scale in _SCALES for column in columns(table) if f"DR_grade({scale}" in _plain(column)}
    if not scales:
        raise UsageError(f"{table}: no column of DR grades; the columns are {', '.join(columns(table))}.")

    def record(origin: str, row: Row) -> Iterator[RawRecord | Rejected]:
        name = row["Fundus_images"]
        image = images.take(stem(name), f"originalImages/{name}")
        eye = {"0": "left", "1": "right"}.get(next((row[c] for c in row if c.startswith("left_versus_right_eye")), ""))
        labels = {
            f"{scale}={row[column].removesuffix('.0')}": State.PRESENT
            for scale, column in scales.items()
            if row[column]
        }
        regions: tuple[RawRegion, ...] = ()
        if path := boxes.get(stem(name)):
            try:
                regions = voc_boxes(root / path)
            except SampleError as error:
                yield Rejected(path, origin, "quarantined", error.reason, f"{error.detail}; the picture stands without")
        labels |= {region.label: State.PRESENT for region in regions}
        if not labels:
            raise ExcludedError("no_label", "no grade and no box")
        yield RawRecord(image, origin, laterality=eye, labels=labels, regions=regions)

    yield from records(table, ("Fundus_images",), record)
    yield from images.unlisted()


def _plain(column: str) -> str:
    return re.sub("grade[_(]", "grade(", column)


def _table(root: Path) -> Path:
    found = [path for name in _TABLES for path in sorted(root.rglob(name)) if path.is_file()]
    if not found:
        raise UsageError(f"{root}: no label table {' or '.join(_TABLES)}, at any depth.")
    return found[0]
