"""CheXpert: 223,648 films of 64,740 patients with 14 observations that a rule-based labeler took from the reports."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from mgll_data.errors import ExcludedError, SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, Rejected, SourceCard
from mgll_data.sources.files import Images, list_images
from mgll_data.sources.layouts import flags
from mgll_data.sources.tables import Row, age_in_years, columns, quarantined, read_csv, records, sex

CARD = SourceCard(
    name="chexpert",
    modality="cxr",
    title="CheXpert v1.0",
    release="1.0",
    images=223_648,
    licence="LicenseRef-Stanford-CheXpert",
    open_licence=False,
    access="agreement",
    redistributable=False,
    url="https://stanfordmlgroup.github.io/competitions/chexpert/",
    cite="""@inproceedings{irvin2019chexpert,
  title     = {{CheXpert}: A Large Chest Radiograph Dataset with Uncertainty Labels and Expert Comparison},
  author    = {Irvin, Jeremy and Rajpurkar, Pranav and Ko, Michael and Yu, Yifan and Ciurea-Ilcus, Silviana and
               Chute, Chris and Marklund, Henrik and Haghgoo, Behzad and Ball, Robyn and Shpanskaya, Katie and others},
  booktitle = {AAAI Conference on Artificial Intelligence},
  volume    = {33},
  pages     = {590--597},
  year      = {2019}
}""",
    label_origin="Train: a rule-based labeler read the reports, blank: no mention found; valid, test: radiologists.",
    scope=(),
    silence="unknown",
    normal_excludes_all=False,
    layout="""Register with Stanford AIMI, sign the research use agreement (no commercial use, no redistribution) and
download CheXpert-v1.0-small.zip (11 GB, 320 by 390 pixels) or the four batches of CheXpert-v1.0 (about 440 GB), which
may be unpacked as they are. Do not keep both: they show the same films. The films of the test set come with
CheXlocalize; test.csv or groundtruth.csv (one row per study) labels them where they lie in test/.

chexpert/
  CheXpert-v1.0-small/                  this folder may be the root itself
    train.csv, valid.csv                either may be gzipped
    test.csv or groundtruth.csv         optional
    train/patient00001/study1/view1_frontal.jpg
    valid/patient64541/study1/view1_frontal.jpg""",
    needs=("**/train.csv*", "**/*.jpg"),
)

OBSERVATIONS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
_UNSURE = ("-1.0", "-1")
# What the tree of the CheXpert paper puts below each of the two parents.
_TREE = {
    "Lung Opacity": ("Lung Lesion", "Edema", "Consolidation", "Pneumonia", "Atelectasis"),
    "Enlarged Cardiomediastinum": ("Cardiomegaly",),
}
_FOLDER = re.compile(r"(?<![a-z])(train|valid|val|test)(?![a-z])")
_TABLES = {"train": "train", "valid": "val", "test": "test", "groundtruth": "test"}  # file -> official split


def observations(row: Row) -> dict[str, State]:
    """Words and states of the 14 columns: 1 present, 0 absent, -1 uncertain, blank unknown. Raises SampleError."""
    return dict(_observed(tuple(row[column] for column in OBSERVATIONS)))


@lru_cache(maxsize=65_536)  # rows are many, different ones few
def _observed(values: tuple[str, ...]) -> dict[str, State]:
    return flags(dict(zip(OBSERVATIONS, values, strict=True)), OBSERVATIONS, unsure=_UNSURE)


def contradictions(states: Mapping[str, State]) -> tuple[str, ...]:
    """Columns at 0 whose child in the CheXpert tree stands at 1: the labeler reads each mention by itself."""
    return tuple(
        f"{parent}=0 beside {child}=1"
        for parent, children in _TREE.items()
        if states.get(parent) is State.ABSENT
        for child in children
        if states.get(child) is State.PRESENT
    )


@lru_cache(maxsize=65_536)
def _set_of(folder: str) -> str:
    """train, valid or test of a folder above the patients: its innermost part that names a set (`val` is `valid`)."""
    for part in reversed(folder.split("/")):
        if found := _FOLDER.search(part.lower()):
            return "valid" if found[1] == "val" else found[1]
    return ""


def film_key(path: str) -> str:
    """`train/patient00001/study1/view1_frontal` of any path to that film: equal in all sets that reuse CheXpert."""
    parts = path.rsplit("/", 3)
    if len(parts) < 4:
        return path
    above, patient, study, view = parts
    return f"{_set_of(above)}/{patient}/{study}/{view.rpartition('.')[0]}"


def frontal_or_lateral(key: str, projection: str) -> str | None:
    """View of a film: lateral by its name (`view2_lateral`), else pa or ap by the `AP/PA` column, else unknown."""
    return "lateral" if key.endswith("lateral") else {"AP": "ap", "PA": "pa"}.get(projection)


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records of train.csv, valid.csv and the test table, in this order. Patient and study are taken from the path.

    A frontal film is AP or PA by the table; the codes LL and RL, which 17 frontal films have, say neither. Blank stays
    unknown, also beside No Finding. A column at 0 whose child in the CheXpert tree is at 1 is listed as a conflict.
    """
    images = Images(root, ("**/*.jpg",), film_key)
    found = {path.name.split(".")[0]: path for pattern in ("*/*.csv*", "*.csv*") for path in sorted(root.glob(pattern))}
    if "train" not in found:
        raise UsageError(f"{root}: no train.csv. It is in the download beside the folder train/.")
    for name, part in _TABLES.items():
        if name not in found:
            continue
        table = found[name]
        if "Study" in columns(table):
            yield from _studies(root, table, images)
            continue
        home = "" if table.parent == root else f"{table.parent.name}/"

        def record(origin: str, row: Row, part: str = part, home: str = home) -> RawRecord:
            path = row["Path"].partition("/")[2] if row["Path"].startswith("CheXpert-v1.0") else row["Path"]
            key = film_key(path)
            return _record(origin, row, key, part, images.take(key, home + path))

        yield from records(table, ("Path", *OBSERVATIONS), record)
    yield from images.unlisted()


def _record(origin: str, row: Row, key: str, part: str, image: str) -> RawRecord:
    if key.count("/") != 3:
        raise SampleError("bad_row", "its Path is not <set>/<patient>/<study>/<view>")
    if not (states := observations(row)):
        raise ExcludedError("no_label", "none of the 14 observations is filled in")
    _, patient, study, _ = key.split("/")
    return RawRecord(
        image=image,
        origin=origin,
        patient=patient,
        study=study,
        view=frontal_or_lateral(key, row.get("AP/PA", "")),
        labels=states,
        age=age_in_years(row.get("Age", "")) or None,  # 0 stands for an unknown age
        sex=sex(row.get("Sex", "")),
        official_split=part,
        # The folders of the four batches hide the path that sets derived from this one name.
        same_as=() if image.endswith(f"{key}.jpg") else (("chexpert", f"{key}.jpg"),),
        conflicts=contradictions(states),
    )


def _studies(root: Path, table: Path, images: Images) -> Iterator[RawRecord | Rejected]:
    """Rows of groundtruth.csv, which label a study: one record for each of its films on disk."""
    films: dict[str, list[str]] = {}
    for path in list_images(root, ("**/*.jpg",)):
        key = film_key(path)
        films.setdefault(key.rpartition("/")[0], []).append(key)
    for line, row in read_csv(table, required=("Study", *OBSERVATIONS)):
        origin = f"{table.name}:{line}"
        if isinstance(row, SampleError):
            yield quarantined(origin, row)
            continue
        keys = films.get(film_key(f"{row['Study']}/.").rpartition("/")[0], [])
        if not keys:
            yield Rejected("", origin, "excluded", "no_image", "none of the study's films is on disk")
        for key in keys:
            try:
                yield _record(origin, row, key, "test", images.take(key, f"{key}.jpg"))
            except SampleError as error:
                yield quarantined(origin, error)
