"""NIH ChestX-ray14: 112,120 frontal films of 30,805 patients with 14 findings taken from their reports by a program."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from mgll_data.errors import SampleError, UsageError
from mgll_data.schema import State
from mgll_data.sources.base import RawRecord, RawRegion, Rejected, SourceCard
from mgll_data.sources.files import Images
from mgll_data.sources.tables import Row, age_in_years, corners, first_file, quarantined, read_csv, records, sex

CARD = SourceCard(
    name="nih_cxr14",
    modality="cxr",
    title="NIH ChestX-ray14",
    release="v2020",
    images=112_120,
    licence="LicenseRef-NIH-ChestXray14",
    open_licence=True,
    access="open",
    redistributable=True,
    url="https://nihcc.app.box.com/v/ChestXray-NIHCC",
    cite="""@inproceedings{wang2017chestxray8,
  title     = {{ChestX-ray8}: Hospital-Scale Chest X-Ray Database and Benchmarks on Weakly-Supervised Classification
               and Localization of Common Thorax Diseases},
  author    = {Wang, Xiaosong and Peng, Yifan and Lu, Le and Lu, Zhiyong and Bagheri, Mohammadhadi and
               Summers, Ronald M.},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  pages     = {3462--3471},
  year      = {2017},
  doi       = {10.1109/CVPR.2017.369}
}""",
    label_origin="Findings mined from the radiology reports by a program; 984 boxes on 880 films by a radiologist.",
    scope=(
        "cxr.atelectasis",
        "cxr.cardiomegaly",
        "cxr.effusion",
        "cxr.infiltrate",
        "cxr.mass",
        "cxr.nodule",
        "cxr.pneumonia",
        "cxr.pneumothorax",
        "cxr.consolidation",
        "cxr.edema",
        "cxr.emphysema",
        "cxr.fibrosis",
        "cxr.pleural_thickening",
        "cxr.hernia",
    ),
    silence="absent",
    normal_excludes_all=False,
    layout="""Download Data_Entry_2017_v2020.csv, BBox_List_2017.csv, train_val_list.txt, test_list.txt and the twelve
archives images_001.tar.gz to images_012.tar.gz (about 42 GB) from the NIH box folder. Unpack the archives: either
all into one folder, or each into a folder of its own name. A part of them will do with `partial: true` in the recipe.
Anyone may use the films; link to the download site, cite the paper and name the NIH Clinical Center as the provider.

nih_cxr14/
  Data_Entry_2017_v2020.csv      or Data_Entry_2017.csv; either may be gzipped
  BBox_List_2017.csv             optional
  train_val_list.txt             optional, both lists or none: without them no official split
  test_list.txt
  images/00000001_000.png        or images_001/images/00000001_000.png""",
    needs=("Data_Entry_2017*.csv*", "**/*.png"),
)

_BOX = ("Image Index", "Finding Label", "Bbox [x", "y", "w", "h]")


def read(root: Path) -> Iterator[RawRecord | Rejected]:
    """Records in the order of the table, boxes in pixels of the distributed 1,024-pixel PNG.

    Broken rows of the box list come first. A film that stands in neither official list has no official split.
    """
    table = first_file(root, "Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
    images = Images(root, ("images_*/images/*.png", "images_*/*.png", "images/*.png", "*.png"))
    boxes: dict[str, list[tuple[str, RawRegion]]] = {}
    if any(root.glob("BBox_List_2017.csv*")):
        yield from _boxes(first_file(root, "BBox_List_2017.csv"), boxes)
    split = _official_split(root)

    def record(origin: str, row: Row) -> RawRecord:
        name = row["Image Index"]
        image = images.take(name, f"images/{name}")
        if not (findings := _findings(row["Finding Labels"])):
            raise SampleError("bad_row", "no finding label, not even No Finding")
        return RawRecord(
            image=image,
            origin=origin,
            patient=row["Patient ID"] or None,
            view={"PA": "pa", "AP": "ap"}.get(row["View Position"]),
            labels=dict.fromkeys(findings, State.PRESENT),
            regions=tuple(region for _, region in boxes.pop(name, ())),
            age=age_in_years(row["Patient Age"]),
            sex=sex(row["Patient Gender"]),
            official_split=split.get(name),
        )

    needed = ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position")
    yield from records(table, needed, record)
    for origin in (origin for left in boxes.values() for origin, _ in left):
        yield quarantined(origin, SampleError("bad_row", "a box on an image that gave no record"))
    yield from images.unlisted()


@lru_cache(maxsize=1024)  # 836 combinations in 112,120 rows
def _findings(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split("|") if word.strip())


def _boxes(path: Path, boxes: dict[str, list[tuple[str, RawRegion]]]) -> Iterator[Rejected]:
    """Fill `boxes`, image name -> origin and region; yield the rows that are no box."""
    for line, row in read_csv(path, required=_BOX):
        origin = f"{path.name}:{line}"
        try:
            if isinstance(row, SampleError):
                raise row
            name, label, *numbers = (row[column] for column in _BOX)
            boxes.setdefault(name, []).append((origin, RawRegion(label, corners(*numbers))))
        except SampleError as error:
            yield quarantined(origin, error)


def _official_split(root: Path) -> dict[str, str]:
    """Image name -> train or test; empty without the lists. Raises UsageError for one list alone or an overlap."""
    lists = {"train": root / "train_val_list.txt", "test": root / "test_list.txt"}
    absent = [path for path in lists.values() if not path.is_file()]
    if len(absent) == len(lists):
        return {}
    if absent:
        raise UsageError(f"{absent[0]}: no such file, while the other list of the official split is there. Add it.")
    split: dict[str, str] = {}
    for part, path in lists.items():
        names = path.read_text(encoding="utf-8-sig", errors="replace").split()
        twice = sum(split.get(name, part) != part for name in names)
        if twice:
            raise UsageError(f"{path}: {twice} of its images are in train_val_list.txt too. Download both lists again.")
        split.update(dict.fromkeys(names, part))
    return split
