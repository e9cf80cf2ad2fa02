"""CheXlocalize: the validation and test films of CheXpert with radiologists' labels and outlines of ten findings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mgll_data.errors import ExcludedError, SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected, SourceCard
from mgll_data.sources.chexpert import OBSERVATIONS, film_key, frontal_or_lateral, observations
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import read_json
from mgll_data.sources.tables import Row, age_in_years, quarantined, records, sex

CARD = SourceCard(
    name="chexlocalize",
    modality="cxr",
    title="CheXlocalize",
    release="1.0",
    images=902,
    licence="LicenseRef-Stanford-CheXlocalize",
    open_licence=False,
    access="agreement",
    redistributable=False,
    url="https://stanfordaimi.azurewebsites.net/datasets/23c56a0d-15de-405b-87c8-99c30138950c",
    cite="""@article{saporta2022benchmarking,
  title   = {Benchmarking saliency methods for chest {X}-ray interpretation},
  author  = {Saporta, Adriel and Gui, Xiaotong and Agrawal, Ashwin and others},
  journal = {Nature Machine Intelligence},
  year    = {2022},
  doi     = {10.1038/s42256-022-00536-x}
}""",
    label_origin="Majority of board-certified radiologists on each film; radiologists outlined what is there.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Register with Stanford AIMI, sign the research use agreement (no commercial use, no redistribution, no
derivatives) and download the data set. Its tables say valid/ where its folder is called val/; both names are found.

chexlocalize/
  CheXpert/val_labels.csv                        or valid.csv
  CheXpert/test_labels.csv                       without sex, age and view
  CheXpert/val/patient64541/study1/view1_frontal.jpg
  CheXpert/test/patient64741/study1/view1_frontal.jpg
  CheXlocalize/gt_segmentations_val.json         optional, as is the one of test: COCO run lengths of each finding
  CheXlocalize/gt_segmentations_test.json""",
    needs=("CheXpert/*.csv*", "**/*.jpg"),
    derives=("chexpert",),
    patients_of="chexpert",
)

_SETS = (("val", "valid", ("val_labels.csv", "valid.csv")), ("test", "test", ("test_labels.csv", "test.csv")))
_COLUMN = {"Airspace Opacity": "Lung Opacity"}  # the masks' name of a column
_MOST_PIXELS = 1 << 26


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of the validation set, then of the test set; one region for each part of an outline that hangs together.

    A finding that is outlined and 0 in the table keeps the state of the table and is listed as a conflict; one that
    has no table is present where it is outlined. A blank outline says nothing. A mask that cannot be read is counted.
    """
    images = Images(root, ("**/*.jpg",), film_key)
    seen = False
    for part, folder, names in _SETS:
        outlines = _outlines(root / "CheXlocalize" / f"gt_segmentations_{part}.json", folder)
        table = next((path for name in names if (path := root / "CheXpert" / name).is_file()), None)
        problems: list[Rejected] = []

        def record(
            origin: str,
            row: Row,
            part: str = part,
            outlines: dict[str, dict[str, Any]] = outlines,
            problems: list[Rejected] = problems,
        ) -> RawRecord:
            key = film_key(row["Path"])
            image = images.take(key, f"CheXpert/{part}/{key.partition('/')[2]}.jpg")
            if key.count("/") != 3:
                raise SampleError("bad_row", "its Path is not <set>/<patient>/<study>/<view>")
            regions = _regions(origin, outlines.pop(key, {}), problems)
            return _record(origin, key, row, image, part, regions)

        if table:
            seen = True
            for item in records(table, ("Path", *OBSERVATIONS), record):
                yield item
                yield from problems
                problems.clear()
        for key, masks in outlines.items():
            origin = f"gt_segmentations_{part}.json:{key.rpartition('/')[2]}"
            try:
                image = images.take(key, f"CheXpert/{part}/{key.partition('/')[2]}.jpg")
                yield _record(origin, key, {}, image, part, _regions(origin, masks, problems))
            except SampleError as error:
                yield quarantined(origin, error)
            yield from problems
            problems.clear()
            seen = True
    if not seen:
        raise UsageError(f"{root}: neither CheXpert/val_labels.csv nor CheXpert/test_labels.csv. Put them there.")
    yield from images.unlisted()


def _record(origin: str, key: str, row: Row, image: str, part: str, regions: tuple[RawRegion, ...]) -> RawRecord:
    states = observations(row) if row else {}
    conflicts = []
    for word in dict.fromkeys(region.label for region in regions):
        stated = states.get(_COLUMN.get(word, word))
        if stated is None:
            states[word] = State.PRESENT
        elif stated is State.ABSENT:
            conflicts.append(f"{word} is outlined and 0 in the table")
    if not states:
        raise ExcludedError("no_label", "no label and no outline")
    _, patient, study, _ = key.split("/")
    return RawRecord(
        image=image,
        origin=origin,
        patient=patient,
        study=study,
        view=frontal_or_lateral(key, row.get("AP/PA", "")),
        labels=states,
        regions=regions,
        age=age_in_years(row.get("Age", "")) or None,
        sex=sex(row.get("Sex", "")),
        official_split=part,
        same_as=(("chexpert", f"{key}.jpg"),),
        conflicts=tuple(conflicts),
    )


def _outlines(path: Path, folder: str) -> dict[str, dict[str, Any]]:
    """Film key -> finding -> mask, of a file whose keys are `patient64541_study1_view1_frontal`."""
    if not path.is_file():
        return {}
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(masks, dict) for masks in content.values()):
        raise UsageError(f"{path}: not an object of films with their masks. Download the file again.")
    return {f"{folder}/{name.replace('_', '/', 2)}": masks for name, masks in content.items()}


def _regions(origin: str, masks: dict[str, Any], problems: list[Rejected]) -> tuple[RawRegion, ...]:
    regions: list[RawRegion] = []
    for word, mask in masks.items():
        try:
            regions += [RawRegion(word, box) for box in rle_boxes(mask)]
        except SampleError as error:
            problems.append(quarantined(origin, SampleError(error.reason, f"mask of {word!r}: {error.detail}")))
    return tuple(regions)


def rle_boxes(mask: Any) -> list[tuple[float, float, float, float]]:
    """Boxes x0, y0, x1, y1 in pixels around the 8-connected parts of a COCO run-length mask, the largest first.

    mask: `size` [height, width] and `counts`, the lengths of runs of 0 and 1 in turn, column by column, as a list or
    packed into a string (cocoapi, common/maskApi.c, rleFrString). Raises SampleError `bad_row` for anything else.
    """
    import cv2
    import numpy as np

    try:
        height, width = (int(side) for side in mask["size"])
        counts = mask["counts"]
        runs = np.array(_unpacked(counts) if isinstance(counts, str) else counts, np.int64)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise SampleError("bad_row", "not a COCO run-length mask") from error
    if not 0 < height * width <= _MOST_PIXELS or (runs < 0).any() or runs.sum() != height * width:
        raise SampleError("bad_row", "run lengths that do not fill the mask")
    if len(runs) < 2:
        return []
    pixels = np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8).reshape((height, width), order="F")
    _, _, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(pixels), connectivity=8)
    parts = sorted(stats[1:].tolist(), key=lambda part: -part[cv2.CC_STAT_AREA])
    return [(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h, _ in parts]


def _unpacked(text: str) -> list[int]:
    """Run lengths of a packed string: five bits a character, lowest first, from the third on as a difference."""
    runs: list[int] = []
    at = 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            bits = ord(text[at]) - 48
            value |= (bits & 31) << shift
            at, shift, more = at + 1, shift + 5, bool(bits & 32)
            if not more and bits & 16:
                value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs
