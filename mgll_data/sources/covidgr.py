"""COVIDGR 1.0: 852 frontal films of one hospital in Granada, half of them of patients with a positive test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import class_folders

CARD = SourceCard(
    name="covidgr",
    modality="cxr",
    title="COVIDGR 1.0",
    release="1.0",
    images=852,
    licence="LicenseRef-unstated",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://github.com/ari-dasci/OD-covidgr",
    cite="""@article{tabik2020covidgr,
  title   = {{COVIDGR} Dataset and {COVID-SDNet} Methodology for Predicting {COVID-19} Based on Chest {X}-Ray Images},
  author  = {Tabik, Siham and G{\\'o}mez-R{\\'i}os, Anabel and Mart{\\'i}n-Rodr{\\'i}guez, Jos{\\'e} Luis and others},
  journal = {IEEE Journal of Biomedical and Health Informatics},
  volume  = {24},
  number  = {12},
  pages   = {3595--3605},
  year    = {2020},
  doi     = {10.1109/JBHI.2020.3037127}
}""",
    label_origin="A test for the virus within 24 hours of the film; 76 of the 426 positive films look normal.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download release 1.0 of the repository and unpack it. No licence is stated here: see its page.

covidgr/
  N/<...>.jpg     426, negative
  P/<...>.jpg     426, positive""",
    needs=("**/P/*", "**/N/*"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records by class folder, wherever the two folders lie; every film is PA and of a patient of its own."""
    folders = {path.relative_to(root).as_posix(): path.name for path in sorted(root.glob("**/[NP]")) if path.is_dir()}
    for item in class_folders(root, folders):
        yield replace(item, view="pa") if isinstance(item, RawRecord) else item
