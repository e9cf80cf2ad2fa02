"""COVID-19-NY-SBU (Stony Brook): 14,132 bedside films of 1,365 patients, all of them with COVID-19."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.dicom_series import IDC_LAYOUT, idc_films

CARD = SourceCard(
    name="covid19_ny_sbu",
    modality="cxr",
    title="Stony Brook University COVID-19 Positive Cases (COVID-19-NY-SBU)",
    release="2021",
    images=14_132,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://www.cancerimagingarchive.net/collection/covid-19-ny-sbu/",
    cite="""@misc{covid19nysbu2021,
  title     = {Stony Brook University {COVID-19} Positive Cases},
  author    = {Saltz, Joel and Saltz, Mary and Prasanna, Prateek and others},
  publisher = {The Cancer Imaging Archive},
  year      = {2021},
  url       = {https://www.cancerimagingarchive.net/collection/covid-19-ny-sbu/}
}""",
    label_origin="No label per film: every patient had COVID-19.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout=f"""{IDC_LAYOUT.format(name="covid_19_ny_sbu")}
487 of the 14,132 series are films of the abdomen, and are excluded.

covid_19_ny_sbu/
  idc_index.csv
  <...>/CR_<SeriesInstanceUID>/<...>.dcm""",
    needs=("idc_index.csv*", "**/*.dcm"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `idc_index.csv`; films of the abdomen are excluded by their descriptions."""
    yield from idc_films(root, "covid_19_ny_sbu", {"COVID-19": State.PRESENT})
