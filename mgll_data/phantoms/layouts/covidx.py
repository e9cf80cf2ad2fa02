"""COVIDx: lists between spaces of four fields or, in the older ones, three, with the misspelt source."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.dicoms import uid
from mgll_data.phantoms.drawn import Tally, films

CASES = {
    "COVID-19 cohen": (Finding("covid", 2, "both"),),
    "normal rsna": (),
    "pneumonia rnsa": (Finding("consolidation"),),
    "COVID-19 ricord": (Finding("covid", 1, "both"),),
    "COVID-19 stonybrook": (Finding("covid", 3, "both"),),
    "pneumonia cohen": (Finding("pneumonia"),),
    "COVID-19 actmed": (Finding("covid", 2, "both"),),
    "COVID-19 fig1": (Finding("covid", 2, "both"),),
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films, every fifth for test (three fields), and after every tenth a row of the abdomen."""
    lists: dict[str, list[str]] = {"train": [], "test": []}
    abdomen = 0
    tally = Tally()
    for drawn in films("covidx", count, seed, CASES):
        number = drawn.number
        split = "test" if drawn.unit.shows % 5 == 4 else "train"
        word, source = drawn.case.split()
        patient, name = _names(drawn.rng.bytes(16), source, number)
        lists[split].append(" ".join([patient, name, word] + ([source] if split == "train" else [])))
        tally.placed(drawn, out / split / name)
        if number % 10 == 0:
            abdomen += 1
            lists["train"].append(
                f"A{number:06d} COVID-NET-FLAT_PLATE_OF_ABDOMEN_PORTABLE-{number}.png COVID-19 stonybrook"
            )
    for split, lines in lists.items():
        (out / f"{split}_COVIDx9A.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tally.expected(not_chest=abdomen)


def _names(random: bytes, source: str, number: int) -> tuple[str, str]:
    """Patient field and file name as the lists have them for a source."""
    film = str(uuid.UUID(bytes=random, version=4))
    return {
        "cohen": (str(number), f"phantom-pneumonia-{number}-PA.jpg"),
        "rsna": (film, f"{film}.png"),
        "rnsa": (film, f"{film}.png"),
        "ricord": (f"419639-{number:06d}", f"MIDRC-RICORD-1C-419639-{number:06d}-46647-0.png"),
        "stonybrook": (f"A{number:06d}", f"A{number:06d}-CHEST_AP_PORT-{number}.png"),
        "actmed": (f"ANON{number}", f"CR.{uid(9, number + 1)}.png"),
        "fig1": (f"COVID-{number:05d}", f"COVID-{number:05d}.jpg"),
    }[source]
