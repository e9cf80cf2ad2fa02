"""Object-CXR: 10,000 frontal films from township hospitals, half of them with foreign objects, each one outlined."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from mgll_data.errors import SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.tables import Row, records

CARD = SourceCard(
    name="object_cxr",
    modality="cxr",
    title="Object-CXR",
    release="MIDL-2020",
    images=10_000,
    licence="LicenseRef-Object-CXR-NC",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://academictorrents.com/details/fdc91f11d7010f7259a05403fc9d00079a09f5d5",
    cite="""@misc{objectcxr2020,
  title = {Object-CXR: Automatic detection of foreign objects on chest {X}-rays},
  author = {{JF Healthcare}},
  year  = {2020},
  url   = {https://academictorrents.com/details/fdc91f11d7010f7259a05403fc9d00079a09f5d5}
}""",
    label_origin="Twelve radiologists outlined the foreign objects within the lung field of each film.",
    scope=("cxr.foreign_body",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Fetch train.zip, dev.zip, train.csv and dev.csv (the first download page is gone; the torrent and
archive.org have copies) and unpack the archives. For scientific research and non-commercial use. The test set has no
public labels; its films, if they are there, are counted as unlisted.

object_cxr/
  train.csv              image_name,annotation; a blank annotation says that there is no object
  dev.csv
  train/00001.jpg        8,000 films
  dev/08001.jpg          1,000 films""",
    needs=("train.csv*", "**/*.jpg"),
)

_WORD = "foreign object"
_RECTANGLE, _ELLIPSE, _POLYGON = "0", "1", "2"


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the training set, then of the dev set. An ellipse or a polygon becomes the box around it."""
    images = Images(root, ("**/*.jpg",), _key)
    found = False
    for split, folder in (("train", "train"), ("val", "dev")):
        table = next((path for end in ("", ".gz") if (path := root / f"{folder}.csv{end}").is_file()), None)
        if not table:
            continue
        found = True

        def record(origin: str, row: Row, split: str = split, folder: str = folder) -> RawRecord:
            name = row.get("image_name") or row.get("image_path", "")
            image = images.take(_key(f"{folder}/{name}"), f"{folder}/{name}")
            objects = [part for part in row["annotation"].split(";") if part.strip()]
            state = State.PRESENT if objects else State.ABSENT
            regions = tuple(RawRegion(_WORD, _box(part)) for part in objects)
            return RawRecord(image, origin, labels={_WORD: state}, regions=regions, official_split=split)

        yield from records(table, ("annotation",), record)
    if not found:
        raise UsageError(f"{root}: neither train.csv nor dev.csv. Put them there.")
    yield from images.unlisted()


def _key(path: str) -> str:
    return "/".join(path.split("/")[-2:]).lower()


@lru_cache(maxsize=1024)
def _box(text: str) -> tuple[float, float, float, float]:
    """Box around `<shape> x1 y1 x2 y2 ...` in pixels. Raises SampleError `bad_row` for anything else."""
    shape, *rest = text.split()
    try:
        numbers = [float(value) for value in rest]
    except ValueError as error:
        raise SampleError("bad_row", "an outline whose numbers cannot be read") from error
    corners = len(numbers) == 4 if shape in (_RECTANGLE, _ELLIPSE) else shape == _POLYGON and len(numbers) >= 6
    if not corners or len(numbers) % 2 or not all(map(math.isfinite, numbers)):
        raise SampleError("bad_row", "an outline that is no rectangle, ellipse or polygon")
    x0, y0, x1, y1 = min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    if not (x0 < x1 and y0 < y1):
        raise SampleError("bad_row", "an outline without an area")
    return x0, y0, x1, y1
