"""Everything a build knows before it touches a source: hierarchy, wording, label tables, all checked."""

from __future__ import annotations

from dataclasses import dataclass

from mgll_data import hierarchy as hierarchies
from mgll_data.errors import UsageError
from mgll_data.harmonise import LabelMap, label_table, load_labels
from mgll_data.hierarchy import Hierarchy
from mgll_data.recipe import REPORT_TABLES, Recipe
from mgll_data.schema import State
from mgll_data.sources import base
from mgll_data.stage import file_sha256
from mgll_data.texts import lint
from mgll_data.texts import templates as wording
from mgll_data.texts.templates import Templates

FILES = ("hierarchy.csv", "templates.yaml", "explanations.csv")
LABELS = "labels"


@dataclass(frozen=True)
class Setup:
    """The vocabulary of a recipe, loaded. digests: sha256 of each vocabulary file that the recipe uses, by its name."""

    hierarchy: Hierarchy
    templates: Templates
    maps: dict[str, LabelMap]
    digests: dict[str, str]

    @property
    def wording_digest(self) -> dict[str, str]:
        """The digests of the hierarchy and the wording alone."""
        return {name: self.digests[name] for name in FILES}

    @property
    def reports_digest(self) -> dict[str, str]:
        """The digests of the tables that reports are read with; empty for a vocabulary without them."""
        return {name: self.digests[name] for name in REPORT_TABLES if name in self.digests}

    @property
    def labels_digest(self) -> dict[str, str]:
        """The digests of the label tables alone."""
        return {name: digest for name, digest in self.digests.items() if name.startswith(f"{LABELS}/")}


def set_up(recipe: Recipe) -> Setup:
    """Load and check the vocabulary for the recipe's sources.

    Raises UsageError with every problem: a missing file, a row that does not resolve, a concept that the sources can
    make present and that has too little wording, a wording that the linter refuses.
    """
    folder = recipe.vocab
    lacking = [name for name in FILES if not (folder / name).is_file()]
    if lacking:
        raise UsageError([f"{folder}: the vocabulary has no {name}" for name in lacking])
    hierarchy = hierarchies.load(folder)
    maps = load_labels(folder, [base.find(use.use).card for use in recipe.sources], hierarchy)
    templates = wording.load(folder, hierarchy)
    sayable = hierarchy.ontology.up(reachable(maps, hierarchy))
    problems = lint.problems(hierarchy, templates, sorted(sayable))
    if problems:
        raise UsageError([f"{folder}: {problem}" for problem in problems])
    digests = {name: file_sha256(folder / name) for name in FILES}
    digests |= {name: file_sha256(folder / name) for name in REPORT_TABLES if (folder / name).is_file()}
    digests |= {f"{LABELS}/{name}.csv": file_sha256(label_table(folder, name)) for name in maps}
    return Setup(hierarchy, templates, maps, digests)


def reachable(maps: dict[str, LabelMap], hierarchy: Hierarchy) -> set[str]:
    """Concepts that some label of these sources can make present, negations that follow included, without ancestors."""
    said = {
        rule.concept
        for labels in maps.values()
        for rules in labels.rules.values()
        for rule in rules
        if rule.state(State.PRESENT) is State.PRESENT
    }
    denied = {
        rule.concept
        for labels in maps.values()
        for rules in labels.rules.values()
        for rule in rules
        for word in State
        if rule.state(word) is State.ABSENT
    }
    follows = {
        negation for negation, negated in hierarchy.negations.items() if negated in hierarchy.ontology.down(denied)
    }
    return said | follows
