"""NIH ChestX-ray14 films that other sources publish again: their NIH names, and the patient that such a name tells."""

from __future__ import annotations

import re
from pathlib import Path

from mgll_data.errors import UsageError
from mgll_data.sources.layouts import read_json

NIH = "nih_cxr14"
MAPPING = "pneumonia-challenge-dataset-mappings_2018.json"


def patient(name: str) -> str | None:
    """NIH's patient number, as its table writes it, from a film's name: `00013774_026.png` is patient 13774."""
    match = re.fullmatch(r"(\d{8})_\d{3}(?:\.png)?", name)
    return str(int(match[1])) if match else None


def rsna_mapping(root: Path) -> dict[str, str]:
    """`patientId` of an RSNA film -> its file name at NIH, from the challenge's mapping file; empty without that file.

    Raises UsageError for a file that is not the published list of objects with `subset_img_id` and `img_id`.
    """
    path = root / MAPPING
    if not path.is_file():
        return {}
    content = read_json(path)
    found: dict[str, str] = {}
    for entry in content if isinstance(content, list) else [None]:
        own, nih = (entry.get("subset_img_id"), entry.get("img_id")) if isinstance(entry, dict) else (None, None)
        if not (isinstance(own, str) and isinstance(nih, str) and patient(nih)):
            raise UsageError(
                f"{path}: entry {len(found) + 1} has no subset_img_id or no img_id such as 00013774_026.png. "
                "Download the file again, or remove it: without it RSNA films have no patient."
            )
        found[own] = nih.removesuffix(".png") + ".png"
    return found
