"""Lesion masks: whether any pixel is set, and boxes around the parts that hang together.

A mask file is no finding: some sources publish blank ones. A mask that cannot be read says nothing either: its word is
not stated, the record is kept, and the file is counted as quarantined under its own path.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mgll_data.errors import SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected

if TYPE_CHECKING:
    from numpy.typing import NDArray

Box = tuple[float, float, float, float]
MOST_BOXES = 64


@dataclass(frozen=True, slots=True)
class Mask:
    """What a mask file shows. width, height: of the file, in pixels. parts: number of 8-connected parts of set pixels.

    boxes: x0, y0, x1, y1 in pixels of the mask, x1 and y1 exclusive, of the largest parts, at most as many as asked.
    """

    width: int
    height: int
    parts: int
    boxes: tuple[Box, ...]


@dataclass
class Findings:
    """What the masks of one picture say. `attrs` counts the boxes that were left out, if any."""

    labels: dict[str, State] = field(default_factory=dict)
    regions: tuple[RawRegion, ...] = ()
    attrs: dict[str, float] = field(default_factory=dict)
    problems: list[Rejected] = field(default_factory=list)


def read_mask(path: Path, *, low: int = 1, high: int | None = None, most: int = MOST_BOXES) -> Mask:
    """The mask in a file. A pixel is set where its brightest channel lies in [low, high]; transparency is ignored.

    low: 1 for files without loss; JPEG leaves noise around zero, so a JPEG mask wants about 128. high: for masks whose
    dark values are the finding (None: no limit). A part of a single pixel gives a box of one pixel.
    Raises SampleError: `missing_image`, `zero_bytes`, `truncated` or `undecodable`.
    """
    import cv2

    pixels = _pixels(path)
    if pixels.ndim == 3:
        pixels = pixels[:, :, :3].max(axis=2)
    marked = pixels >= low if high is None else (pixels >= low) & (pixels <= high)
    height, width = marked.shape
    parts, _, stats, _ = cv2.connectedComponentsWithStats(marked.astype("uint8"), connectivity=8)
    largest = sorted(stats[1:].tolist(), key=lambda part: -part[cv2.CC_STAT_AREA])[:most]
    boxes = tuple((float(x), float(y), float(x + w), float(y + h)) for x, y, w, h, _ in largest)
    return Mask(width, height, parts - 1, boxes)


def findings(
    root: Path,
    image: str,
    masks: Iterable[tuple[str, str]],
    *,
    blank: State | None = None,
    low: int = 1,
    high: int | None = None,
    most: int = MOST_BOXES,
) -> Findings:
    """Words and boxes of a picture from its masks: (raw word, mask file below `root`), several files a word allowed.

    A word with a set pixel in any of its masks is present. One whose masks are all blank gets the state `blank`: None
    where the source does not say that it looked for this lesion in every picture. Boxes are in pixels of the picture:
    those of a mask of another size are scaled where its shape is that of the picture (within 1 %), else left out.
    Boxes beyond the `most` largest of a mask are left out too; `attrs["boxes_left_out"]` is their number.
    """
    found = Findings()
    regions: list[RawRegion] = []
    broken: set[str] = set()
    left_out = 0
    size: tuple[int, int] | None = None
    for word, path in masks:
        try:
            mask = read_mask(root / path, low=low, high=high, most=most)
        except SampleError as error:
            detail = f"lesion mask of {word!r}; the picture stands without this word. {error.detail}".strip()
            found.problems.append(Rejected(path, "", "quarantined", error.reason, detail))
            broken.add(word)
            continue
        if mask.parts:
            size = size or _size(root / image)
            boxes = _scaled(mask, size)
            regions += [RawRegion(word, box) for box in boxes]
            left_out += mask.parts - len(boxes)
            found.labels[word] = State.PRESENT
        elif blank is not None:
            found.labels.setdefault(word, blank)
    found.labels = {w: s for w, s in found.labels.items() if s is State.PRESENT or w not in broken}
    found.regions = tuple(regions)
    found.attrs = {"boxes_left_out": float(left_out)} if left_out else {}
    return found


def _pixels(path: Path) -> NDArray[Any]:
    """Pixels as stored, H x W or H x W x channels. OpenCV fills what is missing from a cut file, so that is checked."""
    import cv2
    import numpy as np

    from mgll_data.images.headers import png_is_whole, read_header, sniff

    try:
        data = path.read_bytes()
    except OSError as error:
        raise SampleError("missing_image", "the mask cannot be read") from error
    if not data:
        raise SampleError("zero_bytes")
    kind = sniff(data)
    if kind in (None, "dicom", "headerless_dicom"):
        raise SampleError("undecodable", "not a mask file that we read")
    assert kind is not None
    header = read_header(data, kind)
    if not header.complete or (kind == "png" and not png_is_whole(data)):
        raise SampleError("truncated", "the mask file ends before its picture does")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        raise SampleError("undecodable", f"the {kind} data cannot be decoded")
    return np.asarray(pixels)


def _size(path: Path) -> tuple[int, int] | None:
    """Width and height of a picture as stored; None where it cannot be told: the build will say why."""
    from mgll_data.images.headers import read_header, sniff

    try:
        data = path.read_bytes()
        kind = sniff(data)
        header = read_header(data, kind) if kind and "dicom" not in kind else None
    except (OSError, SampleError):
        return None
    return (header.width, header.height) if header else None


def _scaled(mask: Mask, size: tuple[int, int] | None) -> tuple[Box, ...]:
    width, height = size or (mask.width, mask.height)
    x, y = width / mask.width, height / mask.height
    if abs(x / y - 1) > 0.01:
        return ()
    return tuple((x0 * x, y0 * y, x1 * x, y1 * y) for x0, y0, x1, y1 in mask.boxes)


def described(
    root: Path,
    record: RawRecord,
    masks: Iterable[tuple[str, str]],
    *,
    blank: State | None = None,
    low: int = 1,
    high: int | None = None,
) -> Iterator[RawRecord | Rejected]:
    """The record with what its masks add (`findings`), then the masks that could not be read.

    A record that has no word even so is excluded as `no_label`; one whose only word was on a broken mask too.
    """
    found = findings(root, record.image, masks, blank=blank, low=low, high=high)
    labels = {**found.labels, **record.labels}
    if labels:
        regions, attrs = (*record.regions, *found.regions), {**record.attrs, **found.attrs}
        yield replace(record, labels=labels, regions=regions, attrs=attrs)
    else:
        yield Rejected(record.image, record.origin, "excluded", "no_label", "no mask shows a lesion")
    yield from found.problems
