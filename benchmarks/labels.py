"""Seconds to read and harmonise a label table: drawn NIH ChestX-ray14 films or, if given, the real tables.

python benchmarks/labels.py [--nih FOLDER]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from mgll_data import hierarchy, labels, phantoms
from mgll_data.harmonise import load_labels
from mgll_data.recipe import VOCAB, SourceUse
from mgll_data.records import open_sources, read_source


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nih", type=Path)
    root = parser.parse_args().nih
    with tempfile.TemporaryDirectory() as name:
        if root is None:
            root = phantoms.draw("nih_cxr14", 300, Path(name) / "nih", 0)
        found, _ = open_sources((SourceUse("nih_cxr14", root),), skip_missing=False)
        started = time.perf_counter()
        records = read_source(found[0], 0)
        read = time.perf_counter() - started
        loaded = hierarchy.load(VOCAB / "cxr")
        maps = load_labels(VOCAB / "cxr", [found[0].card], loaded)
        started = time.perf_counter()
        traces, closed = labels.harmonise(
            records, maps, loaded, unmapped="error", uncertain="keep", vocab=VOCAB / "cxr"
        )
        spent = time.perf_counter() - started
    print(json.dumps({"rows": records.num_rows, "read_s": round(read, 2), "harmonise_s": round(spent, 2)}))
    print(f"{closed.num_rows} records, {traces.num_rows} statements")


if __name__ == "__main__":
    main()
