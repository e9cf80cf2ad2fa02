"""Images a second of our loader against open_clip's own webdataset pipeline, on the same shards.

    make bench, or: python benchmarks/loader.py [--overlay .venv/webdataset-0.2.86] [--rounds 5]

open_clip's pipeline needs webdataset 0.2.86, which lies in a folder of its own (`make .venv/webdataset-0.2.86`). Both
read the same tars with two processes and give shuffled batches of 32 with 224-pixel images, normalised float32 at the
consumer, crops of at least 0.9 of the area, and token ids of the texts. Ours does more for each image: it checks the
sample against the contract, jitters grey levels, and brings the texts of every level with their targets; open_clip's
brings one caption. Its shuffle buffer is held at 1,000 samples, so that it reads one sample for each that it gives.
Both have run for some three passes over the data before they are measured: texts have been tokenised, caches are full.

The shards are built by mgll-data from drawn films and drawn eyes, at 512 pixels as the shipped recipes make them; the
same eyes are then drawn anew at 1,024 pixels. Every round runs all loaders in another order; ratios are taken within a
round, and medians over rounds are printed. CPU time tells the same where other work disturbs the clock. "Bare" is no
loader: two processes that read, decode scaled and resize in the stored order, without texts, checks, jitter or a random
window. It says what these libraries leave to be won.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

BATCH = 32
WORKERS = 2
SIZE = 224
CROP = 0.9
WARM = 60  # batches


def build(folder: Path, modality: str, layout: str, count: int) -> Path:
    """A dataset of `count` drawn pictures at 512 pixels, as the shipped recipe of the modality makes it."""
    program = str(Path(sys.executable).with_name("mgll-data"))
    recipe = Path(__file__).parents[1] / "recipes" / f"{modality}.yaml"
    draw = [program, "phantoms", "--layout", layout, "--count", str(count), "--out", str(folder / "data" / layout)]
    make = [program, "build", "--recipe", str(recipe), "--work", str(folder / "work"), "--skip-missing", "--json"]
    environment = {**os.environ, "MGLL_DATA": str(folder / "data"), "MGLL_PUBLISH": str(folder / "published")}
    for command in (draw, make):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: {done.stderr}")
    return Path(json.loads(done.stdout)["folder"])


def redraw(dataset: Path, folder: Path, side: int) -> Path:
    """The dataset's train split with pictures drawn at `side` pixels in the place of its own; JPEG quality 95."""
    import cv2
    import numpy as np

    from mgll_data.phantoms.fundus import draw_fundus

    manifest = json.loads((dataset / "manifest.json").read_text())
    folder.mkdir()
    (folder / "train").mkdir()
    (folder / "vocabulary.json").write_bytes((dataset / "vocabulary.json").read_bytes())
    for entry in manifest["splits"]["train"]["shards"]:
        target = folder / entry["file"]
        with (
            tarfile.open(dataset / entry["file"]) as old,
            tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as new,
        ):
            for member in old.getmembers():
                data = old.extractfile(member).read()  # type: ignore[union-attr]
                if member.name.endswith(".jpg"):
                    rng = np.random.default_rng(int(member.name.split("-")[-1][:12], 16))
                    eye = draw_fundus(rng, {"microaneurysms": 0.8}, side=side, laterality="left")
                    data = cv2.imencode(".jpg", eye[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
                info = tarfile.TarInfo(member.name)
                info.size = len(data)
                new.addfile(info, io.BytesIO(data))
        content = target.read_bytes()
        entry.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    manifest["splits"] = {"train": manifest["splits"]["train"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def ours(dataset: Path, reduced: bool) -> Iterator[Any]:
    """Normalised batches of our loader, without end."""
    import open_clip

    from mgll_train import shards
    from mgll_train.model import Preprocess
    from mgll_train.picture import View
    from mgll_train.stream import Plan, Steps, normalise
    from mgll_train.workers import load_steps

    found = shards.find([str(dataset)])
    reader = shards.Reader(shards.split_shards(found, "train"))
    steps = Steps(
        reader,
        Plan(17, BATCH, 8192, shards.identity(found)),
        View(SIZE, CROP, 0.1, reduced),
        levels=shards.levels(found),
        vocabulary=shards.vocabulary(found),
        tokenizer=open_clip.get_tokenizer("ViT-B-32"),
        unknown="mask",
    )
    wanted = Preprocess(SIZE, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    for loaded in load_steps(steps, 0, 10**6, workers=WORKERS, cuda=False):
        assert loaded.batch is not None and not loaded.broken
        yield normalise(loaded.batch.images, wanted)


class Pictures(Dataset[torch.Tensor]):
    """Batches of pictures and nothing else: uint8 (32, 3 or 1, 224, 224), decoded at half or a quarter and resized."""

    def __init__(self, dataset: Path) -> None:
        import simplejpeg

        from mgll_train import shards

        self.reader = shards.Reader(shards.split_shards(shards.find([str(dataset)]), "train"))
        self.grey = simplejpeg.decode_jpeg_header(self.reader.read(0)[1])[2] == "Gray"

    def __getitem__(self, step: int) -> torch.Tensor:
        import cv2
        import numpy as np
        import simplejpeg

        batch = np.empty((BATCH, 1 if self.grey else 3, SIZE, SIZE), dtype=np.uint8)
        for number, planes in enumerate(batch):
            data = self.reader.read((step * BATCH + number) % len(self.reader))[1]
            height, width, *_ = simplejpeg.decode_jpeg_header(data)
            factor = 2 if min(height, width) < 4 * SIZE else 4
            least = {"min_height": -(-height // factor), "min_width": -(-width // factor)}
            picture = cv2.resize(simplejpeg.decode_jpeg(data, "GRAY" if self.grey else "BGR", **least), (SIZE, SIZE))
            if self.grey:
                planes[0] = picture
            else:
                cv2.split(picture, [planes[2], planes[1], planes[0]])
        return torch.from_numpy(batch)


def bare(dataset: Path) -> Iterator[Any]:
    """Normalised batches of `Pictures`, without end."""
    import open_clip

    from mgll_train.model import Preprocess
    from mgll_train.stream import normalise
    from mgll_train.workers import prepare_worker

    wanted = Preprocess(SIZE, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    loader = DataLoader(
        Pictures(dataset),
        batch_size=None,
        sampler=range(10**6),
        num_workers=WORKERS,
        worker_init_fn=prepare_worker,
    )
    for images in loader:
        yield normalise(images, wanted)


def theirs(dataset: Path) -> Iterator[Any]:
    """Normalised batches of open_clip's loader, without end."""
    import open_clip
    import webdataset
    from open_clip_train import data

    assert webdataset.__version__.startswith("0.2.86"), webdataset.__version__
    data._SAMPLE_SHUFFLE_SIZE = data._SAMPLE_SHUFFLE_INITIAL = 1000
    tars = sorted((dataset / "train").glob("*.tar"))
    arguments = SimpleNamespace(
        train_data=f"{dataset}/train/{{{tars[0].stem}..{tars[-1].stem}}}.tar",
        train_num_samples=10**7,
        train_data_upsampling_factors=None,
        dataset_resampled=True,
        seed=17,
        batch_size=BATCH,
        workers=WORKERS,
        world_size=1,
    )
    transform = open_clip.image_transform(SIZE, is_train=True, aug_cfg={"scale": (CROP, 1.0)})
    loader = data.get_wds_dataset(arguments, transform, is_train=True, tokenizer=open_clip.get_tokenizer("ViT-B-32"))
    for images, tokens in loader.dataloader:
        assert len(images) == len(tokens)
        yield images


def spent() -> float:
    """CPU seconds of this process and of its loader processes so far (Linux: fields 14 and 15 of /proc/PID/stat)."""
    seconds = time.process_time()
    for child in multiprocessing.active_children():
        user, system = Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        seconds += (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return seconds


def rate(batches: Iterator[Any], count: int) -> tuple[float, float]:
    """Images a second at the consumer and CPU milliseconds an image, over `count` batches after the first ones."""
    for _ in range(WARM):
        shape = next(batches).shape
        assert tuple(shape) == (BATCH, 3, SIZE, SIZE), shape
    started, before = time.perf_counter(), spent()
    for _ in range(count):
        next(batches)
    wall, work = time.perf_counter() - started, spent() - before
    batches.close()  # type: ignore[attr-defined]
    return count * BATCH / wall, 1000 * work / (count * BATCH)


def measure(dataset: Path, what: str, rounds: int, count: int) -> None:
    """Rotate the loaders over the rounds and print the medians."""
    loaders = {
        "open_clip": lambda: theirs(dataset),
        "ours, full decode": lambda: ours(dataset, False),
        "ours, scaled decode": lambda: ours(dataset, True),
        "bare, scaled decode": lambda: bare(dataset),
    }
    names = list(loaders)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for number in range(rounds):
        for name in names[number % 4 :] + names[: number % 4]:
            found[name].append(rate(loaders[name](), count))
    shards = json.loads((dataset / "manifest.json").read_text())["splits"]["train"]["shards"]
    each = sum(shard["bytes"] for shard in shards) / sum(shard["samples"] for shard in shards) / 1024
    print(f"\n{what}, {each:.0f} KiB a sample; {rounds} rounds of {count * BATCH} images a loader")
    for name in names:
        faster = [mine / other for (mine, _), (other, _) in zip(found[name], found["open_clip"], strict=True)]
        less = [other / mine for (_, mine), (_, other) in zip(found[name], found["open_clip"], strict=True)]
        images, work = (statistics.median(column) for column in zip(*found[name], strict=True))
        print(
            f"{name:20s}{images:7.0f} images/s  x {statistics.median(faster):.2f} ({min(faster):.2f} to "
            f"{max(faster):.2f}){work:8.2f} ms CPU an image  x {statistics.median(less):.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--overlay", type=Path, default=Path(".venv/webdataset-0.2.86"))
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=30, help="measured batches of 32 a loader and round")
    options = parser.parse_args()
    overlay = options.overlay.resolve()
    if str(overlay) not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if not (overlay / "webdataset").is_dir():
            sys.exit(f"{overlay} holds no webdataset 0.2.86: `make .venv/webdataset-0.2.86`, or give --overlay")
        # A new start: webdataset must come from the overlay in this process and in its workers.
        path = os.pathsep.join([str(overlay), *filter(None, [os.environ.get("PYTHONPATH")])])
        os.execve(
            sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
        )

    import cv2
    import open_clip
    import PIL

    torch.set_num_threads(1)
    print(
        f"torch {torch.__version__}, opencv {cv2.__version__}, open_clip {open_clip.__version__}, "
        f"pillow {PIL.__version__}, webdataset 0.2.86; {WORKERS} workers on {len(os.sched_getaffinity(0))} cores"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = build(folder, "xray", "nih_cxr14", options.images)
        eyes = build(folder, "fundus", "idrid", options.images)
        for dataset, what in (
            (films, "films, grey JPEGs of 512 pixels"),
            (eyes, "eyes, colour JPEGs (4:4:4) of 512 pixels"),
            (redraw(eyes, folder / "1024", 1024), "eyes, colour JPEGs (4:2:0) of 1,024 pixels"),
        ):
            measure(dataset, what, options.rounds, options.batches)


if __name__ == "__main__":
    main()
