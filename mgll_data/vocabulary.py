"""`vocabulary.json`: the concepts and zero-shot prompts beside the shards, for readers without this package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mgll_data.hierarchy import Hierarchy
from mgll_data.texts.templates import Templates


def vocabulary(
    hierarchy: Hierarchy, templates: Templates, *, modality: str, recipe: str, levels: Sequence[str]
) -> dict[str, Any]:
    """The content of the file: every concept with parents, exclusive groups, negation, codes and prompts."""
    return {
        "v": 1,
        "modality": modality,
        "recipe": recipe,
        "levels": list(levels),
        "normal": hierarchy.normal,
        "abnormal": hierarchy.abnormal,
        "concepts": [
            {
                "id": concept.id,
                "name": concept.name,
                "level": concept.level,
                "parents": list(concept.parents),
                "exclusive": list(concept.exclusive),
                "negates": concept.negates,
                "evidence_of": list(concept.evidence_of),
                "codes": {system: list(values) for system, values in concept.codes.items()},
                "prompts": templates.prompts(concept.id, concept.level),
            }
            for concept in hierarchy.concepts.values()
        ],
    }
