"""Reads and harmonises six real label tables: every row accounted for, how long it takes, and known traps avoided.

The tables (NIH, CheXpert, PadChest, VinDr-CXR, RSNA, SIIM) lie inside the PyPI package torchxrayvision 1.5.7, which is
downloaded (29 MB) unless its wheel is given. Each is laid out as its source publishes it, without any picture.

python benchmarks/labels.py [--wheel FILE]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from mgll_data import hierarchy, labels
from mgll_data.harmonise import load_labels
from mgll_data.hierarchy import Hierarchy
from mgll_data.recipe import VOCAB, SourceUse
from mgll_data.records import OpenSource, read_source
from mgll_data.sources import base

PACKAGE = "torchxrayvision==1.5.7"
PADCHEST = "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv.gz"
# source -> (file in the wheel, where it stands in the source's own layout, rows that it has)
TABLES = {
    "nih_cxr14": ("Data_Entry_2017_v2020.csv.gz", "Data_Entry_2017_v2020.csv.gz", 112_120),
    "chexpert": ("chexpert_train.csv.gz", "CheXpert-v1.0-small/train.csv.gz", 223_414),
    "padchest": (PADCHEST, PADCHEST, 160_861),
    "vindr_cxr": ("vinbigdata-train.csv.gz", "train.csv.gz", 67_914),
    "rsna_pneumonia": ("kaggle_stage_2_train_labels.csv.zip", "stage_2_train_labels.csv", 30_227),
    "siim_acr": ("siim-pneumothorax-train-rle.csv.gz", "train-rle.csv.gz", 12_954),
}


def fetch(folder: Path) -> Path:
    """The wheel, downloaded into `folder`. Raises CalledProcessError where no package index can be reached."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", PACKAGE, "-d", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("torchxrayvision-*.whl"))


def lay_out(wheel: Path, folder: Path) -> dict[str, Path]:
    """Root of each source below `folder`, with its table alone."""
    roots = {}
    with zipfile.ZipFile(wheel) as archive:
        for source, (packed, place, _) in TABLES.items():
            target = folder / source / place
            target.parent.mkdir(parents=True)
            with archive.open(f"torchxrayvision/data/{packed}") as file:
                if packed.endswith(".zip"):
                    with zipfile.ZipFile(file) as inner:
                        target.write_bytes(inner.read(Path(place).name))
                else:
                    target.write_bytes(file.read())
            roots[source] = folder / source
    return roots


def measure(roots: dict[str, Path]) -> tuple[dict[str, Any], pa.Table, pa.Table]:
    """Figures of a run over all tables in this process; RECORDS, as if the pictures were there, and CONCEPTS."""
    started, spent = time.perf_counter(), time.process_time()
    loaded = hierarchy.load(VOCAB / "cxr")
    cards = [base.find(name).card for name in roots]
    maps = load_labels(VOCAB / "cxr", cards, loaded)
    tables, seconds = [], {}
    for card in cards:
        begun = time.perf_counter()
        use = SourceUse(card.name, roots[card.name], partial=True)
        tables.append(read_source(OpenSource(card, use, False), 0))
        seconds[card.name] = round(time.perf_counter() - begun, 1)
    records = pa.concat_tables(tables)
    absent = [
        "kept" if reason == "not_downloaded" else outcome
        for outcome, reason in zip(records["outcome"].to_pylist(), records["reason"].to_pylist(), strict=True)
    ]
    records = records.set_column(records.schema.get_field_index("outcome"), "outcome", pa.array(absent))
    begun = time.perf_counter()
    traces, concepts = labels.harmonise(
        records, maps, loaded, unmapped="ignore", uncertain="keep", votes="majority", vocab=VOCAB / "cxr"
    )
    seconds["harmonise"] = round(time.perf_counter() - begun, 1)
    figures = {
        "records": dict(Counter(records["source"].to_pylist())),
        "quarantined": sum(outcome == "quarantined" for outcome in absent),
        "statements": traces.num_rows,
        "unmapped": len(labels.unmapped_words(traces)),
        "seconds": seconds | {"all": round(time.perf_counter() - started, 1)},
        "cpu_seconds": round(time.process_time() - spent, 1),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }
    return figures, records, concepts


def accounted(records: pa.Table) -> dict[str, list[int]]:
    """Per source the rows of its table that RECORDS speak of, and those it has.

    A film of RSNA, SIIM or VinDr has a row for each box, and in VinDr one for each reader who found nothing.
    """
    total: Counter[str] = Counter()
    columns = (records[name].to_pylist() for name in ("source", "regions", "votes"))
    for name, regions, votes in zip(*columns, strict=True):
        boxes = len(json.loads(regions)) if regions and name != "nih_cxr14" else 0
        healthy = json.loads(votes).get("No finding", [0])[0] if votes else 0
        total[name] += max(1, boxes + healthy)
    return {name: [total[name], rows] for name, (_, _, rows) in TABLES.items()}


def traps(roots: dict[str, Path], records: pa.Table, concepts: pa.Table, loaded: Hierarchy) -> dict[str, int]:
    """How many films of the known traps there are, and (`wrong_...`) how many of them came out wrong."""
    closed = {row["uid"]: row for row in concepts.select(["uid", "present", "absent", "uncertain"]).to_pylist()}
    by_image = {
        image.rpartition("/")[2] if source == "padchest" else image: uid
        for source, image, uid in zip(*(records[n].to_pylist() for n in ("source", "image", "uid")), strict=True)
        if source in ("padchest", "chexpert")
    }
    attrs = dict(zip(records["uid"].to_pylist(), records["attrs"].to_pylist(), strict=True))
    return {
        **_padchest(roots["padchest"], by_image, closed, attrs),
        **_chexpert(roots["chexpert"], by_image, closed, loaded),
    }


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _padchest(root: Path, by_image: dict[str, str], closed: dict[str, Any], attrs: dict[str, str]) -> dict[str, int]:
    found = dict.fromkeys(
        ("pseudonodule_only", "wrong_pseudonodule", "sequelae_only", "wrong_sequelae", "glued_codes", "wrong_codes"), 0
    )
    for row in _rows(root / PADCHEST):
        words = {word.strip() for word in re.findall(r"'([^']*)'", row["Labels"])}
        uid = by_image.get(row["ImageID"], "")
        present = set(closed[uid]["present"]) if uid in closed else set()
        for kind, part, word, concept in (
            ("pseudonodule", "nodule", "pseudonodule", "cxr.nodule"),
            ("sequelae", "tuberculosis", "tuberculosis sequelae", "cxr.tuberculosis"),
        ):
            if {w for w in words if part in w} == {word}:
                found[f"{kind}_only"] += 1
                found[f"wrong_{kind}"] += concept in present
        codes = re.findall(r"C\d{7}", row["labelCUIS"])
        if len(codes) > 1 and "'," not in row["labelCUIS"]:
            found["glued_codes"] += 1
            if uid in closed:
                found["wrong_codes"] += json.loads(attrs[uid]).get("umls_codes", "").split(";") != codes
    return found


def _chexpert(root: Path, by_image: dict[str, str], closed: dict[str, Any], loaded: Hierarchy) -> dict[str, int]:
    parents = {
        "Cardiomegaly": "Enlarged Cardiomediastinum",
        **dict.fromkeys(("Lung Lesion", "Edema", "Consolidation", "Pneumonia", "Atelectasis"), "Lung Opacity"),
    }
    meant = _meant("chexpert")
    found = dict.fromkeys(("cardiomegaly_alone", "opacity_child_alone", "wrong_parent", "blanks", "wrong_blank"), 0)
    for row in _rows(root / "CheXpert-v1.0-small" / "train.csv.gz"):
        paths = (row["Path"], row["Path"].partition("/")[2])  # films without a label have no record
        uid = next((by_image[path] for path in paths if path in by_image), "")
        children = {child for child in parents if row[child] == "1.0"}
        enlarged = "Cardiomegaly" in children and row["Enlarged Cardiomediastinum"] != "1.0"
        opaque = bool(children - {"Cardiomegaly"}) and row["Lung Opacity"] != "1.0"
        found["cardiomegaly_alone"] += enlarged
        found["opacity_child_alone"] += opaque
        if uid not in closed:
            continue
        labels_ = closed[uid]
        present = set(labels_["present"])
        for wanted, parent in ((enlarged, "Enlarged Cardiomediastinum"), (opaque, "Lung Opacity")):
            found["wrong_parent"] += (
                wanted and row[parent] == "" and meant[parent] not in present | set(labels_["uncertain"])
            )
        denied = loaded.ontology.down(meant[word] for word in meant if row[word] == "0.0")
        absent = loaded.ontology.expand_absent(labels_["absent"], present, labels_["uncertain"])
        for word, concept in meant.items():
            if row[word] == "" and concept != loaded.normal:
                found["blanks"] += 1
                found["wrong_blank"] += concept in absent and concept not in denied
    return found


def _meant(source: str) -> dict[str, str]:
    """Raw word -> the first concept that it makes present, in the order of the table."""
    found: dict[str, str] = {}
    with (VOCAB / "cxr" / "labels" / f"{source}.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["relation"] in ("exact", "broader") and row["asserts"] == "present":
                found.setdefault(row["label"], row["concept"])
    return found


def run(wheel: Path, folder: Path) -> dict[str, Any]:
    """Lay out, measure, look for the traps: all figures."""
    roots = lay_out(wheel, folder)
    figures, records, concepts = measure(roots)
    figures["rows"] = accounted(records)
    figures["traps"] = traps(roots, records, concepts, hierarchy.load(VOCAB / "cxr"))
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="wheel of torchxrayvision 1.5.7; downloaded if not given")
    wheel = parser.parse_args().wheel
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(run(wheel or fetch(Path(name)), Path(name) / "roots"), indent=1))


if __name__ == "__main__":
    main()
