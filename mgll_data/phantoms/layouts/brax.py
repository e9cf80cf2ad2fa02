"""BRAX: PNGs in folders of patient, study and series, one table with file paths, ages in steps and 14 observations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mgll_data.phantoms.chexpert_labels import CASES, cells
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import encode, place, stream, table
from mgll_data.sources.chexpert import OBSERVATIONS

HEADER = ",".join(
    (
        "DicomPath,PngPath,PatientID,PatientSex,PatientAge,AccessionNumber,StudyDate",
        *OBSERVATIONS,
        "ViewPosition,Rows,Columns,Manufacturer",
    )
)
_VIEWS = {"pa": "PA", "ap": "AP", "lateral": "L"}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Writes `count` films, a quarter of them without a view, and one strip that is no film."""
    tally = Tally()
    rows: list[list[object]] = []
    for film in films("brax", count, seed, CASES, views=("pa", "lateral", "ap")):
        view = "" if film.number % 4 == 3 else _VIEWS[film.view]
        rows.append(_row(film.number, cells(film.case, film.unit.shows), view, film.image.shape))
        tally.placed(film, out / str(rows[-1][1]))
    strip = stream("brax/strip", seed, 0).integers(0, 255, (24, 480)).astype(np.uint8)
    rows.append(_row(count, cells("No Finding", 1), "", strip.shape))
    place(out / str(rows[-1][1]), encode(strip, "png"), None)
    table(out / "master_spreadsheet_update.csv", HEADER, rows)
    return tally.expected(not_chest=1)


def _row(number: int, observed: list[str], view: str, shape: tuple[int, ...]) -> list[object]:
    patient, study = f"id_{number // 3:08x}", f"Study_{number // 2:08d}.{number:05d}"
    inner = f"{patient}/{study}/Series_{number:08d}.1/image-{number:08d}.2"
    age = "85 or more" if number % 7 == 6 else 20 + number % 12 * 5
    facts = [patient, "MF"[number % 2], age, f"{number // 2:08d}", 20_100_101]
    return [f"Anonymized_DICOMs/{inner}.dcm", f"images/{inner}.png", *facts, *observed, view, *shape, "PhantomWorks"]
