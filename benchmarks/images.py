"""Images a second of the pixel pipeline against a plain OpenCV loop, on drawn 12-megapixel photographs.

    python benchmarks/images.py [--count 200] [--rounds 3]

Prints the median over rounds of images a second on one thread for: imread + resize + encode (what most preparation
scripts do), our pipeline on the same files (header check, scaled decode, resize, hashes, quality figures, encode), and
our pipeline with the fundus field of view; then the root mean square difference of our pixels from the full decode.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mgll_data.images.process import ImageOptions, process
from mgll_data.phantoms.fundus import draw_fundus

SIDE = 512


def write_photographs(folder: Path, count: int) -> list[Path]:
    """Drawn eyes enlarged to 4288 x 2848 with sensor noise, JPEG quality 92: about 1.5 MB each."""
    paths = []
    for number in range(count):
        rng = np.random.default_rng(number)
        eye = draw_fundus(rng, {"microaneurysms": 0.8}, side=1024, laterality="left")
        field = cv2.resize(eye, (2848, 2848), interpolation=cv2.INTER_CUBIC)
        frame = np.zeros((2848, 4288, 3), np.int16)
        frame[:, 720 : 720 + 2848] = field
        frame += rng.integers(-5, 6, frame.shape, dtype=np.int16)
        path = folder / f"{number}.jpg"
        picture = np.ascontiguousarray(np.clip(frame, 0, 255).astype(np.uint8)[..., ::-1])
        cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])
        paths.append(path)
    return paths


def plain(path: Path) -> bytes:
    """Full decode, resize, encode."""
    image = cv2.imread(str(path))
    scale = SIDE / max(image.shape[:2])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])


def rate(work: Callable[[Path], object], paths: list[Path]) -> float:
    """Images a second."""
    started = time.perf_counter()
    for path in paths:
        work(path)
    return len(paths) / (time.perf_counter() - started)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    ours = ImageOptions(side=SIDE, mode="rgb8")
    field = ImageOptions(side=SIDE, mode="rgb8", field_of_view=True)
    ways: dict[str, Callable[[Path], object]] = {
        "imread, resize, encode": plain,
        "mgll pipeline": lambda path: process(path, ours),
        "mgll with field of view": lambda path: process(path, field),
    }
    with tempfile.TemporaryDirectory() as name:
        paths = write_photographs(Path(name), arguments.count)
        size = statistics.median(path.stat().st_size for path in paths) / 1e6
        print(f"{len(paths)} photographs of 4288 x 2848, median {size:.1f} MB")
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(arguments.rounds):
            for way, work in ways.items():
                rates[way].append(rate(work, paths))
        base = statistics.median(rates["imread, resize, encode"])
        for way, found in rates.items():
            print(f"{way:<26} {statistics.median(found):7.1f} images/s   {statistics.median(found) / base:4.1f} x")
        errors = []
        for path in paths:
            one = cv2.imdecode(np.frombuffer(plain(path), np.uint8), cv2.IMREAD_COLOR).astype(np.float32)
            two = cv2.imdecode(np.frombuffer(process(path, ours).data, np.uint8), cv2.IMREAD_COLOR).astype(np.float32)
            errors.append(float(np.sqrt(((one - two) ** 2).mean())))
        print(f"RMS difference from the full decode: {statistics.median(errors):.2f} grey levels")


if __name__ == "__main__":
    main()
