"""Shenzhen Hospital set of the National Library of Medicine: 662 films, 336 with tuberculosis, with readings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mgll_data.errors import SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import flags
from mgll_data.sources.montgomery import CITE, classed_films
from mgll_data.sources.tables import quarantined, read_csv

CARD = SourceCard(
    name="shenzhen",
    modality="cxr",
    title="Shenzhen Hospital chest X-ray set",
    release="2014",
    images=662,
    licence="LicenseRef-NLM-Tuberculosis-Sets",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets/Shenzhen-Hospital-CXR-Set/",
    cite=CITE,
    label_origin="""The hospital's readings; the last digit of a file's name is its class. Later, two readers marked 19
findings on the films with signs of tuberculosis.""",
    scope=(),
    silence="unknown",
    normal_excludes_all=True,
    layout="""Download the folder from the page (once named ChinaSet_AllFiles). Public; the page asks for the two papers
to be cited. The PNGs are coded as RGB with a palette although they are grey, and many have black borders.

shenzhen/
  ChinaSet_AllFiles/CXR_png/CHNCXR_0001_0.png             0 normal, 1 signs of tuberculosis
  ChinaSet_AllFiles/ClinicalReadings/CHNCXR_0001_0.txt    sex and age, then a reading
  Annotations-2/Statistics_ShenzhenDataset_US.csv         optional: 19 findings of the films of class 1""",
    needs=("**/CXR_png/*.png",),
)

FINDINGS = (
    "Pleural_Effusion",
    "Apical_Thickening",
    "Single_Nodule_(non-calcified)",
    "Pleural_Thickening_(non-apical)",
    "Calcified_Nodule",
    "Small_Infiltrate_(non-linear)",
    "Cavity",
    "Linear_Density",
    "Severe_Infiltrate_(Consolidation)",
    "Thickening_of_interlobar_fissure",
    "Clustered_Nodule_(2mm-5mm_apart)",
    "Moderate_Infiltrate_(non-linear)",
    "Adenopathy",
    "Calcification_(other_than_nodule&lymphnod)",
    "Calcified_lymph_node",
    "Miliary",
    "Retraction",
    "Other",
    "Unknown",
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records by name, with the 19 findings where their table is there. The set mixes PA and AP, so no view."""
    marked: dict[str, dict[str, State]] = {}
    tables = sorted(root.glob("**/Statistics_ShenzhenDataset_US.csv"))
    if len(tables) > 1:
        raise UsageError(f"{root}: {len(tables)} files Statistics_ShenzhenDataset_US.csv. Leave one of them.")
    for table in tables:
        for line, row in read_csv(table, required=("imagename", *FINDINGS)):
            try:
                if isinstance(row, SampleError):
                    raise row
                marked[row["imagename"].removesuffix(".png")] = flags(row, FINDINGS)
            except SampleError as error:
                yield quarantined(f"{table.name}:{line}", error)
    for item in classed_films(root, "CHNCXR"):
        if isinstance(item, RawRecord):
            found = marked.pop(Path(item.image).stem, {})
            yield replace(item, labels={**item.labels, **found})
        else:
            yield item
    for _ in marked:
        yield quarantined(tables[0].name, SampleError("bad_row", "findings of a film that gave no record"))
