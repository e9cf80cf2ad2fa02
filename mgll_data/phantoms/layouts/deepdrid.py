"""DeepDRiD: two pictures of each eye, paths with backslashes, one of two grade columns filled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.drawn import Tally, photographs
from mgll_data.phantoms.eye_cases import ICDR, UNGRADABLE
from mgll_data.phantoms.writing import encode, place, table, workbook

HEADER = (
    "patient_id,image_id,image_path,Overall quality,left_eye_DR_Level,right_eye_DR_Level,patient_DR_Level,Clarity,"
    "Field definition,Artifact"
)
FOLDERS = {
    "train": "regular-fundus-training",
    "val": "regular-fundus-validation",
    "test": "Online-Challenge1&2-Evaluation",
}


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` pictures over three sets, and one ultra-widefield picture that no table names."""
    rows: dict[str, list[list[str]]] = {split: [] for split in FOLDERS}
    tally, top = Tally(), out / "regular_fundus_images"
    for drawn in photographs("deepdrid", count, seed, {**ICDR, "5": UNGRADABLE}):
        split = ("train", "train", "val", "test")[drawn.number % 4]
        patient, side, grade = str(drawn.number // 4 + 1), "lr"[drawn.number // 2 % 2], drawn.case
        name = f"{patient}_{side}{drawn.number % 4 + 1}"
        row = [name, grade]
        if split != "test":
            sides = [grade, ""] if side == "l" else ["", grade]
            path = f"\\{FOLDERS[split]}\\{patient}\\{name}.jpg"
            row = [patient, name, path, str(int(grade != "5")), *sides, grade, "8", "10", "0"]
        rows[split].append(row)
        tally.placed(drawn, top / FOLDERS[split] / "Images" / patient / f"{name}.jpg")
        if not drawn.number:
            place(
                out / "ultra-widefield_images/ultra-widefield-training/Images/1/1_l1.jpg",
                encode(drawn.image, "jpg"),
                None,
            )
    for split in ("train", "val"):
        table(top / FOLDERS[split] / f"{FOLDERS[split]}.csv", HEADER, rows[split])
    workbook(top / FOLDERS["test"] / "Challenge1_labels.xlsx", {"Sheet1": [["image_id", "DR_Levels"], *rows["test"]]})
    return tally.expected(not_fundus=1)
