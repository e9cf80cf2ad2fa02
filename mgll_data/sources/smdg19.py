"""SMDG-19: photographs of nineteen glaucoma collections, scaled alike under new names, with what each said of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import eye, graded, numbers
from mgll_data.sources.tables import Row, age_in_years, records, sex

CARD = SourceCard(
    name="smdg19",
    modality="fundus",
    title="Standardized Multi-Channel Dataset for Glaucoma (SMDG-19)",
    release="2023",
    images=12_449,
    licence="LicenseRef-SMDG19-mixed",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://www.kaggle.com/datasets/deathtrooper/multichannel-glaucoma-benchmark-dataset",
    cite="""@misc{kiefer2023smdg,
  title        = {{SMDG}, A Standardized Fundus Glaucoma Dataset},
  author       = {Kiefer, Riley and Abid, Muhammad and others},
  year         = {2023},
  howpublished = {Kaggle}
}""",
    label_origin="The label of each parent collection: 1 glaucoma (of AIROGS: referable), 0 none, -1 suspect.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download the data set from Kaggle and unpack it. Kaggle marks it CC0, but the parents' own terms hold for
their pictures, so we treat it as closed. The table tells each picture's name in its parent: a build with both counts
the photograph once. Masks and vessel maps in the other folders are not read.

smdg19/
  metadata - standardized.csv
  full-fundus/full-fundus/REFUGE1-train-1.png ...""",
    needs=("**/metadata - standardized.csv*", "**/full-fundus/*.png"),
    derives=(
        "airogs",
        "beh",
        "dr_hagis",
        "drishti_gs",
        "fives",
        "fund_oct",
        "g1020",
        "hrf",
        "jsiec",
        "odir5k",
        "origa",
        "papila",
        "refuge",
        "retina_cataract",
    ),
)

_PARENTS = {
    "OIA-ODIR": "odir5k",
    "REFUGE1": "refuge",
    "DRISHTI-GS1": "drishti_gs",
    "EyePACS-Glaucoma": "airogs",
    "G1020": "g1020",
    "ORIGA": "origa",
    "BEH": "beh",
    "JSIEC-1000": "jsiec",
    "DR-HAGIS": "dr_hagis",
    "HRF": "hrf",
    "sjchoi86-HRF": "retina_cataract",
    "PAPILA": "papila",
}
_EYES = {"left": "OS", "right": "OD"}


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the table: the word `types=<value>`, or `Referable Glaucoma` where it says so."""
    images = Images(root, ("**/full-fundus/*.png",))

    def record(origin: str, row: Row) -> RawRecord:
        name = f"{row['names']}.png" if row["names"] else ""
        image = images.take(name, f"full-fundus/full-fundus/{name}")
        if row["isColor"] in ("0", "0.0"):
            raise ExcludedError("not_fundus", "not in color")
        referable = row["type_expanded"] == "Referable Glaucoma"
        side = eye(row["eye"])
        return RawRecord(
            image,
            origin,
            patient=row["patient_id"] or None,
            laterality=side,
            labels={row["type_expanded"]: State.PRESENT} if referable else graded(row, "types"),
            age=age_in_years(row["age"]),
            sex=sex(row["sex"]),
            same_as=_parent(row["names"], row["original_name"], side),
            attrs=numbers(vertical_cup_to_disc=row["vcdr"], cup_to_disc=row["cdr_avg"]),
        )

    columns = ("names", "types", "type_expanded", "isColor", "original_name", "patient_id", "sex", "age", "eye", "vcdr")
    for path in list_images(root, ("**/metadata - standardized.csv*",)):
        yield from records(root / path, (*columns, "cdr_avg"), record)
    yield from images.unlisted()


def _parent(name: str, original: str, side: str | None) -> tuple[tuple[str, str], ...]:
    """The parent's picture, where its file name is told: that of PAPILA is made of patient number and eye."""
    source = next((source for prefix, source in _PARENTS.items() if name.startswith(f"{prefix}-")), "")
    if source == "papila" and original.isdigit() and side:
        original = f"RET{int(original):03d}{_EYES[side]}.jpg"
    if source == "jsiec":
        original = re.sub(r"^(Normal|Suspect|Glaucoma)-", "", original)
    return ((source, original),) if source and re.search(r"\.\w{3,4}$", original) else ()
