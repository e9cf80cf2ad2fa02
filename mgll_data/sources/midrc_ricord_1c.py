"""MIDRC-RICORD-1C: 1,257 films of 361 patients with COVID-19, classed by appearance and grade by several readers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mgll_data.errors import UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.dicom_series import IDC_LAYOUT, idc_films
from mgll_data.sources.layouts import read_json

CARD = SourceCard(
    name="midrc_ricord_1c",
    modality="cxr",
    title="RSNA International COVID-19 Open Radiology Database 1C (MIDRC-RICORD-1C)",
    release="2021",
    images=1_257,
    licence="CC-BY-NC-4.0",
    open_licence=False,
    access="open",
    redistributable=True,
    url="https://www.cancerimagingarchive.net/collection/midrc-ricord-1c/",
    cite="""@article{tsai2021rsna,
  title   = {The {RSNA} International {COVID-19} Open Radiology Database ({RICORD})},
  author  = {Tsai, Emily B. and Simpson, Scott and Lungren, Matthew P. and others},
  journal = {Radiology},
  volume  = {299},
  number  = {1},
  pages   = {E204--E213},
  year    = {2021},
  doi     = {10.1148/radiol.2021203957}
}""",
    label_origin="""Thoracic radiologists classed each study by its appearance and graded its opacities; where a study
was adjudicated, that decides. Every patient had a positive test.""",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout=f"""{IDC_LAYOUT.format(name="midrc_ricord_1c")}
and the annotations (a JSON export of MD.ai) from the collection's page at The Cancer Imaging Archive. Without them each
film has its patient's diagnosis only. 538 series have no description.

midrc_ricord_1c/
  idc_index.csv
  <...>mdai<...>.json                     optional: the annotations
  <...>/CR_<SeriesInstanceUID>/<...>.dcm""",
    needs=("idc_index.csv*", "**/*.dcm"),
    votes=True,
)

APPEARANCES = ("Typical", "Indeterminate", "Atypical", "Negative")
GRADES = ("Mild", "Moderate", "Severe")


@dataclass
class _Study:
    votes: dict[str, set[str]] = field(default_factory=dict)  # word -> groups of readers
    settled: dict[str, State] = field(default_factory=dict)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of `idc_index.csv`. The annotations are of studies and hold for each of their films.

    Words are the first words of the label names (`Typical Appearance`, `Mild Opacities  (1-2 lung zones)`). Each group
    of labels is one reader's; of the two questions, appearance and grade, a reader who answered one with another word
    is counted as asked. A film without annotations has the word `COVID-19`, which leaves open what it shows; one with
    them has `positive test`, which speaks of the patient alone, so that a reader's `Negative` stands.
    """
    studies = _studies(root)
    for item in idc_films(root, "midrc_ricord_1c", {"COVID-19": State.PRESENT}):
        study = studies.get(item.study or "") if isinstance(item, RawRecord) else None
        yield replace(item, **_said(study)) if isinstance(item, RawRecord) and study else item


def _said(study: _Study) -> dict[str, Any]:
    """labels, votes and qualifiers of a study's films."""
    votes: dict[str, tuple[int, int]] = {}
    for question in (APPEARANCES, GRADES):
        asked = len(set().union(*(study.votes.get(word, set()) for word in question)))
        if asked and not any(word in study.settled for word in question):
            votes |= {word: (len(study.votes.get(word, ())), asked) for word in question}
    others = {word: State.PRESENT for word in study.votes if word not in (*APPEARANCES, *GRADES)}
    grades = {word: (word.lower(),) for word in GRADES if word in votes or word in study.settled}
    labels = {"positive test": State.PRESENT, **others, **study.settled}
    return {"labels": labels, "votes": votes, "qualifiers": grades}


def _studies(root: Path) -> dict[str, _Study]:
    """StudyInstanceUID -> what the readers said of it; empty without the annotations. Raises UsageError for others."""
    found = sorted(root.glob("*mdai*.json"))
    if not found:
        return {}
    if len(found) > 1:
        raise UsageError(f"{root}: {len(found)} files *mdai*.json. Leave one of them there.")
    content = read_json(found[0])
    studies: dict[str, _Study] = {}
    try:
        labels = {
            label["id"]: (str(label["name"]), str(group["name"]), str(group["id"]))
            for group in content["labelGroups"]
            for label in group["labels"]
        }
        for annotation in (entry for dataset in content["datasets"] for entry in dataset["annotations"]):
            name, group, reader = labels[annotation["labelId"]]
            first = name.split()[0]
            word = first if first in (*APPEARANCES, *GRADES) else name
            study = studies.setdefault(annotation["StudyInstanceUID"], _Study())
            if "adjudicat" in group.lower():
                study.settled[word] = State.PRESENT
            else:
                study.votes.setdefault(word, set()).add(reader)
    except (KeyError, TypeError, IndexError) as error:
        raise UsageError(
            f"{found[0]}: not an MD.ai export with labelGroups and datasets ({type(error).__name__} {error}). Download "
            "the annotations from the collection's page again."
        ) from error
    return studies
