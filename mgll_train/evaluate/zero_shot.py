"""Zero-shot classification: how well an image's cosine to a concept's prompts ranks the images that have it.

The score of an image for a concept is the cosine of its feature to the concept's prompt feature: the unit mean of the
unit features of all its prompts, averaged over levels. Where the vocabulary holds the concept's opposite ("no diabetic
retinopathy"), the cosine to that is subtracted, as with the pairs of positive and negative prompts of CheXzero (Tiu et
al. 2022): a text and its denial share most words. Images are ranked for one concept at a time, which suits several
findings in one picture: nothing is subtracted for other concepts, whose presence is no evidence against this one.
Labels are the dataset's: present 1, absent 0 (hierarchy and exclusive groups counted); uncertain and unknown are left
out of that concept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mgll_train import checkpoint, shards
from mgll_train.budget import Budget
from mgll_train.build import trained_model
from mgll_train.errors import DataError, UserError
from mgll_train.evaluate.metrics import average_precision, bootstrap_auc
from mgll_train.evaluate.pictures import Pictures, load_pictures
from mgll_train.model import Preprocess, Tokenizer, TwoTowers
from mgll_train.picture import View
from mgll_train.stream import normalise
from mgll_train.vocabulary import Vocabulary
from mgll_train.workers import worker_count

Floats = NDArray[np.float64]
PROMPT_LEVELS = ("category", "diagnostic", "explanatory")
TEXTS_AT_ONCE = 256


def evaluate(
    path: Path,
    patterns: Sequence[str],
    *,
    split: str = "test",
    prompts: Sequence[str] = ("category", "diagnostic"),
    min_count: int = 10,
    draws: int = 1000,
    seed: int = 0,
    batch: int = 128,
    workers: int = -1,
    broken: float | None = None,
    average: bool = False,
) -> dict[str, Any]:
    """Score a checkpoint (file or run folder) on a split of the datasets that `patterns` name: `evaluation.json`.

    Several datasets are scored together, each concept on the images of its modality. prompts: the levels whose prompts
    are averaged. min_count: a concept with fewer positives or negatives is listed under `not_scored` with the reason.
    draws, seed: bootstrap over groups of images (patients). broken: share of the images that may be
    unreadable; None for that of the training run. average: take the running average of the weights (setting `ema`).
    Raises UserError for input that cannot work and DataError for damaged data.
    """
    path = checkpoint.resolve(path)
    state = checkpoint.load(path)
    datasets = shards.find(patterns)
    reader = shards.Reader(shards.split_shards(datasets, split))
    vocabulary = shards.vocabulary(datasets)
    wrong = [level for level in prompts if level not in PROMPT_LEVELS]
    if wrong or not prompts:
        raise UserError(f"prompts: {', '.join(wrong) or 'none'} given; they are of levels {', '.join(PROMPT_LEVELS)}")

    model, wanted, tokenizer = trained_model(path, state, average=average)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device).eval()

    budget = Budget(state["config"]["broken"] if broken is None else broken, len(reader))
    pictures = Pictures(reader, View(wanted.image_size), vocabulary)
    images, metas = _encode_images(
        model, wanted, pictures, budget, batch, worker_count(workers, cuda=device.type == "cuda")
    )
    labels = label_matrix(vocabulary, metas)
    chosen, not_scored = choose_concepts(vocabulary, labels, prompts, min_count)
    if not chosen:
        raise UserError(
            f"no concept of split {split!r} ({len(metas)} images) has {min_count} positives and {min_count} negatives: "
            "lower --min-count or take a larger split"
        )
    names = [vocabulary.concepts[column] for column in chosen]
    scores = score_matrix(model, tokenizer, images, vocabulary, names, vocabulary.opposites(), prompts)
    groups = [meta["group"] for meta in metas]
    return {
        "v": 1,
        "task": "zero-shot",
        "split": split,
        **_report(vocabulary, names, labels[:, chosen], scores, groups, draws, seed),
        "not_scored": not_scored,
        "images": len(metas),
        "broken": len(budget),
        "prompts": list(prompts),
        "score": "cosine, minus the cosine to the opposite concept where there is one",
        "min_count": min_count,
        "seed": seed,
        "checkpoint": path.name,
        "step": state["step"],
        "average": average,
        "model": state["config"]["model"],
        "objective": state["config"]["objective"],
        "manifests": list(shards.identity(datasets)),
        "trained_on": list(state["manifests"]),
    }


def _report(
    vocabulary: Vocabulary, names: list[str], labels: Floats, scores: Floats, groups: list[str], draws: int, seed: int
) -> dict[str, Any]:
    """Macro and per-concept figures of labels (n, C), NaN where unknown, and scores (n, C)."""
    found = bootstrap_auc(labels, scores, groups, draws=draws, seed=seed)
    concepts: dict[str, Any] = {}
    for column, name in enumerate(names):
        known = ~np.isnan(labels[:, column])
        concepts[name] = {
            "name": vocabulary.names[name],
            "modality": vocabulary.modalities[name],
            "auc": float(found.auc[column]),
            "interval": list(found.interval(column)),
            "ap": average_precision(labels[known, column], scores[known, column]),
            "positives": int((labels[:, column] == 1).sum()),
            "negatives": int((labels[:, column] == 0).sum()),
            "left_out": int((~known).sum()),
        }

    def macro(columns: list[int]) -> dict[str, Any]:
        value, low, high = found.macro(columns)
        aps = [concepts[names[column]]["ap"] for column in columns]
        figures = {"macro_auc": value, "macro_auc_interval": [low, high], "macro_ap": float(np.mean(aps))}
        return {**figures, "concepts_scored": len(columns)}

    modalities = sorted({vocabulary.modalities[name] for name in names})
    by_modality = {
        modality: macro([i for i, name in enumerate(names) if vocabulary.modalities[name] == modality])
        for modality in modalities
    }
    return {
        **macro(list(range(len(names)))),
        "modalities": by_modality,
        "concepts": concepts,
        "bootstrap": {"draws": draws, "level": 0.95, "unit": "group", "groups": len(set(groups))},
    }


def label_matrix(vocabulary: Vocabulary, metas: Sequence[Mapping[str, Any]]) -> Floats:
    """(n, C): 1 present, 0 absent, NaN uncertain or unknown, and NaN for the concepts of other modalities."""
    present, absent, _ = vocabulary.image_states(metas)
    labels = np.full(present.shape, np.nan)
    labels[present.numpy()] = 1
    labels[absent.numpy()] = 0
    labels[vocabulary.other_modalities(metas).numpy()] = np.nan
    return labels


def _prompts(vocabulary: Vocabulary, concept: str, levels: Sequence[str]) -> list[tuple[str, ...]]:
    """Prompts of a concept, a tuple for each level that has some."""
    return [texts for level in levels if (texts := vocabulary.prompts(concept, level))]


def choose_concepts(
    vocabulary: Vocabulary, labels: Floats, levels: Sequence[str], least: int
) -> tuple[list[int], dict[str, dict[str, Any]]]:
    """Columns to score, and for all other concepts that have a label why they are not."""
    chosen: list[int] = []
    refused: dict[str, dict[str, Any]] = {}
    negations = vocabulary.negations
    for column, name in enumerate(vocabulary.concepts):
        positives, negatives = int((labels[:, column] == 1).sum()), int((labels[:, column] == 0).sum())
        if vocabulary.ontology.is_root(name) or not positives + negatives:
            continue
        if name in negations:
            # Its labels and its score are those of the other with the sign changed: counting both would weigh it twice.
            reason = f"the opposite of {negations[name]}"
        elif not _prompts(vocabulary, name, levels):
            reason = f"no prompt of level {' or '.join(levels)}"
        elif positives < least:
            reason = f"fewer than {least} positives"
        elif negatives < least:
            reason = f"fewer than {least} negatives"
        else:
            chosen.append(column)
            continue
        refused[name] = {"reason": reason, "positives": positives, "negatives": negatives}
    return chosen, refused


@torch.inference_mode()
def _encode_images(
    model: TwoTowers, wanted: Preprocess, pictures: Pictures, budget: Budget, batch: int, workers: int
) -> tuple[Tensor, list[Mapping[str, Any]]]:
    """Unit features (n, D) on the CPU and the JSON of every readable image, in the order of the shards."""
    device = next(model.parameters()).device
    features: list[Tensor] = []
    metas: list[Mapping[str, Any]] = []
    with closing(load_pictures(pictures, batch, workers=workers)) as packs:
        for pack in packs:
            budget.spend(pack.broken)
            if pack.images is not None:
                images = normalise(pack.images.to(device), wanted)
                features.append(F.normalize(model.encode_image(images).float(), dim=-1).cpu())
                metas += pack.metas
    if not features:
        raise DataError(f"none of the {len(pictures)} images can be read")
    return torch.cat(features), metas


def score_matrix(
    model: TwoTowers,
    tokenizer: Tokenizer,
    images: Tensor,
    vocabulary: Vocabulary,
    names: Sequence[str],
    opposites: Mapping[str, str],
    levels: Sequence[str],
) -> Floats:
    """(n, C) scores of unit image features (n, D) for the concepts `names`: see the module."""
    wanted = sorted({*names, *(opposites[name] for name in names if name in opposites)})
    prompts = {name: texts for name in wanted if (texts := _prompts(vocabulary, name, levels))}
    column = {name: k for k, name in enumerate(prompts)}
    cosines: Floats = (images @ _encode_prompts(model, tokenizer, list(prompts.values())).T).double().numpy()
    scores = cosines[:, [column[name] for name in names]]
    for c, name in enumerate(names):
        opposite = opposites.get(name)
        if opposite in column:
            scores[:, c] -= cosines[:, column[opposite]]
    return scores


@torch.inference_mode()
def _encode_prompts(model: TwoTowers, tokenizer: Tokenizer, prompts: Sequence[Sequence[tuple[str, ...]]]) -> Tensor:
    """One unit feature (C, D) for each concept from its prompts by level; every distinct text is encoded once."""
    device = next(model.parameters()).device
    texts = sorted({text for levels in prompts for level in levels for text in level})
    parts = [
        F.normalize(model.encode_text(tokenizer(texts[at : at + TEXTS_AT_ONCE]).to(device)).float(), dim=-1).cpu()
        for at in range(0, len(texts), TEXTS_AT_ONCE)
    ]
    features = dict(zip(texts, torch.cat(parts), strict=True))

    def unit_mean(rows: list[Tensor]) -> Tensor:
        return F.normalize(torch.stack(rows).mean(0), dim=-1)

    return torch.stack(
        [unit_mean([unit_mean([features[text] for text in level]) for level in levels]) for levels in prompts]
    )
