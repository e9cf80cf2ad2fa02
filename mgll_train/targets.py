"""What counts as a positive: concept states of images against the concepts that a text names.

A label's silence is unknown, never absent. So a pair of image and text has three answers: the text holds, it does not
hold, or nobody has looked. All of it is matrix products over concepts; nothing loops over pairs.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from mgll_data.schema import CONTRACT_VERSION, Ontology
from mgll_train.errors import DataError, UserError

Unknown = Literal["mask", "negative"]


class States(NamedTuple):
    """Concept ids of one sample by state; `absent` holds every concept below those that the sample stores."""

    present: frozenset[str]
    absent: frozenset[str]
    uncertain: frozenset[str]


class Vocabulary:
    """The concepts of one or several datasets, from their `vocabulary.json`.

    Attributes: `concepts` (ids in sorted order, the columns of all matrices here), `index` (id to column), `names`,
    `modalities` (id to modality), `levels` (in the order first met), `ontology`.
    """

    def __init__(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """Merge decoded vocabulary.json documents; UserError where two of them contradict each other."""
        entries: dict[str, dict[str, Any]] = {}
        self.modalities: dict[str, str] = {}
        levels: dict[str, None] = {}
        for document in documents:
            name = document.get("recipe", "?")
            if document.get("v") != CONTRACT_VERSION:
                found = document.get("v")
                raise UserError(f"vocabulary of {name}: version {found!r}, this reader knows {CONTRACT_VERSION}")
            levels |= dict.fromkeys(document["levels"])
            for concept in document["concepts"]:
                self._add(entries, concept, document["modality"], name)
        self.levels: tuple[str, ...] = tuple(levels)
        self.concepts: tuple[str, ...] = tuple(sorted(entries))
        self.index: dict[str, int] = {concept: column for column, concept in enumerate(self.concepts)}
        self.names: dict[str, str] = {concept: entries[concept]["name"] for concept in self.concepts}
        self._entries = entries
        self.ontology = Ontology({concept: entries[concept]["parents"] for concept in self.concepts})
        self._build_matrices()

    def _add(self, entries: dict[str, dict[str, Any]], concept: Mapping[str, Any], modality: str, name: str) -> None:
        key = concept["id"]
        prompts = {level: list(texts) for level, texts in concept.get("prompts", {}).items()}
        new = {
            "name": concept["name"],
            "parents": tuple(concept["parents"]),
            "exclusive": tuple(concept.get("exclusive") or ()),
            "negates": concept.get("negates"),
            "prompts": prompts,
        }
        root = f"{modality}.root"
        if key != root and root in new["parents"] and root not in entries:
            entries[root] = {"name": root, "parents": (), "exclusive": (), "negates": None, "prompts": {}}
            self.modalities[root] = modality
        old = entries.get(key)
        if old is None or (key == root and not old["prompts"]):
            entries[key] = new
            self.modalities[key] = modality
            return
        for field in ("parents", "exclusive", "negates"):
            if old[field] != new[field]:
                raise UserError(
                    f"concept {key}: {field} is {new[field]!r} in the vocabulary of {name}, {old[field]!r} in another"
                    " dataset's; build both with the same version of the hierarchy"
                )
        for level, texts in prompts.items():
            old["prompts"][level] = list(dict.fromkeys([*old["prompts"].get(level, []), *texts]))

    @classmethod
    def load(cls, sources: str | Path | Mapping[str, Any] | Iterable[str | Path | Mapping[str, Any]]) -> Vocabulary:
        """Read one or several vocabularies: decoded documents, paths of vocabulary.json, or folders that hold one.

        Raises UserError naming the file.
        """
        several = [sources] if isinstance(sources, str | Path | Mapping) else list(sources)
        return cls([source if isinstance(source, Mapping) else _read(Path(source)) for source in several])

    def merge(self, other: Vocabulary) -> Vocabulary:
        """A vocabulary with the concepts, prompts and levels of both; UserError where they contradict each other."""
        return Vocabulary([*self._documents(), *other._documents()])

    def _documents(self) -> list[dict[str, Any]]:
        by_modality: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for key in self.concepts:
            by_modality[self.modalities[key]].append({"id": key, **self._entries[key]})
        return [
            {"v": CONTRACT_VERSION, "modality": modality, "levels": self.levels, "concepts": concepts}
            for modality, concepts in by_modality.items()
        ]

    def prompts(self, concept: str, level: str) -> tuple[str, ...]:
        """Zero-shot prompts of a concept at a level, empty where it has none."""
        return tuple(self._entries[concept]["prompts"].get(level, ()))

    @property
    def negations(self) -> dict[str, str]:
        """Concepts that are the absence of another by definition, and that other (no_dr: dr)."""
        return {name: entry["negates"] for name, entry in self._entries.items() if entry["negates"] is not None}

    def opposites(self) -> dict[str, str]:
        """Both directions of `negations`."""
        return {**self.negations, **{negated: name for name, negated in self.negations.items()}}

    def _build_matrices(self) -> None:
        size = len(self.concepts)
        self._up = torch.eye(size)
        self._down = torch.eye(size)
        self._rules_out = torch.zeros(size, size)
        groups: dict[str, list[str]] = defaultdict(list)
        for concept in self.concepts:
            row = self.index[concept]
            for other in self.ontology.up([concept]):
                self._up[row, self.index[other]] = 1
            for other in self.ontology.down([concept]):
                self._down[row, self.index[other]] = 1
            for group in self._entries[concept]["exclusive"]:
                groups[f"{self.modalities[concept]}/{group}"].append(concept)
            negated = self._entries[concept]["negates"]
            if negated is not None:
                if negated not in self.ontology:
                    raise UserError(f"concept {concept} negates {negated!r}, which the vocabulary does not hold")
                self._rule_out(concept, negated)
                self._rule_out(negated, concept)
        for members in groups.values():
            for one in members:
                kin = self.ontology.ancestors(one) | self.ontology.descendants(one) | {one}
                for other in members:
                    if other not in kin:
                        self._rule_out(one, other)
        codes = sorted(set(self.modalities.values()))
        self._foreign: dict[str, Tensor] = {
            code: torch.tensor([self.modalities[concept] != code for concept in self.concepts], dtype=torch.bool)
            for code in codes
        }

    def _rule_out(self, present: str, absent: str) -> None:
        for other in self.ontology.down([absent]):
            self._rules_out[self.index[present], self.index[other]] = 1

    def _columns(self, concepts: Iterable[str], where: str) -> list[int]:
        try:
            return [self.index[concept] for concept in concepts]
        except KeyError as error:
            raise DataError(f"{where} names concept {error}, which vocabulary.json does not hold") from None

    def _flags(self, rows: Sequence[tuple[Iterable[str], str]]) -> Tensor:
        """(len(rows), C) float32 with 1 at the concepts named; the second entry says where they stand, for errors."""
        places = [(row, column) for row, (ids, where) in enumerate(rows) for column in self._columns(ids, where)]
        flags = torch.zeros(len(rows), len(self.concepts))
        if places:
            row, column = torch.tensor(places).T
            flags[row, column] = 1
        return flags

    def image_states(self, samples: Sequence[Mapping[str, Any]]) -> tuple[Tensor, Tensor, Tensor]:
        """Present, absent and uncertain flags, each (n, C) bool, of decoded sample JSONs (contract version 1).

        Present is closed upward. Absent holds everything below the stored concepts and what a present concept rules out
        (other members of its exclusive groups, its negation), less what is present or uncertain.
        Raises DataError for a concept or a modality that the vocabulary does not know.
        """

        def stored(state: str) -> Tensor:
            return self._flags([(sample["concepts"][state], f"sample {sample['uid']}") for sample in samples])

        for sample in samples:
            if sample["modality"] not in self._foreign:
                known = ", ".join(self._foreign)
                raise DataError(f"sample {sample['uid']} is {sample['modality']}; the vocabulary covers {known}")
        present = (stored("present") @ self._up) > 0
        uncertain = (stored("uncertain") > 0) & ~present
        absent = (stored("absent") @ self._down + present.float() @ self._rules_out) > 0
        return present, absent & ~present & ~uncertain, uncertain

    def other_modalities(self, samples: Sequence[Mapping[str, Any]]) -> Tensor:
        """(n, C) bool: the concepts of other modalities than the sample's."""
        if not samples:
            return torch.zeros(0, len(self.concepts), dtype=torch.bool)
        return torch.stack([self._foreign[sample["modality"]] for sample in samples])

    def states(self, sample: Mapping[str, Any]) -> States:
        """Concept ids of one decoded sample JSON by state, as `image_states` gives them."""
        rows = self.image_states([sample])
        return States(*(frozenset(self.concepts[column] for column in row[0].nonzero()[:, 0]) for row in rows))

    def text_concepts(self, texts: Sequence[Mapping[str, Any]]) -> Tensor:
        """(K, C) bool: the concepts that every text (`{"id", "text", "concepts"}`) asserts."""
        return self._flags([(text["concepts"], f"text {text['id']}") for text in texts]) > 0

    def text_about(self, texts: Sequence[Mapping[str, Any]]) -> Tensor:
        """(K, C) bool: the concepts of which every text says more or less than presence (its optional `about`)."""
        return self._flags([(text.get("about", ()), f"text {text['id']}") for text in texts]) > 0

    def positives(
        self,
        samples: Sequence[Mapping[str, Any]],
        level: str,
        texts: Sequence[Mapping[str, Any]],
        unknown: Unknown = "mask",
    ) -> tuple[Tensor, Tensor]:
        """Targets Y (n, K) float32 and valid (n, K) bool of decoded sample JSONs and texts of a level: see `match`."""
        present, absent, _ = self.image_states(samples)
        own = carried(samples, level, texts)
        absent = absent | self.other_modalities(samples)
        return match(present, absent, self.text_concepts(texts), self.text_about(texts), own, unknown)


def carried(samples: Sequence[Mapping[str, Any]], level: str, texts: Sequence[Mapping[str, Any]]) -> Tensor:
    """(n, K) bool: whether the sample carries the text's id at this level."""
    column = {text["id"]: k for k, text in enumerate(texts)}
    own = torch.zeros(len(samples), len(texts), dtype=torch.bool)
    places = [
        (row, column[text["id"]])
        for row, sample in enumerate(samples)
        for text in sample["texts"].get(level, ())
        if text["id"] in column
    ]
    if places:
        row, col = torch.tensor(places).T
        own[row, col] = True
    return own


def match(
    present: Tensor, absent: Tensor, concepts: Tensor, about: Tensor, own: Tensor, unknown: Unknown
) -> tuple[Tensor, Tensor]:
    """Targets Y (n, K) float32 and valid (n, K) bool from flags of images and texts.

    present, absent (n, C) bool, concepts of other modalities counted as absent; concepts (K, C) bool, those that the
    text asserts; about (K, C) bool, those of which it says more or less than presence ("left pleural effusion",
    "possible pneumonia"); own (n, K) bool, the image carries the text.
    Positive: own, or the text asserts concepts, all are present, and it is about none. Negative: a concept of either
    kind is absent, or there is none. Anything else is unknown: valid is False under "mask", and a negative under
    "negative".
    """
    if unknown not in ("mask", "negative"):
        raise ValueError(f"unknown must be 'mask' or 'negative', not {unknown!r}")
    spoken = (concepts | about).any(1)
    positive, negative = own, torch.ones_like(own)
    if spoken.any():  # free text names no concept and needs no product
        asserted, named = concepts.to(torch.float32), (concepts | about).to(torch.float32)
        size = asserted.sum(1)
        # Sums of 0/1 products below 256 are exact in every float type, so == is safe.
        positive = own | ((present.to(torch.float32) @ asserted.T == size) & (size > 0) & ~about.any(1))
        negative = (absent.to(torch.float32) @ named.T > 0) | ~spoken
    valid = positive | negative if unknown == "mask" else torch.ones_like(positive)
    return positive.to(torch.float32), valid


def _read(path: Path) -> Mapping[str, Any]:
    file = path / "vocabulary.json" if path.is_dir() else path
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file}: no vocabulary.json here; is this a dataset that mgll-data built?") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{file}:{error.lineno}: not JSON ({error.msg})") from None
    if not isinstance(document, dict):
        raise UserError(f"{file}: expected an object, found {type(document).__name__}")
    return document
