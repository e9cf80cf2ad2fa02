"""Actualmed: files named by their UID, notes with dates, blank findings where the case stayed open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.dicoms import uid
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import table

HEADER = (
    "patientid,offset,sex,age,finding,survival,temperature,pO2 saturation,view,modality,imagename,"
    "artifacts/distortion,notes"
)
CASES = {"COVID-19": (Finding("covid", 2, "both"),), "No finding": ()}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films, grey ones as RGB, and after every eighth an inconclusive row without its picture."""
    rows: list[list[object]] = []
    blank = 0
    tally = Tally()
    for drawn in films("actualmed_covid", count, seed, CASES, views=("pa", "ap")):
        name = f"{('CR', 'DX')[drawn.number % 2]}.{uid(9, drawn.number + 1)}.png"
        patient = f"ANON{drawn.number // 2 + 1}"
        said = "" if drawn.case == "COVID-19" else "Negative (covid-19 viral infection is excluded)"
        note = f"{said}, date taken (YYYYMMDD): 20200318"
        rows.append([patient, "", "", "", drawn.case, "", "", "", drawn.view.upper(), "X-ray", name, "", note])
        tally.placed(replace(drawn, image=np.dstack([drawn.image] * 3)), out / "images" / name)
        if drawn.number % 8 == 0:
            blank += 1
            open_ = "Inconclusive, date taken (YYYYMMDD): 20200318"
            rows.append([patient, *[""] * 7, "PA", "X-ray", f"CR.{uid(10, drawn.number + 1)}.png", "", open_])
    table(out / "metadata.csv", HEADER, rows)
    return tally.expected(no_label=blank)
