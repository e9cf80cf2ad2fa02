"""Hannover COVID-19 image repository: bedside films 640 pixels wide, one table with laboratory values."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mgll_data.phantoms.chest import draw_chest
from mgll_data.phantoms.chest_film import Finding, View
from mgll_data.phantoms.writing import encode, expected, grey_bytes, place, stream, table, units

_LABS = ("crp", "d-dimer", "factor_xii", "ldh", "lymphocytes", "neutrophils", "pco2", "po2")
_LAB_RANGES = (
    (3, 250, 1),
    (0.3, 8, 0.1),
    (40, 150, 5),
    (180, 700, 5),
    (0.2, 3, 0.1),
    (1, 14, 0.1),
    (25, 60, 5),
    (45, 120, 5),
)
HEADER = (
    "patient_id,image_id,sex,age,size,weight,admission_offset,icu_admission_offset,icu_release_offset,death_offset,"
    "modality,projection," + ",".join(f"{lab}_offset,{lab}_val" for lab in _LABS)
)
WIDTH = 640


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Writes `count` films of patients with one to nine films each, and `data.csv`."""
    rows: list[list[object]] = []
    damages: Counter[str] = Counter()
    copies = 0
    patients, left = 0, 0
    patient, sex, severe = "", "", False
    data = b""
    film: list[object] = []
    for unit in units(count):
        rng = stream("covid19_hannover", seed, unit.number)
        image_id = f"{int(rng.integers(2**32)):08x}"
        if unit.is_copy:
            copies += 1
            # The same film once more, under another patient.
            own = f"{int(stream('covid19_hannover/copy', seed, unit.number).integers(2**32)):08x}"
            rows.append([own, image_id, *film])
        else:
            if left == 0:
                person = stream("covid19_hannover/patient", seed, patients)
                patient, sex = f"{int(person.integers(2**32)):08x}", str(person.choice(["f", "m"]))
                left, severe, patients = int(min(person.geometric(0.3), 9)), bool(person.random() < 0.6), patients + 1
            left -= 1
            data, modality, projection = _film(rng, severe)
            days = int(rng.integers(-3, 15))
            stay = [float(days - 2), float(days + 9)] if severe else ["", ""]
            died = float(days + 12) if severe and rng.random() < 0.2 else ""
            film = [sex, "", "", "", days, *stay, died, modality, projection, *_laboratory(rng)]
            rows.append([patient, image_id, *film])
        place(out / "png" / f"{image_id}.png", data, unit.damage)
        if unit.damage:
            damages[unit.damage] += 1
    table(out / "data.csv", HEADER, rows)
    return expected(count, damages, copies)


def _film(rng: np.random.Generator, severe: bool) -> tuple[bytes, str, str]:
    """A landscape film as PNG, its modality and its projection; intensive care brings tubes and lines."""
    projection: View = "ap" if severe or rng.random() < 0.6 else "pa"
    modality = "DX" if projection == "pa" and rng.random() < 0.6 else "CR"
    findings = [Finding("covid", int(rng.integers(2, 4) if severe else rng.integers(1, 3)), "both")]
    if severe:
        findings += [Finding(name) for name in ("ett", "ngt", "central_line") if rng.random() < 0.6]
    # Bedside films are wider than high.
    size = (WIDTH, int(rng.choice([524, 550, 600, 640])))
    film = cv2.resize(draw_chest(rng, findings, view=projection).image, size, interpolation=cv2.INTER_LINEAR)
    return encode(grey_bytes(np.asarray(film, np.float32)), "png"), modality, projection


def _laboratory(rng: np.random.Generator) -> list[object]:
    """Offset and value of each test, empty where it was not made; `inf` is above the range of the device."""
    cells: list[object] = []
    for low, high, step in _LAB_RANGES:
        if rng.random() < 0.4:
            cells += ["", ""]
        else:
            value = round(round(rng.uniform(low, high) / step) * step, 1)
            cells += [float(rng.integers(-2, 3)), "inf" if rng.random() < 0.02 else value]
    return cells
