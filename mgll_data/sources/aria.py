"""ARIA: photographs in three folders: age-related macular degeneration, controls, diabetic."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import class_folders

CARD = SourceCard(
    name="aria",
    modality="fundus",
    title="Automated Retinal Image Analysis (ARIA)",
    release="1",
    images=143,
    licence="LicenseRef-ARIA",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://www.damianjjfarnell.com/",
    cite="""@article{farnell2008aria,
  title   = {Enhancement of Blood Vessels in Digital Fundus Photographs via the Application of Multiscale Line
             Operators},
  author  = {Farnell, D. J. J. and others},
  journal = {Journal of the Franklin Institute},
  volume  = {345},
  number  = {7},
  pages   = {748--765},
  year    = {2008},
  doi     = {10.1016/j.jfranklin.2008.04.009}
}""",
    label_origin="St Paul's Eye Unit, Liverpool: the patient's group.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Download from the site (research only) and unpack. The folder is the label; markups of vessels are not
read.

aria/
  aria_a_markups/aria_a_1_1.tif     age-related macular degeneration
  aria_c_markups/                   controls
  aria_d_markups/                   diabetic""",
    needs=("aria_?_markups/*",),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records folder by folder; the word is the folder's name."""
    yield from class_folders(root, {name: name for name in ("aria_a_markups", "aria_c_markups", "aria_d_markups")})
