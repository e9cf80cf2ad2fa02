"""Time of a whole training step, ours against the released MGLL code's, with the same towers, images and labels.

    python benchmarks/steps.py [--rounds 7] [--threads 2] [--images 32] [--texts 20]

ViT-B-32 with random weights on the CPU, two levels; each image carries one of 20 texts of each level, of the wording
and lengths that datasets hold. Ours: `TwoTowers` and the objective `mgll`, each unique text of the batch once, in
groups of like length. Theirs: every image its own copy of each text at the full 77 tokens, raw features,
labels compared as strings, `mgll_official.step_loss`. Both: the same AdamW over the same parameters, no gradient
clipping, images already normalised and texts already tokenised. Each side has a process of its own,
which waits while the other one computes;
the order turns every round. The C library is told to keep its memory, so that neither side pays for page faults, and
their number is printed. The ratios are medians of the rounds' ratios: of the time, which other programs lengthen, and
of the CPU time, which they hardly do.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

LEVELS = ("category", "diagnostic")
MODEL = "ViT-B-32"
# Freed memory stays with the process: no side returns it to the kernel and faults it in again.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(1 << 26)}
FINDINGS = (
    "mild nonproliferative diabetic retinopathy",
    "severe nonproliferative diabetic retinopathy",
    "proliferative diabetic retinopathy",
    "diabetic macular edema",
    "primary open-angle glaucoma",
    "dry age-related macular degeneration",
    "neovascular age-related macular degeneration",
    "branch retinal vein occlusion",
    "central retinal vein occlusion",
    "central retinal artery occlusion",
    "pathologic myopia",
    "hypertensive retinopathy",
    "epiretinal membrane",
    "macular hole",
    "retinitis pigmentosa",
    "central serous chorioretinopathy",
    "optic disc edema",
    "rhegmatogenous retinal detachment",
    "cataract",
    "no diabetic retinopathy",
)
SIGNS = (
    "a few microaneurysms",
    "microaneurysms and hard exudates in the temporal quadrant",
    "cotton-wool spots",
    "flame-shaped hemorrhages along the inferior arcade",
    "new vessels at the disc",
    "retinal thickening within one disc diameter of the fovea",
    "an enlarged cup with thinning of the inferior rim",
    "large soft drusen",
    "geographic atrophy of the pigment epithelium",
    "peripapillary atrophy",
)


def wording(count: int) -> dict[str, list[str]]:
    """`count` distinct texts of each level."""
    diagnostic = [f"{SIGNS[i % len(SIGNS)]}, in keeping with {FINDINGS[i % len(FINDINGS)]}" for i in range(count)]
    category = [f"A color fundus photograph that shows {FINDINGS[i % len(FINDINGS)]}." for i in range(count)]
    more = [f" Image {i // len(FINDINGS)}." if i >= len(FINDINGS) else "" for i in range(count)]
    return {
        "category": [text + end for text, end in zip(category, more, strict=True)],
        "diagnostic": [f"Fundus photograph with {text}.{end}" for text, end in zip(diagnostic, more, strict=True)],
    }


def labels(images: int, texts: int) -> dict[str, list[int]]:
    """For each level, which text each image carries."""
    generator = torch.Generator().manual_seed(0)
    return {level: torch.randint(texts, (images,), generator=generator).tolist() for level in LEVELS}


def optimise(parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser of both sides."""
    return torch.optim.AdamW(parameters, lr=1e-5, weight_decay=0.1, fused=True)


def ours(images: Tensor, texts: int) -> tuple[Callable[[], None], torch.nn.Module]:
    """One step of ours, and the text tower's first block, whose rows are counted."""
    from mgll_train import objectives
    from mgll_train.batch import Batch, LevelBatch
    from mgll_train.build import build_model

    model, _, tokenizer = build_model(MODEL)
    objective = objectives.build("mgll", LEVELS, preset="code")
    objective.detailed = False  # as on the steps that are not logged
    levels = {}
    for level, carried in labels(len(images), texts).items():
        unique = sorted(set(carried))
        tokens = tokenizer([wording(texts)[level][index] for index in unique])
        own = torch.tensor([[index == one for one in unique] for index in carried])
        flags = torch.zeros(len(unique), 1, dtype=torch.bool)
        ids = torch.tensor(unique)
        levels[level] = LevelBatch(ids, tokens, flags, flags, own, own.float(), torch.ones_like(own))
    nothing = torch.zeros(len(images), 1, dtype=torch.bool)
    batch = Batch(images, tuple(map(str, range(len(images)))), nothing, nothing, levels, "mask")
    trained = [p for p in (*model.parameters(), *objective.parameters()) if p.requires_grad]
    optimiser = optimise(trained)

    def step() -> None:
        loss = objective(model(batch), batch)["loss"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        objective.clamp_()

    return step, model.clip.transformer.resblocks[0]  # type: ignore[union-attr,return-value,index]


def theirs(images: Tensor, texts: int) -> tuple[Callable[[], None], torch.nn.Module]:
    """One step of the released code, and the text tower's first block."""
    import open_clip
    from mgll_official import step_loss

    model = open_clip.create_model(MODEL)
    tokenizer = open_clip.get_tokenizer(MODEL)
    words = {
        level: [wording(texts)[level][index] for index in own] for level, own in labels(len(images), texts).items()
    }
    tokens = {level: tokenizer(own) for level, own in words.items()}
    optimiser = optimise([p for p in model.parameters() if p.requires_grad])

    def step() -> None:
        image = model.encode_image(images)
        features = [model.encode_text(tokens[level]) for level in LEVELS]
        loss = step_loss(image, features, [words[level] for level in LEVELS], model.logit_scale.exp())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step, model.transformer.resblocks[0]


def work(side: str, images: int, texts: int, threads: int) -> None:
    """Run one step for every line that comes in, and answer with its seconds, page faults and text rows as JSON."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    pixels = torch.randn(images, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    step, block = (ours if side == "ours" else theirs)(pixels, texts)
    shapes: list[tuple[int, int]] = []
    handle = block.register_forward_hook(lambda _module, args, _out: shapes.append(tuple(args[0].shape[:2])))
    step()
    handle.remove()
    step()
    print("ready", flush=True)
    for _line in sys.stdin:
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        step()
        seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
        answer = {
            "seconds": seconds,
            "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            "minor": after.ru_minflt - before.ru_minflt,
            "major": after.ru_majflt - before.ru_majflt,
            "rows": sum(shape[0] for shape in shapes),
            "tokens": sum(shape[0] * shape[1] for shape in shapes),
        }
        print(json.dumps(answer), flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--texts", type=int, default=20)
    parser.add_argument("--work", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work(arguments.work, arguments.images, arguments.texts, arguments.threads)
        return
    options = [str(v) for k in ("images", "texts", "threads") for v in (f"--{k}", getattr(arguments, k))]
    environment = {**os.environ, **KEEP_MEMORY, "OMP_WAIT_POLICY": "PASSIVE"}
    sides = {
        side: subprocess.Popen(
            [sys.executable, __file__, "--work", side, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for side in ("theirs", "ours")
    }
    for process in sides.values():
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    print(f"torch {torch.__version__}, {arguments.threads} threads, fp32, {MODEL}, {arguments.images} images")
    found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for turn in range(arguments.rounds):
        for side in sorted(sides, reverse=turn % 2 == 1):
            process = sides[side]
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            found[side].append(json.loads(process.stdout.readline()))
    for process in sides.values():
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
    for side, answers in found.items():
        middle = {key: statistics.median(answer[key] for answer in answers) for key in answers[0]}
        print(
            f"{side:<7} {middle['seconds']:7.3f} s   CPU {middle['cpu']:7.3f} s   text rows {middle['rows']:4.0f}, "
            f"tokens {middle['tokens']:5.0f}   page faults {middle['minor']:6.0f} minor, {middle['major']:.0f} major"
        )
    for key, name in (("seconds", "time"), ("cpu", "CPU time")):
        ratios = [one[key] / two[key] for one, two in zip(found["theirs"], found["ours"], strict=True)]
        print(f"ratio of {name}: median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
