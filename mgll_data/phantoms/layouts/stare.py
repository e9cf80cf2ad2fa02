"""STARE: a list with tabs, whose text holds alternatives, question marks and slips of the pen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import DISEASES

CASES: dict[str, tuple[str, dict[str, float]]] = {
    "Normal": ("0", {}),
    "Background Diabetic Retinopathy": ("7", DISEASES["dr"]),
    "Choroidal Neovascularization AND Age Related Macular Degeneration": ("13", DISEASES["wet_amd"]),
    "Hypertensuve Retinopathy?": ("10", DISEASES["htr"]),
    "Branch Retinal Vein Occlusion OR Central Retinal Vein Occlusion": ("4 5", DISEASES["vein"]),
    "Drusen, Large": ("14", {"drusen": 0.9}),
    "Unknown Diagnosis": ("14", {"media_haze": 0.5}),
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures and their lines."""
    lines, tally = [], Tally()
    for drawn in photographs("stare", count, seed, {text: findings for text, (_, findings) in CASES.items()}):
        name = f"im{drawn.number + 1:04d}"
        lines.append(f"{name}\t{CASES[drawn.case][0]}\t{drawn.case}\n")
        tally.placed(drawn, out / f"{name}.ppm")
    (out / "all-mg-codes.txt").write_text("".join(lines), encoding="latin-1")
    return tally.expected()
