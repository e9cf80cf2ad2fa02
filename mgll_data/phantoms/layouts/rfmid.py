"""RFMiD 1.0 as on IEEE DataPort: PNGs numbered from 1 in each of three sets, and a table of 45 codes for each set."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from mgll_data.phantoms.fundus import draw_fundus, retinopathy
from mgll_data.phantoms.writing import encode, expected, place, stream, units

SETS = {
    "train": ("1. Original Images/a. Training Set", "2. Groundtruths/a. RFMiD_Training_Labels.csv"),
    "val": ("1. Original Images/b. Validation Set", "2. Groundtruths/b. RFMiD_Validation_Labels.csv"),
    "test": ("1. Original Images/c. Testing Set", "2. Groundtruths/c. RFMiD_Testing_Labels.csv"),
}
CODES = (
    *("DR", "ARMD", "MH", "DN", "MYA", "BRVO", "TSLN", "ERM", "LS", "MS", "CSR", "ODC", "CRVO", "TV", "AH"),
    *("ODP", "ODE", "ST", "AION", "PT", "RT", "RS", "CRS", "EDN", "RPEC", "MHL", "RP", "CWS", "CB", "ODPM"),
    *("PRH", "MNF", "HR", "CRAO", "TD", "CME", "PTCR", "CF", "VH", "MCA", "VS", "BRAO", "PLQ", "HPED", "CL"),
)
NOT_DRAWN = ("ODPM", "HR", "MCA", "PLQ", "CL")  # columns that stay 0

# At most one code of each region, so that findings share an eye without hiding one another. DR and ARMD are composed.
REGIONS = (
    ("ODC", "ODP", "ODE", "AION", "TD", "ST", "MNF"),
    ("DR", "DR", "DR", "BRVO", "CRVO", "CRAO", "BRAO", "TV", "VS"),
    ("ARMD", "ARMD", "DN", "MHL", "CSR", "ERM", "CME", "MS", "PT", "RPEC", "HPED"),
    ("TSLN", "MYA", "LS", "CRS", "RS", "RP", "CB", "CF", "PTCR", "RT"),
    ("MH", "AH", "VH", "PRH", "CWS", "EDN"),
)
DRAWN: dict[str, tuple[str, ...]] = {
    "MH": ("media_haze",),
    "DN": ("drusen",),
    "MYA": ("myopic_crescent", "patchy_atrophy"),
    "BRVO": ("branch_vein_occlusion",),
    "TSLN": ("tessellation",),
    "ERM": ("epiretinal_membrane",),
    "LS": ("laser_scars",),
    "MS": ("macular_scar",),
    "CSR": ("central_serous",),
    "ODC": ("disc_cupping",),
    "CRVO": ("central_vein_occlusion", "swollen_veins"),
    "TV": ("tortuous_vessels", "swollen_veins"),
    "AH": ("asteroid_hyalosis",),
    "ODP": ("disc_pallor",),
    "ODE": ("disc_edema",),
    "ST": ("optociliary_shunt",),
    "AION": ("ischemic_neuropathy",),
    "PT": ("parafoveal_telangiectasia",),
    "RT": ("retinal_traction",),
    "RS": ("retinitis",),
    "CRS": ("chorioretinitis",),
    "EDN": ("macular_exudates", "far_exudates"),
    "RPEC": ("pigment_changes",),
    "MHL": ("macular_hole",),
    "RP": ("retinitis_pigmentosa", "arterial_narrowing"),
    "CWS": ("cotton_wool_spots",),
    "CB": ("coloboma",),
    "PRH": ("preretinal_hemorrhage",),
    "MNF": ("myelinated_fibers",),
    "CRAO": ("central_artery_occlusion", "arterial_narrowing"),
    "TD": ("tilted_disc", "myopic_crescent"),
    "CME": ("cystoid_edema",),
    "PTCR": ("choroidal_rupture",),
    "CF": ("choroidal_folds",),
    "VH": ("vitreous_hemorrhage",),
    "VS": ("vein_sheathing",),
    "BRAO": ("branch_artery_occlusion",),
    "HPED": ("hemorrhagic_pigment_detachment",),
}
# A finding drawn as part of another disease is marked in its own column too: the table tells what the picture shows.
ALSO = {
    "cotton_wool_spots": "CWS",
    "macular_exudates": "EDN",
    "far_exudates": "EDN",
    "preretinal_hemorrhage": "PRH",
    "vitreous_hemorrhage": "VH",
    "drusen": "DN",
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` rows, three fifths training, one fifth validation, one fifth testing; ids restart in each set."""
    tables: dict[str, list[list[int]]] = {name: [] for name in SETS}
    damages: Counter[str] = Counter()
    copies = 0
    data, codes = b"", set[str]()
    for unit in units(count):
        split = {3: "val", 4: "test"}.get(unit.shows % 5, "train")
        if unit.is_copy:
            copies += 1
        else:
            data, codes = _photograph(seed, unit.number)
        number = len(tables[split]) + 1
        tables[split].append([number, int(bool(codes)), *(int(code in codes) for code in CODES)])
        place(out / SETS[split][0] / f"{number}.png", data, unit.damage)
        damages.update([unit.damage] if unit.damage else [])
    for split, rows in tables.items():
        path = out / SETS[split][1]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([["ID", "Disease_Risk", *CODES], *rows])
    return expected(count, damages, copies)


def _photograph(seed: int, number: int) -> tuple[bytes, set[str]]:
    rng = stream("rfmid", seed, number)
    findings, codes = compose(rng)
    laterality: Any = str(rng.choice(["left", "right"]))
    return encode(draw_fundus(rng, findings, laterality=laterality), "png"), codes


def compose(rng: np.random.Generator) -> tuple[dict[str, float], set[str]]:
    """Random findings with their severities, and the codes that are true of them (both empty for a quarter of eyes)."""
    if rng.random() < 0.25:
        return {}, set()
    chosen = [str(rng.choice(region)) for region in REGIONS if rng.random() < 0.6] or [str(rng.choice(REGIONS[1]))]
    findings: dict[str, float] = {}
    for code in chosen:
        if code == "DR":
            grade = int(rng.integers(1, 5))
            findings |= retinopathy(rng, grade)
            if grade >= 2 and rng.random() < 0.3:
                findings["macular_exudates"] = float(rng.uniform(0.4, 1.0))
        elif code == "ARMD":
            late = str(rng.choice(["geographic_atrophy", "choroidal_neovascularization"]))
            findings |= {"drusen": float(rng.uniform(0.6, 1.0)), late: float(rng.uniform(0.4, 1.0))}
        else:
            findings |= {name: float(rng.uniform(0.5, 1.0)) for name in DRAWN[code]}
    return findings, set(chosen) | {ALSO[name] for name in findings if name in ALSO}
