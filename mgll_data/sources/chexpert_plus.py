"""CheXpert Plus: the films of CheXpert once more, now with their de-identified reports, cut into sections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from mgll_data.errors import ExcludedError, SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.chexpert import OBSERVATIONS, contradictions, film_key, frontal_or_lateral
from mgll_data.sources.files import Images
from mgll_data.sources.tables import Row, age_in_years, first_file, quarantined, records, sex

CARD = SourceCard(
    name="chexpert_plus",
    modality="cxr",
    title="CheXpert Plus",
    release="240401",
    images=223_228,
    licence="LicenseRef-Stanford-CheXpert-Plus",
    open_licence=False,
    access="agreement",
    redistributable=False,
    url="https://stanfordaimi.azurewebsites.net/datasets/5158c524-d3ab-4e02-96e9-6ee9efc110a1",
    cite="""@article{chambon2024chexpertplus,
  title   = {{CheXpert Plus}: Augmenting a Large Chest {X}-ray Dataset with Text Radiology Reports, Patient
             Demographics and Additional Image Formats},
  author  = {Chambon, Pierre and Delbrouck, Jean-Benoit and Sounack, Thomas and Huang, Shih-Cheng and Chen, Zhihong and
             Varma, Maya and Truong, Steven QH and Chuong, Chu The and Langlotz, Curtis P.},
  journal = {arXiv preprint arXiv:2405.19538},
  year    = {2024}
}""",
    label_origin="CheXbert, a program, labeled the reports; blank where it found no mention.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Register with Stanford AIMI, sign the research use agreement (no commercial use, no redistribution) and
download the table, the PNG archive and, for labels, chexbert_labels. The table names .jpg files; the archive holds .png
files, which are found all the same. The DICOM files are not needed. CheXpert shows the same films: of a film that both
hold, a build keeps one picture.

chexpert_plus/
  df_chexpert_plus_240401.csv                       may be gzipped
  chexbert_labels/report_fixed.json                 optional; else impression_fixed.json, else findings_fixed.json
  PNG/train/patient00001/study1/view1_frontal.png   or PNG/PNG/train/...; likewise valid/""",
    needs=("df_chexpert_plus_*.csv*", "**/*.png"),
    derives=("chexpert",),
    patients_of="chexpert",
)

_LABELS = ("report_fixed.json", "impression_fixed.json", "findings_fixed.json")
_STATES = {1: State.PRESENT, 0: State.ABSENT, -1: State.UNCERTAIN}
# Columns that hold an accession number, a comment on procedures or a whole report are left out.
_SECTIONS = ("findings", "impression", "history", "clinical_history", "comparison", "technique", "summary")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the table; sections of the report under their names, without `section_`.

    Where no section holds a text, the whole report stands under `text`. A film without report and labels is excluded.
    """
    images = Images(root, ("**/*.png", "**/*.jpg"), film_key)
    tables = sorted(root.glob("df_chexpert_plus_*.csv*"))
    table = tables[-1] if tables else first_file(root, "df_chexpert_plus_240401.csv")
    labels: dict[str, str] = {}
    for name in _LABELS:
        if (path := root / "chexbert_labels" / name).is_file():
            yield from _chexbert(path, labels)
            break

    def record(origin: str, row: Row) -> RawRecord:
        path = row["path_to_image"]
        key = film_key(path)
        image = images.take(key, f"PNG/{path.rpartition('.')[0]}.png")
        if key.count("/") != 3:
            raise SampleError("bad_row", "its path is not <set>/<patient>/<study>/<view>")
        _, patient, study, _ = key.split("/")
        report = {name: text for name in _SECTIONS if (text := row.get(f"section_{name}", ""))}
        if not report and row.get("report"):
            report = {"text": row["report"]}
        states = _states(labels.get(key, "{}"))
        if not states and not report:
            raise ExcludedError("no_label", "neither a report nor a label")
        return RawRecord(
            image=image,
            origin=origin,
            patient=row["deid_patient_id"] or patient,
            study=study,
            view=frontal_or_lateral(key, row["ap_pa"]),
            labels=states,
            report=report,
            age=age_in_years(row["age"]) or None,
            sex=sex(row["sex"]),
            official_split={"train": "train", "valid": "val"}.get(row["split"]),
            same_as=(("chexpert", f"{key}.jpg"),),
            conflicts=contradictions(states),
        )

    yield from records(table, ("path_to_image", "ap_pa", "deid_patient_id", "age", "sex", "split"), record)
    yield from images.unlisted()


@lru_cache(maxsize=4096)
def _states(line: str) -> dict[str, State]:
    """Words and states of a line's 14 keys: null says nothing. Lines are many, different ones few."""
    given = json.loads(line)
    found = {word: given.get(word) for word in OBSERVATIONS}
    return {word: _STATES[value] for word, value in found.items() if value is not None}


def _chexbert(path: Path, labels: dict[str, str]) -> Iterator[Rejected]:
    """Fill `labels`, film key -> its 14 values as JSON, from JSON lines; yield the lines that cannot be understood."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    given = json.loads(line)
                    key = film_key(given.pop("path_to_image"))
                    values = json.dumps({word: given[word] for word in OBSERVATIONS if word in given})
                    _states(values)
                except (ValueError, KeyError, AttributeError, TypeError):
                    problem = SampleError("bad_row", "a line that is no JSON object of path_to_image and labels")
                    yield quarantined(f"{path.name}:{number}", problem)
                else:
                    labels[key] = values
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}). Download the file again.") from error
