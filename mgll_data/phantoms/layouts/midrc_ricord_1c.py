"""MIDRC-RICORD-1C: series of the Imaging Data Commons, and the readers' labels as MD.ai exports them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from mgll_data.phantoms.layouts.covid19_ny_sbu import collection

NAMES = (
    "Typical Appearance",
    "Indeterminate Appearance",
    "Atypical Appearance",
    "Negative for Pneumonia",
    "Mild Opacities  (1-2 lung zones)",
    "Moderate Opacities (3-4 lung zones)",
    "Severe Opacities (>4 lung zones)",
)
GROUPS = ("Annotator 1", "Annotator 2", "Annotator 3", "Adjudication")


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films; three readers label each study but every ninth, and every seventh is adjudicated."""
    chest = ("XR CHEST 1 VIEW AP", "CHEST 1V", "")
    facts = collection(
        out, count, seed, "midrc_ricord_1c", "midrc_ricord_1c", "MIDRC-RICORD-1C-419639-{:06d}", chest, ()
    )
    groups = [
        {"id": f"G_{g}", "name": group, "labels": [{"id": f"L_{g}{i}", "name": name} for i, name in enumerate(NAMES)]}
        for g, group in enumerate(GROUPS)
    ]
    annotations = []
    with (out / "idc_index.csv").open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file)):
            for reader in range(0 if number % 9 == 8 else 4 if number % 7 == 6 else 3):
                appearance = 3 if number % 2 else (0, 0, number // 2 % 3, 1)[reader]
                labels = [appearance] if appearance == 3 else [appearance, 4 + number // 2 % 3]
                study = row["StudyInstanceUID"]
                annotations += [{"labelId": f"L_{reader}{label}", "StudyInstanceUID": study} for label in labels]
    content = {"labelGroups": groups, "datasets": [{"name": "phantom", "annotations": annotations}]}
    (out / "1c_mdai_rsna_project_phantom_annotations.json").write_text(json.dumps(content), encoding="utf-8")
    return facts
