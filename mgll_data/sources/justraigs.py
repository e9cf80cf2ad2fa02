"""JustRAIGS: 101,442 screening photographs judged for referable glaucoma, with the graders' reasons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import stem
from mgll_data.sources.tables import Row, first_file, made, read_csv

CARD = SourceCard(
    name="justraigs",
    modality="fundus",
    title="Justified Referral in AI Glaucoma Screening (JustRAIGS), training set",
    release="1",
    images=101_442,
    licence="CC-BY-NC-ND-4.0",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://zenodo.org/records/10035093",
    cite="""@article{lemij2023characteristics,
  title   = {Characteristics of a Large, Labeled Data Set for the Training of Artificial Intelligence for Glaucoma
             Screening with Fundus Photographs},
  author  = {Lemij, Hans G. and de Vente, Coen and S{\\'a}nchez, Clara I. and Vermeer, Koen A.},
  journal = {Ophthalmology Science},
  year    = {2023},
  doi     = {10.1016/j.xops.2023.100300}
}""",
    label_origin="Two trained graders per eye, a glaucoma specialist where they differ. Those who called the eye "
    "referable marked which of ten features made them do so.",
    scope=("fundus.glau_ref",),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download the archives and the label file from Zenodo. Its columns are separated by semicolons. Zenodo says
CC BY-NC-ND, the challenge CC BY-NC-SA: build for yourself only. The photographs are those of AIROGS; whether the
numbers are the same is not stated.

justraigs/
  JustRAIGS_Train_labels.csv
  0/TRAIN000000.JPG ... 5/TRAIN101441.JPG""",
    needs=("JustRAIGS_Train_labels.csv*", "**/TRAIN*.*"),
    derives=("airogs",),
    votes=True,
)

FEATURES = ("ANRS", "ANRI", "RNFLDS", "RNFLDI", "BCLVS", "BCLVI", "NVT", "DH", "LD", "LC")
_GRADERS = ("G1", "G2", "G3")
_REQUIRED = (
    "Eye ID",
    "Final Label",
    *(f"Label {grader}" for grader in _GRADERS),
    *(f"{grader} {feature}" for grader in _GRADERS for feature in FEATURES),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the table: the word `RG` or `NRG`, and for referable eyes votes on the ten features.

    A grader was asked for features only where he or she called the eye referable.
    """
    images = Images(root, ("**/TRAIN*.jpg", "**/TRAIN*.jpeg", "**/TRAIN*.png"), stem)

    def record(origin: str, row: Row) -> RawRecord:
        name, final = row["Eye ID"], row["Final Label"]
        image = images.take(name.lower(), f"0/{name}.JPG" if name else "")
        if final not in ("RG", "NRG"):
            raise SampleError("bad_row", "a Final Label that is neither RG nor NRG")
        asked = [grader for grader in _GRADERS if row[f"Label {grader}"] == "RG"] if final == "RG" else []
        seen = {f: sum(row[f"{grader} {f}"] in ("1", "1.0") for grader in asked) for f in FEATURES}
        votes = {feature: (count, len(asked)) for feature, count in seen.items()} if asked else {}
        return RawRecord(image, origin, labels={final: State.PRESENT}, votes=votes, official_split="train")

    table = first_file(root, "JustRAIGS_Train_labels.csv")
    yield from made(table.name, read_csv(table, required=_REQUIRED, delimiter=";"), record)
    yield from images.unlisted()
