"""APTOS 2019: PNGs named by twelve hex digits, `train.csv` with grades and `test.csv` without."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from mgll_data.phantoms.fundus import draw_fundus, retinopathy
from mgll_data.phantoms.writing import encode, expected, place, stream, units

UNLABELLED = 50  # one picture of the unlabelled test set for so many labelled ones


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` graded rows, and one unlabelled test picture for every 50 of them, which no build reads."""
    rows: list[list[str]] = []
    damages: Counter[str] = Counter()
    copies = 0
    data, grade = b"", 0
    for unit in units(count):
        if unit.is_copy:
            copies += 1
        else:
            data, grade = _photograph(seed, unit.number)
        name = _name(seed, f"train {unit.number}")
        rows.append([name, str(grade)])
        place(out / "train_images" / f"{name}.png", data, unit.damage)
        damages.update([unit.damage] if unit.damage else [])
    unlabelled = [_name(seed, f"test {number}") for number in range(count // UNLABELLED)]
    for number, name in enumerate(unlabelled):
        place(out / "test_images" / f"{name}.png", _photograph(seed, -1 - number)[0], None)
    out.mkdir(parents=True, exist_ok=True)
    for table, header, lines in (
        ("train.csv", ["id_code", "diagnosis"], rows),
        ("test.csv", ["id_code"], [[name] for name in unlabelled]),
    ):
        with (out / table).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *lines])
    return expected(count, damages, copies)


def _name(seed: int, role: str) -> str:
    return hashlib.sha256(f"aptos2019 {seed} {role}".encode()).hexdigest()[:12]


def _photograph(seed: int, number: int) -> tuple[bytes, int]:
    rng = stream("aptos2019" if number >= 0 else "aptos2019 test", seed, abs(number))
    grade = int(rng.choice(5, p=(0.28, 0.18, 0.18, 0.18, 0.18)))
    findings = retinopathy(rng, grade)
    if grade >= 2 and rng.random() < 0.5:
        findings[str(rng.choice(["macular_exudates", "far_exudates"]))] = float(rng.uniform(0.4, 1.0))
    side = int(rng.choice([480, 512, 544]))
    laterality: Any = str(rng.choice(["left", "right"]))
    return encode(draw_fundus(rng, findings, side=side, laterality=laterality), "png"), grade
