"""The 14 CheXpert observations of drawn films, coded as the labeler codes them: what it met no mention of is blank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mgll_data.phantoms.chest_film import Finding
from mgll_data.sources.chexpert import OBSERVATIONS

# Parents are not filled in: the labeler reads each mention by itself.
CASES: Mapping[str, Sequence[Finding]] = {
    "No Finding": (),
    "Cardiomegaly": (Finding("cardiomegaly", 3, "both"),),
    "Edema": (Finding("edema", 2, "both"),),
    "Pleural Effusion": (Finding("effusion", 3, "right"),),
    "Pneumothorax": (Finding("pneumothorax", 3, "left"),),
    "Atelectasis": (Finding("atelectasis", 2, "left"),),
    "Consolidation": (Finding("consolidation", 2, "right"),),
    "Lung Lesion": (Finding("nodule", 3, "right"),),
    "Pleural Other": (Finding("pleural_thickening", 3, "left"),),
    "Fracture": (Finding("rib_fracture", 3, "left"),),
    "Support Devices": (Finding("pacemaker", 2, "left"),),
}


def states(case: str, number: int) -> dict[str, float]:
    """1, 0 or -1 of the columns that the report of film `number` mentions; the others are blank."""
    cells = {case: 1.0}
    if case != "No Finding" and number % 3 == 0:
        cells.setdefault("Pneumonia", -1.0)
    if number % 2 == 0:
        cells.setdefault("Pneumothorax", 0.0)
    if case == "Edema" and number % 4 == 2:
        cells["Lung Opacity"] = 0.0  # contradicts its child, as 1,040 rows of CheXpert do
    return cells


def cells(case: str, number: int, columns: Sequence[str] = OBSERVATIONS) -> list[str]:
    """The 14 cells of a row, in the order of `columns`."""
    given = states(case, number)
    return [str(given[column]) if column in given else "" for column in columns]
