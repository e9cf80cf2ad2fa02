"""covid-chestxray-dataset: findings as paths, licences by row, CT between the films, an unnamed last column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mgll_data.phantoms.chest_film import Finding
from mgll_data.phantoms.drawn import Tally, films
from mgll_data.phantoms.writing import table

HEADER = (
    "patientid,offset,sex,age,finding,RT_PCR_positive,survival,intubated,intubation_present,went_icu,in_icu,"
    "needed_supplemental_O2,extubated,temperature,pO2_saturation,leukocyte_count,neutrophil_count,lymphocyte_count,"
    "view,modality,date,location,folder,filename,doi,url,license,clinical_notes,other_notes,"
)
CASES = {
    "Pneumonia/Viral/COVID-19": (Finding("covid", 2, "both"),),
    "No Finding": (),
    "Pneumonia/Bacterial/Streptococcus": (Finding("consolidation"),),
    "Pneumonia/Fungal/Pneumocystis": (Finding("infiltration", 2, "both"),),
    "COVID-19, ARDS": (Finding("edema", 3, "both"),),
    "Tuberculosis": (Finding("infiltration", 2, "right", "upper"),),
}
LICENCES = ("CC BY 4.0", "", "CC BY-NC-SA", "Apache 2.0")


def write(out: Path, count: int, seed: int) -> dict[str, Any]:
    """Write `count` films, and after every tenth a CT volume and a film whose finding is yet to be entered."""
    names = HEADER.split(",")
    rows: list[list[object]] = []
    left: dict[str, int] = {"not_chest": 0, "no_label": 0}
    tally = Tally()

    def add(number: int, **cells: object) -> None:
        rows.append([cells.get(name, "") for name in names])

    for drawn in films("covid_chestxray", count, seed, CASES, views=("pa", "ap", "pa", "lateral")):
        number = drawn.number
        view = {"pa": "PA", "ap": "AP Supine", "lateral": "L"}[drawn.view]
        name = f"phantom-{number}.{('jpg', 'png', 'jpeg')[number % 3]}"
        ours = {"url": "https://example.org/case", "license": LICENCES[number % len(LICENCES)]}
        if number % 8 == 0:
            name = f"{drawn.rng.bytes(4).hex()}.jpg"
            ours = {"url": "https://github.com/ml-workgroup/covid-19-image-repository", "license": "CC BY 3.0"}
        film = {"patientid": number // 2, "sex": "MF"[number // 2 % 2], "age": 30 + number % 50, "view": view}
        note = f"Admitted on March {number % 28 + 1}, 2020 with cough and fever."
        place = {"modality": "X-ray", "folder": "images", "filename": name, "clinical_notes": note}
        add(number, finding=drawn.case, **film, **place, **ours)
        tally.placed(drawn, out / "images" / name)
        if number % 10 == 0:
            add(number, finding=drawn.case, view="Axial", modality="CT", folder="volumes", filename=f"{number}.nii.gz")
            add(number, finding="todo", view="PA", modality="X-ray", folder="images", filename=f"later-{number}.jpg")
            left = {reason: sum_ + 1 for reason, sum_ in left.items()}
    table(out / "metadata.csv", HEADER, rows)
    return tally.expected(**left)
