"""JustRAIGS: a table with semicolons, three graders and ten features for each of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs

CASES: dict[str, dict[str, float]] = {"NRG": {}, "RG": {"disc_cupping": 0.9}}
FEATURES = ("ANRS", "ANRI", "RNFLDS", "RNFLDI", "BCLVS", "BCLVI", "NVT", "DH", "LD", "LC")
HEADER = [
    *("Eye ID", "Final Label", "Label G1", "Label G2", "Label G3"),
    *(f"G{grader} {feature}" for grader in (1, 2, 3) for feature in FEATURES),
]


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures; in every third the graders differ and the third one decides."""
    tally, lines = Tally(), [HEADER]
    for drawn in photographs("justraigs", count, seed, CASES):
        name, differ = f"TRAIN{drawn.number:06d}", drawn.number % 3 == 0
        other = "RG" if drawn.case == "NRG" else "NRG"
        labels = [drawn.case, other if differ else drawn.case, drawn.case if differ else ""]
        marks = ["01"[int(drawn.rng.random() < 0.5)] if said == "RG" else "" for said in labels for _ in FEATURES]
        lines.append([name, drawn.case, *labels, *marks])
        tally.placed(drawn, out / str(drawn.number % 6) / f"{name}.JPG")
    out.mkdir(parents=True, exist_ok=True)
    text = "".join(";".join(line) + "\r\n" for line in lines)
    (out / "JustRAIGS_Train_labels.csv").write_bytes(text.encode())
    return tally.expected()
