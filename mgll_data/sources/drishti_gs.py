"""Drishti-GS1: 101 photographs of an Indian hospital, judged for glaucoma."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import UsageError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import graded, spreadsheet
from mgll_data.sources.tables import Row, made

CARD = SourceCard(
    name="drishti_gs",
    modality="fundus",
    title="Drishti-GS1: Retinal Image Dataset for Optic Nerve Head Segmentation",
    release="1",
    images=101,
    licence="LicenseRef-DrishtiGS-research",
    open_licence=False,
    access="registration",
    redistributable=False,
    url="https://cvit.iiit.ac.in/projects/mip/drishti-gs/",
    cite="""@inproceedings{sivaswamy2014drishti,
  title     = {{Drishti-GS}: Retinal Image Dataset for Optic Nerve Head ({ONH}) Segmentation},
  author    = {Sivaswamy, Jayanthi and Krishnadas, S. R. and Joshi, Gopal Datt and Jain, Madhulika and others},
  booktitle = {IEEE International Symposium on Biomedical Imaging},
  year      = {2014}
}""",
    label_origin="Experts' judgment of each eye on the photograph, summed up in the column Total.",
    scope=("fundus.glau",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download the data set after registration and unpack it. The diagnosis sheet has three lines above its
header and one below; file names in it end with an apostrophe. Some patients are pictured with both eyes.

drishti_gs/
  Drishti-GS1_diagnosis.xlsx
  Drishti-GS1_files/Training/Images/drishtiGS_002.png ...
  Drishti-GS1_files/Test/Images/drishtiGS_001.png ...""",
    needs=("**/Drishti-GS1_diagnosis.*", "**/Images/drishtiGS_*.png"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the sheet; the words are `Total=Glaucomatous` and `Total=Normal`."""
    images = Images(root, ("**/Images/drishtiGS_*.png",))
    sheets = list_images(root, ("**/Drishti-GS1_diagnosis.xlsx", "**/Drishti-GS1_diagnosis.csv"))
    if not sheets:
        raise UsageError(f"{root}: no Drishti-GS1_diagnosis.xlsx at any depth.")

    def record(origin: str, row: Row) -> RawRecord:
        name = f"{row['Drishti-GS File'].rstrip(chr(39))}.png"
        image = images.take(name, f"Drishti-GS1_files/{name}")
        split = "train" if "/Training/" in image else "test" if "/Test/" in image else None
        patient = row.get("Patient ID") or None
        return RawRecord(image, origin, patient=patient, labels=graded(row, "Total"), official_split=split)

    path = (root / sheets[0]).with_suffix(".xlsx")
    rows = spreadsheet(path, required=("Drishti-GS File", "Total"), skip=3)
    # The line below the header names the experts' columns and no picture.
    named = ((number, row) for number, row in rows if not isinstance(row, dict) or row["Drishti-GS File"] or number > 5)
    yield from made(path.name, named, record)
    yield from images.unlisted()
