"""COVID-19-AR as the Imaging Data Commons has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.layouts.covid19_ny_sbu import collection

CHEST = ("XR CHEST AP PORTABLE", "XR CHEST AP ONLY", "XR CHEST PA ONLY")
ABDOMEN = ("XR ABDOMEN AP", "XR ACUTE ABDOMINAL SERIES W PA CHEST PORTABLE")


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films, and after every eighth a row of the abdomen, some from a series with a chest film."""
    return collection(out, count, seed, "covid19_ar", "covid_19_ar", "COVID-19-AR-{:08d}", CHEST, ABDOMEN)
