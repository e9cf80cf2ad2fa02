"""The command line `mgll-train`: options in, one call, errors as messages and exit codes. No logic."""

from __future__ import annotations

import os
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from mgll_train.errors import TrainError, UserError

app = typer.Typer(
    name="mgll-train",
    help="Pretrain image-text models on the datasets that mgll-data builds, and evaluate them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Task(StrEnum):
    """The evaluations there are."""

    ZERO_SHOT = "zero-shot"


Shards = Annotated[
    list[str],
    typer.Option(
        "--shards",
        metavar="PATH|GLOB ...",
        help="Datasets: folders with manifest.json, or published folders with LATEST. Several are mixed.",
    ),
]


class _Several(TyperCommand):
    """A command whose option --weights takes several values at once, as in `--weights 2 1`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments with --weights before each of its values, which is what the parser below understands."""
        spread: list[str] = []
        inside = False
        for argument in args:
            if inside and argument[:1] in tuple("0123456789."):
                spread += ["--weights"] if spread[-1] != "--weights" else []
            else:
                inside = argument == "--weights"
            spread.append(argument)
        return super().parse_args(ctx, spread)


More = Annotated[list[str] | None, typer.Argument(metavar="PATH", help="More datasets, as after --shards.")]


@app.command(
    cls=_Several,
    short_help="Pretrain a model on one or several datasets.",
    epilog="Example: mgll-train pretrain --shards build/mgll-fundus build/mgll-xray --epochs 3 --out runs/one\n\n"
    "On two GPUs: torchrun --nproc_per_node 2 -m mgll_train.cli pretrain ...",
)
def pretrain(
    shards: Shards,
    more: More = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings, such as recipes/pretrain.yaml; options here win over it.")
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option("--objective", help="clip, siglip, mgll, mgca, mlip or plan, see above.  [default: mgll]"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", help="tiny, an open_clip model name, or the path of a config.  [default: tiny]"),
    ] = None,
    pretrained: Annotated[
        str | None,
        typer.Option("--pretrained", help="Weights to start from: a file, a folder, or an open_clip tag in the cache."),
    ] = None,
    text_tower: Annotated[
        str | None,
        typer.Option("--text-tower", help="A BERT-family text tower: its name in the Hugging Face cache, or a folder."),
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Length of the run in steps.")] = None,
    epochs: Annotated[float | None, typer.Option("--epochs", help="Length of the run in passes over the data.")] = None,
    samples: Annotated[int | None, typer.Option("--samples", help="Length of the run in samples.")] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", help="Samples a step, over all ranks.  [default: 128]")
    ] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="Peak learning rate.  [default: 5e-4]")] = None,
    precision: Annotated[
        str | None, typer.Option("--precision", help="fp32, bf16, or fp16 on CUDA.  [default: fp32]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Loader processes; -1 to choose.  [default: -1]")
    ] = None,
    weights: Annotated[
        list[float] | None,
        typer.Option(
            "--weights", metavar="NUMBER ...", help="Shares of the datasets, one each.  [default: their sizes]"
        ),
    ] = None,
    cache: Annotated[
        str | None, typer.Option("--cache", metavar="FOLDER", help="Copy shards to this folder of the node first.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of weights, order and crops.  [default: 17]")] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run: checkpoints, curves, settings.")] = Path(
        "runs/pretrain"
    ),
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Any other setting of recipes/pretrain.yaml, such as ema=0.999, accumulate=8, lock=image or "
            "'options={preset: paper}'. May be repeated.",
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="auto", help="auto: go on from the newest checkpoint in --out, if any."),
    ] = None,
) -> None:
    """Pretrain a model on the train split of one or several datasets.

    Objectives: clip and siglip pair an image with its caption; mgll with the texts of several levels that hold for it;
    mgca adds word-patch and prototype alignment; mlip and plan are our reading of two papers whose code and equations
    are not public, and reproduce no published number. docs/objectives.md tells what each computes, and its options.

    Give the length as one of --steps, --epochs and --samples. A run that is stopped (Ctrl-C, SIGTERM) writes a
    checkpoint, exits with 130, and goes on with the same command and --resume auto.
    """
    if resume not in (None, "auto"):
        raise UserError(f"--resume {resume}: the only value is auto, which takes the newest checkpoint in --out")
    from mgll_train import config as settings

    given = {
        "objective": objective,
        "model": model,
        "pretrained": pretrained,
        "text_tower": text_tower,
        "steps": steps,
        "epochs": epochs,
        "samples": samples,
        "batch": batch,
        "lr": lr,
        "precision": precision,
        "workers": workers,
        "weights": weights,
        "cache": cache,
        "seed": seed,
    }
    chosen = settings.load(config, given, setting or [])
    from mgll_train.loop import pretrain as run

    run(chosen, [*shards, *(more or [])], out, resume=resume == "auto")


@app.command(
    short_help="Score a checkpoint; write evaluation.json.",
    epilog="Example: mgll-train evaluate runs/first --shards build/mgll-fundus build/mgll-xray",
)
def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, or the folder of a run (its newest is taken).")],
    shards: Shards,
    more: More = None,
    task: Annotated[Task, typer.Option("--task", help="What to measure.")] = Task.ZERO_SHOT,
    split: Annotated[str, typer.Option("--split", help="train, val or test.")] = "test",
    prompts: Annotated[
        str, typer.Option("--prompts", help="Levels of prompts to average: category, diagnostic, explanatory.")
    ] = "category,diagnostic",
    min_count: Annotated[
        int, typer.Option("--min-count", min=1, help="Fewest positives, and negatives, that a concept is scored with.")
    ] = 10,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws for the intervals.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the bootstrap.")] = 0,
    average: Annotated[
        bool, typer.Option("--average", help="Score the running average of the weights (setting ema).")
    ] = False,
    workers: Annotated[int, typer.Option("--workers", min=-1, help="Loader processes; -1 to choose.")] = -1,
    out: Annotated[
        Path | None, typer.Option("--out", help="Report file.  [default: evaluation.json in the folder of the run]")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON instead of a table.")] = False,
) -> None:
    """Score a checkpoint on the test split of one or several datasets, and write evaluation.json.

    zero-shot: for every concept of the vocabulary, how well the cosine to its prompts ranks the images that have it:
    AUC with a bootstrap interval, and average precision. Unknown and uncertain labels are left out.
    """
    from rich.console import Console

    from mgll_train.checkpoint import resolve
    from mgll_train.evaluate import report, zero_shot

    path = resolve(checkpoint)
    file = out or (path.parent.parent if path.parent.name == "checkpoints" else path.parent) / "evaluation.json"
    report.check(file)
    figures = zero_shot.evaluate(
        path,
        [*shards, *(more or [])],
        split=split,
        prompts=[level.strip() for level in prompts.split(",") if level.strip()],
        min_count=min_count,
        draws=draws,
        seed=seed,
        workers=workers,
        average=average,
    )
    report.write(figures, file)
    if json:
        print(report.to_json(figures))
        return
    Console().print(report.summary(figures))
    print(f"report: {file}")


@app.command(
    short_help="Write a checkpoint as a folder for open_clip.",
    epilog="Example: mgll-train export runs/first --out models/first",
)
def export(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, or the folder of a run (its newest is taken).")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write, new or empty.")],
    average: Annotated[
        bool, typer.Option("--average", help="Take the running average of the weights (setting ema).")
    ] = False,
) -> None:
    """Write a checkpoint as a folder that open_clip loads: open_clip.create_model("local-dir:OUT")."""
    from mgll_train.export import export as write

    print(f"model: {write(checkpoint, out, average=average)}")


def main() -> None:
    """Run the command line: exit code 0 done, 2 wrong input, 3 damaged data or budget, 130 stopped and resumable."""
    # OpenMP threads that wait for work by spinning slow the loader's processes, and themselves, several times over.
    # The library reads this when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        app()
    except TrainError as error:
        if error.own or os.environ.get("LOCAL_RANK", "0") == "0":  # once a node
            print(f"mgll-train: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:  # an unwritable or full folder: the message names it
        print(
            f"mgll-train: {error.filename}: {error.strerror}" if error.filename else f"mgll-train: {error}",
            file=sys.stderr,
        )
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as end:  # typer turns the former into the latter
        if isinstance(end, SystemExit) and end.code != 130:
            raise
        print("mgll-train: stopped; checkpoints that were written are whole", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        # Python ends itself by SIGINT where that came while it ran a string of code, as dataclasses do, caught or not.
        os._exit(130)


if __name__ == "__main__":
    main()
