"""COVID-19-AR: 262 films of 105 rural patients of Arkansas, all of them tested positive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.dicom_series import IDC_LAYOUT, idc_films

CARD = SourceCard(
    name="covid19_ar",
    modality="cxr",
    title="COVID-19-AR: imaging of a rural COVID-19 positive population",
    release="2020",
    images=262,
    licence="CC-BY-4.0",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://www.cancerimagingarchive.net/collection/covid-19-ar/",
    cite="""@misc{covid19ar2020,
  title     = {Chest Imaging with Clinical and Genomic Correlates Representing a Rural {COVID-19} Positive Population},
  author    = {Desai, Shivang and Baghal, Ahmad and Wongsurawat, Thidathip and others},
  publisher = {The Cancer Imaging Archive},
  year      = {2020},
  url       = {https://www.cancerimagingarchive.net/collection/covid-19-ar/}
}""",
    label_origin="No label per film: every patient was tested positive.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout=f"""{IDC_LAYOUT.format(name="covid_19_ar")}

covid_19_ar/
  idc_index.csv
  <...>/DX_<SeriesInstanceUID>/<...>.dcm""",
    needs=("idc_index.csv*", "**/*.dcm"),
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `idc_index.csv`."""
    yield from idc_films(root, "covid_19_ar", {"COVID-19": State.PRESENT})
