"""Montgomery County set of the National Library of Medicine: 138 films, 58 with tuberculosis, with readings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mgll_data.errors import SampleError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.layouts import by_name
from mgll_data.sources.tables import age_in_years, sex

CITE = """@article{jaeger2014two,
  title   = {Two public chest {X}-ray datasets for computer-aided screening of pulmonary diseases},
  author  = {Jaeger, Stefan and Candemir, Sema and Antani, Sameer and W{\\'a}ng, Y{\\`i}-Xi{\\'a}ng J. and
             Lu, Pu-Xuan and Thoma, George},
  journal = {Quantitative Imaging in Medicine and Surgery},
  volume  = {4},
  number  = {6},
  pages   = {475--477},
  year    = {2014}
}"""

CARD = SourceCard(
    name="montgomery",
    modality="cxr",
    title="Montgomery County chest X-ray set",
    release="2014",
    images=138,
    licence="LicenseRef-NLM-Tuberculosis-Sets",
    open_licence=False,
    access="open",
    redistributable=False,
    url="https://data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets/Montgomery-County-CXR-Set/",
    cite=CITE,
    label_origin="Radiologists, with a reading of each film; the last digit of a file's name is its class.",
    scope=(),
    silence="unknown",
    normal_excludes_all=True,
    layout="""Download the folder MontgomerySet from the page (4,020 x 4,892 pixels and the other way round). Public;
the page asks for the two papers to be cited. The lung masks in ManualMask are no films and are not read.

montgomery/
  MontgomerySet/CXR_png/MCUCXR_0001_0.png             0 normal, 1 signs of tuberculosis
  MontgomerySet/ClinicalReadings/MCUCXR_0001_0.txt    sex, age and a reading""",
    needs=("**/CXR_png/*.png",),
)

_NAME = re.compile(r"([A-Z]+_\d+)_([01])", re.IGNORECASE)
# "Patient's Sex: F" and "Patient's Age: 027Y" here, "male 45yrs" in Shenzhen, where "femal 32yrs" occurs too.
_ABOUT = re.compile(r"patient'?s (sex|age)|(fe)?male?\b.*\d", re.IGNORECASE)
_AGE = re.compile(r"(\d+)\s*-?\s*(y|m|d)", re.IGNORECASE)
_SEX = re.compile(r"(?:sex:\s*|^)(female?|male?|f|m)\b", re.IGNORECASE)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records by name; the set's view is PA, a film is a patient's only one."""
    for item in classed_films(root, "MCUCXR"):
        yield replace(item, view="pa") if isinstance(item, RawRecord) else item


def classed_films(root: Path, prefix: str) -> Iterator[RawRecord | Rejected]:
    """Records of the films `CXR_png/<prefix>_<number>_<class>.png`, each with its reading where there is one.

    The reading's free text becomes the report section `findings`; its lines on sex and age become those. A film whose
    reading says no more than normal while its name says 1, or the other way round, is quarantined.
    """

    def record(image: str) -> RawRecord | None:
        path = Path(image)
        named = _NAME.fullmatch(path.stem)
        if named is None or not path.stem.startswith(prefix):
            return None
        note = root / path.parent.parent / "ClinicalReadings" / f"{path.stem}.txt"
        lines = _lines(note) if note.is_file() else []
        about = " ".join(line for line in lines if _ABOUT.match(line))
        reading = " ".join(line for line in lines if not _ABOUT.match(line))
        if reading and (reading.rstrip(" .").lower() == "normal") != (named[2] == "0"):
            raise SampleError("bad_row", "its reading and the class in its name disagree")
        age, letter = _AGE.search(about), _SEX.search(about)
        return RawRecord(
            image=image,
            origin=path.name,
            patient=named[1],
            labels={f"class={named[2]}": State.PRESENT},
            report={"findings": reading} if reading else {},
            age=age_in_years("".join(age.groups())) if age else None,
            sex=sex(letter[1][0]) if letter else None,
        )

    yield from by_name(root, ("**/CXR_png/*.png",), record)


def _lines(path: Path) -> list[str]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return [line.strip() for line in text.splitlines() if line.strip()]
