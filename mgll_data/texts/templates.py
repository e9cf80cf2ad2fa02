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

T = TypeVar("T")
CATEGORY_LEVELS = ("status", "family")


@dataclass(frozen=True)
class Templates:
    """All wording of one modality.

    `modality` is keyed by DICOM modality code, `views` and `study` by view ('' where it is unknown).
    """

    phrases: Mapping[str, tuple[str, ...]]
    explanations: Mapping[str, tuple[str, ...]]
    diagnostic: tuple[str, ...]
    category: tuple[str, ...]
    modality: Mapping[str, tuple[str, ...]]
    views: Mapping[str, tuple[str, ...]]
    study: Mapping[str, tuple[str, ...]]
    laterality: Mapping[str, str]

    def finding(self, concepts: Sequence[str], uid: str, laterality: str | None = None) -> str:
        """One diagnostic sentence that asserts all of the concepts, as a clinician would list them."""
        names = [pick(self.phrases[c], uid, f"phrase/{c}") for c in concepts]
        listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        side = self.laterality.get(laterality or "")
        frame = pick(self.diagnostic, uid, "diagnostic/" + "/".join(concepts))
        return capitalise(frame.format(finding=f"{listed}, {side}" if side else listed))

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


def capitalise(sentence: str) -> str:
    """The sentence with a capital first letter, the rest untouched (unlike str.capitalize)."""
    return sentence[:1].upper() + sentence[1:]


def load(folder: Path, hierarchy: Hierarchy) -> Templates:
    """Read `templates.yaml` and `explanations.csv`. Raises UsageError with every unknown concept or empty list."""
    path = folder / "templates.yaml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: {error}") from error
    explanations: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    table = folder / "explanations.csv"
    with table.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        for row in reader:
            if row["concept"] not in hierarchy.ontology:
                problems.append(f"{table}:{reader.line_num}: unknown concept {row['concept']!r}")
            explanations[row["concept"]] = (*explanations.get(row["concept"], ()), row["text"].strip())
    phrases = {concept: tuple(words) for concept, words in (content.get("phrases") or {}).items()}
    problems += [f"{path}: phrases of unknown concept {c!r}" for c in phrases if c not in hierarchy.ontology]
    problems += [f"{path}: no phrase of {c!r}" for c, words in phrases.items() if not words]
    problems += [f"{table}: {c} has phrases but no explanation" for c in phrases if c not in explanations]
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
        diagnostic=tuple(content["diagnostic"]["frames"]),
        category=tuple(content["category"]["frames"]),
        modality=sentences("modality"),
        views=sentences("views"),
        study=sentences("study"),
        laterality=dict(content.get("laterality") or {}),
    )
