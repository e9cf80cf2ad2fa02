"""BRSET: 16,266 photographs of Brazilian clinics: anatomy, findings, two grades of retinopathy, quality."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mgll_data.errors import ExcludedError
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.layouts import flags, graded, stem
from mgll_data.sources.tables import Row, age_in_years, first_file, records, sex

CARD = SourceCard(
    name="brset",
    modality="fundus",
    title="BRSET: Brazilian multilabel ophthalmological dataset",
    release="1.0.1",
    images=16_266,
    licence="LicenseRef-PhysioNet-Credentialed-1.5.0",
    open_licence=False,
    access="credentialed",
    redistributable=False,
    url="https://physionet.org/content/brazilian-ophthalmological/",
    cite="""@misc{brset,
  title = {BRSET: Brazilian multilabel ophthalmological dataset},
  year  = {2024},
  url   = {https://physionet.org/content/brazilian-ophthalmological/}
}""",
    label_origin="One retina specialist: anatomy, findings, ICDR and Scottish grades, quality.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Become a credentialed user of PhysioNet, sign the agreement and download; nothing may be passed on.
Column names differ between versions (iluminaton, Illuminaton, illumination; drusens, drusen) and are read under one
name. The codes of the eye do too: only 1 and 2 and words are trusted. Seven rows have no file. Facts on the patient's
other diseases are not read.

brset/
  labels_brset.csv              or labels.csv
  fundus_photos/img00001.jpg""",
    needs=("labels*.csv*", "fundus_photos/*.jpg"),
)

_ALIASES = {"iluminaton": "illumination", "illuminaton": "illumination", "drusen": "drusens"}
_EYES = {"1": "right", "2": "left", "right": "right", "left": "left"}
_GRADED = (
    "optic_disc",
    "vessels",
    "macula",
    "dr_icdr",
    "dr_sdrg",
    "focus",
    "illumination",
    "image_field",
    "artifacts",
    "quality",
)
_FINDINGS = (
    "diabetic_retinopathy",
    "macular_edema",
    "scar",
    "nevus",
    "amd",
    "vascular_occlusion",
    "hypertensive_retinopathy",
    "drusens",
    "hemorrhage",
    "retinal_detachment",
    "myopic_fundus",
    "increased_cup_disc",
    "other",
)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the table. Words are `<column>=<value>` for graded columns, and the columns of findings,
    present for 1 and absent for 0; names are lower-case and those of version 1.0.1 with its spelling set right.
    """
    images = Images(root, ("fundus_photos/*.jpg",), stem)
    table = first_file(root, "labels_brset.csv", "labels.csv")

    def record(origin: str, row: Row) -> RawRecord:
        facts = {_ALIASES.get(name.lower(), name.lower()): value for name, value in row.items()}
        name = facts["image_id"]
        image = images.take(stem(name), f"fundus_photos/{name.removesuffix('.jpg')}.jpg")
        graded_here = [column for column in _GRADED if facts.get(column)]
        labels = graded(facts, *graded_here) if graded_here else {}
        labels |= flags(facts, [column for column in _FINDINGS if column in facts])
        if not labels:
            raise ExcludedError("no_label", "an empty row")
        return RawRecord(
            image,
            origin,
            patient=facts["patient_id"] or None,
            laterality=_EYES.get(facts.get("exam_eye", "").lower()),
            labels=labels,
            age=age_in_years(facts.get("patient_age", "")),
            sex={"1": "M", "2": "F"}.get(facts.get("patient_sex", ""), sex(facts.get("patient_sex", ""))),
            device=facts.get("camera") or None,
        )

    yield from records(table, ("image_id", "patient_id", "optic_disc", "vessels", "macula"), record)
    yield from images.unlisted()
