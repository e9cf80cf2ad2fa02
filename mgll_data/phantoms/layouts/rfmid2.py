"""RFMiD 2.0: Latin-1 with a hard space in one header and a misspelled one; numbers restart in every set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.writing import place

CASES: dict[str, dict[str, float]] = {
    "WNL": {},
    "DR": {"microaneurysms": 0.8, "blot_hemorrhages": 0.2},
    "ARMD": {"drusen": 0.8, "geographic_atrophy": 0.6},
    "MH": {"media_haze": 0.8},
    "MHL": {"macular_hole": 0.8},
    "BRVO": {"branch_vein_occlusion": 0.8},
    "CNV": {"choroidal_neovascularization": 0.8},
    "TSLN": {"tessellation": 0.8},
}
OTHERS = ("ON\u00a0", "OPDM", "CSC", "MCA", "IIH", "HTN", "ME", "RD", "RHL", "RTR", "SOFE", "GRT")
SETS = {
    "Training_set": "RFMiD_2_Training_labels.csv",
    "Validation_set": "RFMiD_2_Validation_labels.csv",
    "Test_set": "RFMiD_2_Testing_labels.csv",
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures over the three sets; the columns that nothing is drawn for are 0."""
    rows: dict[str, list[list[int]]] = {folder: [] for folder in SETS}
    tally = Tally()
    for drawn in photographs("rfmid2", count, seed, CASES):
        folder = list(SETS)[(0, 0, 1, 2)[drawn.number % 4]]
        number = len(rows[folder]) + 1
        rows[folder].append([number, *(int(case == drawn.case) for case in CASES), *[0] * len(OTHERS)])
        tally.placed(drawn, out / folder / f"{number}.jpg")
    for folder, lines in rows.items():
        text = "\r\n".join([",".join(("ID", *CASES, *OTHERS)), *(",".join(map(str, line)) for line in lines)])
        place(out / folder / SETS[folder], f"{text}\r\n".encode("latin-1"), None)
    return tally.expected()
