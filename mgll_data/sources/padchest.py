"""PadChest: 160,861 films of 67,625 patients from Alicante, their Spanish reports coded with a tree of 194 labels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from mgll_data.errors import ExcludedError, SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.padchest_places import qualifiers
from mgll_data.sources.tables import Row, records, sex

CARD = SourceCard(
    name="padchest",
    modality="cxr",
    title="PadChest",
    release="2019-02-01",
    images=160_861,
    licence="LicenseRef-PadChest-DUA",
    open_licence=False,
    access="agreement",
    redistributable=False,
    url="https://bimcv.cipf.es/bimcv-projects/padchest/",
    cite="""@article{bustos2020padchest,
  title   = {{PadChest}: A large chest x-ray image dataset with multi-label annotated reports},
  author  = {Bustos, Aurelia and Pertusa, Antonio and Salinas, Jose-Maria and de la Iglesia-Vay{\\'a}, Maria},
  journal = {Medical Image Analysis},
  volume  = {66},
  pages   = {101797},
  year    = {2020},
  doi     = {10.1016/j.media.2020.101797}
}""",
    label_origin="Reports coded by physicians (27 % of them) or by a recurrent network that learned from those.",
    scope=(),
    silence="unknown",
    normal_excludes_all=True,
    layout="""Sign the data use agreement of BIMCV (research use, no sharing) and download the table and the archives
0.zip to 54.zip, about 1 TB of 16-bit PNGs. Unpack each into a folder of its number, or all into one; films are found by
name. A part of the archives will do with `partial: true` in the recipe. About twenty files are known to be broken.

padchest/
  PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv     may be gzipped
  0/20536686640136348236148679891455886468_k6ga29.png      to 54/""",
    needs=("PADCHEST_chest_x_ray_images_labels_160K_*.csv*", "**/*.png"),
)

_TOKEN = re.compile(r"'([^']*)'")
_VIEWS = {"PA": "pa", "AP": "ap", "AP_horizontal": "ap", "L": "lateral"}
_METHODS = {"Physician": "physician", "RNN_model": "network"}
_NEEDED = (
    "ImageID",
    "ImageDir",
    "StudyDate_DICOM",
    "StudyID",
    "PatientID",
    "PatientBirth",
    "PatientSex_DICOM",
    "Projection",
    "Modality_DICOM",
    "MethodLabel",
    "Labels",
    "LabelsLocalizationsBySentence",
    "labelCUIS",
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the table. Labels are whole tokens of `Labels`; places go to `qualifiers`.

    Films without a label (no token, `nan`, or `exclude` alone) are excluded. Rib views (Projection COSTAL, and EXCLUDE:
    eleven oblique ones) are kept and have no view of ours. `normal` denies every finding; nothing else is denied. The
    age is counted in calendar years, since birth is given by its year. Reports are stemmed Spanish and are not read.
    """
    images = Images(root, ("**/*.png",))
    tables = sorted(root.glob("PADCHEST_chest_x_ray_images_labels_160K_*.csv*"))
    if not tables:
        raise UsageError(f"{root}: no PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv. Put it there.")

    def record(origin: str, row: Row) -> RawRecord:
        name = row["ImageID"]
        image = images.take(name, f"{row['ImageDir']}/{name}")
        labels = _labels(row["Labels"])
        if not labels or labels == ("exclude",):
            raise ExcludedError("no_label", "the source excludes it" if labels else "no label")
        return RawRecord(
            image=image,
            origin=origin,
            patient=row["PatientID"] or None,
            study=row["StudyID"] or None,
            view=_VIEWS.get(row["Projection"]),
            labels=dict.fromkeys(labels, State.PRESENT),
            captions={"modality": row["Modality_DICOM"]} if row["Modality_DICOM"] else {},
            age=_age(row["StudyDate_DICOM"], row["PatientBirth"]),
            sex=sex(row["PatientSex_DICOM"]),
            qualifiers=qualifiers(labels, row["LabelsLocalizationsBySentence"]),
            attrs=_attrs(row["MethodLabel"], row["labelCUIS"]),
        )

    yield from records(tables[-1], _NEEDED, record)
    yield from images.unlisted()


@lru_cache(maxsize=65_536)
def _labels(text: str) -> tuple[str, ...]:
    """Tokens of a list such as `['nodule', ' unchanged', '']`, stripped, each once; none of `nan` or an empty cell.

    Raises SampleError `bad_row` for a cell that is no list. Tokens are cut by their quotes: evaluating the cell as
    Python would glue together lists written without commas, as two columns of the table are.
    """
    if text in ("", "nan"):
        return ()
    if not (text.startswith("[") and text.endswith("]")):
        raise SampleError("bad_row", "its Labels are no list")
    return tuple(dict.fromkeys(word for token in _TOKEN.findall(text) if (word := token.strip())))


@lru_cache(maxsize=65_536)
def _attrs(method: str, codes: str) -> dict[str, str | float]:
    """Who labeled the report, and the source's own UMLS codes of the findings, joined by `;`.

    The codes are written `['C0034069' 'C0742362']`, without commas; those of labels without a code are empty.
    """
    attrs: dict[str, str | float] = {}
    if method in _METHODS:
        attrs["label_method"] = _METHODS[method]
    if found := ";".join(filter(None, _TOKEN.findall(codes))):
        attrs["umls_codes"] = found
    return attrs


@lru_cache(maxsize=65_536)
def _age(study: str, birth: str) -> float | None:
    year = birth.removesuffix(".0")
    if not (study[:4].isdecimal() and year.isdecimal()):
        return None
    age = int(study[:4]) - int(year)
    return float(age) if 0 <= age <= 120 else None
