"""Phantoms drawn and encoded a second, at 512 pixels, on one core.

python benchmarks/phantoms.py [--count 200]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import cv2

from mgll_data import phantoms


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    count = parser.parse_args().count
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        for layout in phantoms.LAYOUTS:
            started, cpu = time.perf_counter(), time.process_time()
            phantoms.draw(layout, count, Path(name) / layout, 0)
            wall, spent = time.perf_counter() - started, time.process_time() - cpu
            print(f"{layout:<18} {count / wall:6.1f} images/s   ({count / spent:.1f} per processor second)")


if __name__ == "__main__":
    main()
