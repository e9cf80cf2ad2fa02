"""Which findings a drawn patient has: mixed so that each occurs often, alone and with others, and stays visible."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mgll_data.phantoms.chest_film import Finding

BOTH_LUNGS = frozenset({"emphysema", "fibrosis", "edema", "covid"})
_SIDELESS = frozenset({"cardiomegaly", "hernia", "ett", "ngt", "sternotomy"})
# What one finding would hide or contradict in another.
_APART = (
    {"emphysema", "fibrosis"},
    {"emphysema", "edema"},
    {"edema", "fibrosis"},
    {"edema", "infiltration"},
    {"consolidation", "pneumonia"},
)
_HIDES = ("pneumothorax", "effusion", "consolidation")  # what takes a lung for itself, in this order


def mix(rng: np.random.Generator, rates: Mapping[str, float], *, most: int = 3, normal: float = 0.2) -> list[Finding]:
    """Findings of one patient: nothing with probability `normal`, else up to `most` by their `rates`.

    Findings that hide others get a lung of their own where there are two to share; what would hide or contradict
    another is left out.
    """
    names = list(rates)
    rng.shuffle(names)
    drawn = [name for name in names if rng.random() < rates[name]]
    if rng.random() < normal:
        return []
    chosen: list[str] = []
    for name in drawn:
        clash = any(name in pair and pair & set(chosen) for pair in _APART)
        if len(chosen) < most and not clash and sum(other in _HIDES for other in (*chosen, name)) <= 2:
            chosen.append(name)
    taken: dict[str, str] = {}
    findings = []
    for name in sorted(chosen, key=lambda name: _HIDES.index(name) if name in _HIDES else len(_HIDES)):
        grade = int(rng.integers(1, 4))
        side, zone = str(rng.choice(["right", "left"])), str(rng.choice(["upper", "middle", "lower"]))
        if name in BOTH_LUNGS or name in _SIDELESS:
            side = "both"
        elif side in taken.values() and name not in ("pacemaker", "central_line", "chest_tube", "scoliosis"):
            side = "left" if side == "right" else "right"
        if name in _HIDES:
            taken[name] = side
            grade = min(grade, 2) if len(chosen) > 1 and name != "pneumothorax" else grade
        if name == "effusion" and rng.random() < 0.25 and "pneumothorax" not in chosen:
            side = "both"
        if name == "chest_tube" and "pneumothorax" in taken:
            side = taken["pneumothorax"]
        findings.append(Finding(name, grade, side, zone))  # type: ignore[arg-type]
    return findings
