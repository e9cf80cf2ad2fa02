"""The wording: phrases, frames and explanations of a vocabulary, chosen by uid so that a rebuild says the same."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from mgll_data.errors import UsageError
from mgll_data.hierarchy import Hierarchy
from mgll_data.texts.grammar import capitalise

T = TypeVar("T")
CATEGORY_LEVELS = ("status", "family")


@dataclass(frozen=True)
class Templates:
    """All wording of one modality.

    `modality` is keyed by DICOM modality code, `views` and `study` by view ('' where it is unknown). `references` names
    the scale or definition of each explanation, in the same order.
    """

    phrases: Mapping[str, tuple[str, ...]]
    explanations: Mapping[str, tuple[str, ...]]
    references: Mapping[str, tuple[str, ...]]
    diagnostic: tuple[str, ...]
    category: tuple[str, ...]
    modality: Mapping[str, tuple[str, ...]]
    views: Mapping[str, tuple[str, ...]]
    study: Mapping[str, tuple[str, ...]]
    laterality: Mapping[str, str]

    def category_of(self, concept: str, uid: str) -> str:
        """One sentence that names the broad group."""
        frame = pick(self.category, uid, f"category/{concept}")
        return capitalise(frame.format(name=pick(self.phrases[concept], uid, f"name/{concept}")))

    def explanation(self, concept: str, uid: str) -> str:
        """One explanation of the concept."""
        return pick(self.explanations[concept], uid, f"explanatory/{concept}")

    def prompts(self, concept: str, level: str) -> dict[str, list[str]]:
        """Prompts of a zero-shot classifier for each text level that can name the concept."""
        phrases = self.phrases.get(concept, ())
        prompts = {"diagnostic": [capitalise(f.format(finding=p)) for f in self.diagnostic for p in phrases]}
        if level in CATEGORY_LEVELS:
            prompts["category"] = [capitalise(f.format(name=p)) for f in self.category for p in phrases]
        prompts["explanatory"] = list(self.explanations.get(concept, ()))
        return prompts


def pick(options: Sequence[T], uid: str, purpose: str) -> T:
    """One of the options, decided by the uid and the purpose alone."""
    number = int.from_bytes(hashlib.sha256(f"{uid}\x00{purpose}".encode()).digest()[:8], "big")
    return options[number % len(options)]


def load(folder: Path, hierarchy: Hierarchy) -> Templates:
    """Read `templates.yaml` and `explanations.csv`. Raises UsageError with every unknown concept or empty list."""
    path = folder / "templates.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: {error}") from error
    explanations: dict[str, tuple[str, ...]] = {}
    references: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    table = folder / "explanations.csv"
    with table.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        for row in reader:
            if row["concept"] not in hierarchy.ontology:
                problems.append(f"{table}:{reader.line_num}: unknown concept {row['concept']!r}")
            explanations[row["concept"]] = (*explanations.get(row["concept"], ()), row["text"] or "")
            references[row["concept"]] = (*references.get(row["concept"], ()), row.get("reference") or "")
    phrases = {concept: tuple(words) for concept, words in (content.get("phrases") or {}).items()}
    problems += [f"{path}: phrases of unknown concept {c!r}" for c in phrases if c not in hierarchy.ontology]
    for key in ("category", "diagnostic"):
        if not (content.get(key) or {}).get("frames"):
            problems.append(f"{path}: {key}.frames is missing or empty")
    if problems:
        raise UsageError(problems)

    def sentences(key: str) -> dict[str, tuple[str, ...]]:
        return {str(name): tuple(options) for name, options in (content.get(key) or {}).items()}

    return Templates(
        phrases=phrases,
        explanations=explanations,
        references=references,
        diagnostic=tuple(content["diagnostic"]["frames"]),
        category=tuple(content["category"]["frames"]),
        modality=sentences("modality"),
        views=sentences("views"),
        study=sentences("study"),
        laterality=dict(content.get("laterality") or {}),
    )
