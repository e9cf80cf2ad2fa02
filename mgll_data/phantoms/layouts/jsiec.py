"""JSIEC: a folder for each class, names with two dots before the suffix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import DISEASES, ICDR, UNGRADABLE

CASES: dict[str, dict[str, float]] = {
    "0.0.Normal": {},
    "0.1.Tessellated fundus": {"tessellation": 0.8},
    "0.2.Large optic cup": {"disc_cupping": 0.6},
    "0.3.DR1": ICDR["1"],
    "1.0.DR2": ICDR["2"],
    "1.1.DR3": ICDR["3"],
    "2.0.BRVO": DISEASES["vein"],
    "2.1.CRVO": {"central_vein_occlusion": 0.8},
    "3.RAO": {"branch_artery_occlusion": 0.8},
    "5.0.CSCR": DISEASES["central_serous"],
    "7.ERM": DISEASES["membrane"],
    "8.MH": {"macular_hole": 0.8},
    "9.Pathological myopia": {"tessellation": 0.8, "patchy_atrophy": 0.7},
    "10.0.Possible glaucoma": DISEASES["glaucoma"],
    "10.1.Optic atrophy": {"disc_pallor": 0.8},
    "12.Disc swelling and elevation": {"disc_edema": 0.8},
    "15.0.Retinitis pigmentosa": {"retinitis_pigmentosa": 0.8},
    "17.Myelinated nerve fiber": {"myelinated_fibers": 0.8},
    "20.Massive hard exudates": {"macular_exudates": 0.9},
    "22.Cotton-wool spots": {"cotton_wool_spots": 0.8},
    "23.Vessel tortuosity": {"tortuous_vessels": 0.8},
    "25.Preretinal hemorrhage": {"preretinal_hemorrhage": 0.8},
    "27.Laser Spots": {"laser_scars": 0.8},
    "29.0.Blur fundus without PDR": UNGRADABLE,
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures into the folders of the classes that can be drawn."""
    tally = Tally()
    for drawn in photographs("jsiec", count, seed, CASES):
        tally.seen(drawn, out / "1000images" / drawn.case / f"{drawn.number:08x}-8d87-11e8..JPG")
    return tally.expected()
