"""BrixIA: 4,703 films of patients with COVID-19 in Brescia, six lung zones scored 0 to 3 by the radiologist on duty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.tables import Row, first_file, made, read_csv

CARD = SourceCard(
    name="brixia",
    modality="cxr",
    title="BrixIA COVID-19 severity score dataset",
    release="2",
    images=4_703,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://brixia.github.io/",
    cite="""@article{signoroni2021bsnet,
  title   = {{BS-Net}: Learning {COVID-19} pneumonia severity on a large chest {X}-ray dataset},
  author  = {Signoroni, Alberto and Savardi, Mattia and Benini, Sergio and others},
  journal = {Medical Image Analysis},
  volume  = {71},
  pages   = {102046},
  year    = {2021},
  doi     = {10.1016/j.media.2021.102046}
}""",
    label_origin="The radiologist on duty scored six zones of the lungs in each film of a patient with COVID-19.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Register on the page, download and unpack. No licence is stated here: read the terms.
The zones A, B, C are the right lung's upper, middle and lower third, D, E, F the left lung's; 0 no abnormality,
1 interstitial, 2 interstitial and alveolar, 3 mostly alveolar infiltrates.

brixia/
  metadata_global_v2.csv      semicolons; Filename, BrixiaScore (six digits), BrixiaScoreGlobal
  dicom_clean/<Filename>      DICOM, some of them MONOCHROME1""",
    needs=("**/metadata_global_v2.csv", "**/*.dcm"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the table; zone scores as words `score=0` (none) to `score=3`, the highest of the six.

    A score that starts with zeros has lost them where a spreadsheet took it for a number; they are put back. The
    table names no patients.
    """
    images = Images(root, ("**/*.dcm",))
    inside = root / "data"
    path = first_file(inside if (inside / "metadata_global_v2.csv").is_file() else root, "metadata_global_v2.csv")

    def record(origin: str, row: Row) -> RawRecord:
        name, score = row["Filename"], row["BrixiaScore"].removesuffix(".0").zfill(6)
        image = images.take(name, f"dicom_clean/{name}" if name else "")
        zones = [int(digit) for digit in score if digit in "0123"]
        total = row["BrixiaScoreGlobal"].removesuffix(".0")
        if len(score) != 6 or len(zones) != 6 or str(sum(zones)) != total:
            raise SampleError("bad_row", "a score that is not six digits of 0 to 3 with their sum beside it")
        right, left = max(zones[:3]), max(zones[3:])
        word = f"score={max(right, left)}"
        side = "bilateral" if right and left else "right" if right else "left"
        return RawRecord(
            image=image,
            origin=origin,
            labels={"COVID-19": State.PRESENT, word: State.PRESENT},
            qualifiers={word: (side,)} if any(zones) else {},
            attrs={"brixia_score": float(sum(zones))},
        )

    needed = ("Filename", "BrixiaScore", "BrixiaScoreGlobal")
    yield from made(path.name, read_csv(path, required=needed, delimiter=";"), record)
    yield from images.unlisted()
