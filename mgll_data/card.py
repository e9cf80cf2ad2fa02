"""The dataset card (`README.md` beside the shards) and the bibliography of its sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mgll_data.manifest import Manifest

_OUTCOMES = ("read", "kept", "duplicate", "quarantined", "excluded")


def bibliography(manifest: Manifest) -> str:
    """BibTeX entries of the sources that went in."""
    return "\n\n".join(source["cite"].strip() for source in manifest.sources.values()) + "\n"


def card(manifest: Manifest, figures: Mapping[str, Any]) -> str:
    """Markdown with the front matter that Hugging Face reads, written from the manifest alone."""
    phantoms = [name for name, source in manifest.sources.items() if source["phantom"]]
    licences = sorted({source["licence"] for source in manifest.sources.values()})
    lines = [
        "---",
        f"pretty_name: {manifest.name}",
        "license: other",
        f"license_name: {'; '.join(licences)}",
        "task_categories: [zero-shot-image-classification, image-to-text]",
        f"tags: [medical, {manifest.modality}, webdataset, multi-granular]",
        "---",
        "",
        f"# {manifest.name} {manifest.id}",
        "",
        f"{figures['samples']} image-text samples ({'chest X-ray' if manifest.modality == 'cxr' else 'color fundus'}), "
        f"built by mgll {manifest.created_with['mgll']} from {len(manifest.sources)} sources.",
        "",
    ]
    if phantoms:
        lines += [f"**Drawn phantoms, not patients:** {', '.join(phantoms)}. Do not use them for medical claims.", ""]
    lines += ["## Sources", "", "| source | licence | access | redistributable | " + " | ".join(_OUTCOMES) + " |"]
    lines += ["|---" * (4 + len(_OUTCOMES)) + "|"]
    for name, source in manifest.sources.items():
        shared = "yes" if source["redistributable"] else "no"
        counts = " | ".join(str(source[key]) for key in _OUTCOMES)
        lines.append(f"| [{name}]({source['url']}) | {source['licence']} | {source['access']} | {shared} | {counts} |")
    lines += ["", "Where the labels come from:", ""]
    lines += [f"- {name}: {source['label_origin']}" for name, source in manifest.sources.items()]
    lines += ["", "Cite the sources (`sources.bib`) and keep to each one's terms.", "", "## Splits", ""]
    lines += ["| split | samples | patients | shards |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {split['samples']} | {split['patients']} | {len(split['shards'])} |"
        for name, split in manifest.splits.items()
    ]
    leaks = manifest.leakage
    lines += [
        "",
        "A patient, a study and copies of one picture never straddle a split: "
        f"{leaks['patients']} patients, {leaks['groups']} groups and {leaks['pixels']} pictures stand in two.",
        "Where a source names no patients, each picture counts as one.",
        "",
        "## Texts",
        "",
        "| level | texts | different | example |",
        "|---|---|---|---|",
    ]
    for level in manifest.levels:
        text = figures["texts"][level]
        example = text["commonest"][0]["text"] if text["commonest"] else ""
        lines.append(f"| {level} | {text['instances']} | {text['unique']} | {example} |")
    lines += [
        "",
        "Labels have four states: present, absent, uncertain, and unknown where nothing is listed. A finding that a",
        "source does not mention is unknown unless that source judges it in every image.",
        "The wording was written by engineers from published grading scales; no clinician has reviewed it.",
        "",
        "## Reading it",
        "",
        "```python",
        "import webdataset as wds",
        "samples = wds.WebDataset('train/000000.tar', shardshuffle=False).decode('pil')",
        "```",
        "",
        "Each sample is an image, a `.json` (labels, texts of every level, regions) and a `.txt` (one caption).",
        "`vocabulary.json` holds the concepts, their parents and the prompts of a zero-shot classifier;",
        "`manifest.json` the recipe and the sha256 of every shard.",
        "",
    ]
    return "\n".join(lines)
