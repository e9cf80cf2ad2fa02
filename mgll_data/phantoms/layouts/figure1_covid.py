"""Figure 1: films named by patient with a letter behind it, a table in Latin-1, many findings blank."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import table

HEADER = (
    "patientid,offset,sex,age,finding,survival,temperature,pO2 saturation,view,modality,originalfile,"
    "artifacts/distortion,notes"
)
CASES = {"COVID-19": (Finding("covid", 2, "both"),), "Pneumonia": (Finding("consolidation"),), "No Finding": ()}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films, two of a patient in turn, and after every twelfth a row without a finding."""
    rows: list[list[object]] = []
    blank = 0
    tally = Tally()
    for drawn in films("figure1_covid", count, seed, CASES, views=("ap",)):
        name = f"COVID-{drawn.number // 2 + 1:05d}{'ab'[drawn.number % 2]}"
        note = f"Temperature 39\N{DEGREE SIGN}C, cough for {drawn.number % 9 + 1} days."
        age = "50+" if drawn.number % 6 == 5 else 30 + drawn.number % 40
        rows.append([name, "", "MF"[drawn.number % 2], age, drawn.case, "", "", "", "AP erect", "X-ray", "", "", note])
        tally.placed(drawn, out / "images" / f"{name}.{('jpg', 'png')[drawn.number % 4 == 3]}")
        if drawn.number % 12 == 0:
            blank += 1
            rows.append([f"COVID-1{drawn.number:04d}", *[""] * 8, "X-ray", "", "", ""])
    table(out / "metadata.csv", HEADER, rows)
    text = (out / "metadata.csv").read_text(encoding="utf-8")
    (out / "metadata.csv").write_bytes(text.encode("latin-1"))
    return tally.expected(no_label=blank)
