"""The concepts of one or several datasets, and what a sample or a text says of each of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mgll_data.schema import CONTRACT_VERSION, Ontology
from mgll_train.errors import DataError, UserError

Flags = NDArray[np.bool_]
Key = TypeVar("Key")

_MOST_REMEMBERED = 20_000  # some 500 bytes each


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
        documents = [source if isinstance(source, Mapping) else _read(Path(source)) for source in several]
        for source, document in zip(several, documents, strict=True):
            if document.get("v") != CONTRACT_VERSION:
                name = f"vocabulary of {document.get('recipe', '?')}" if isinstance(source, Mapping) else source
                raise UserError(f"{name}: version {document.get('v')!r}, this reader knows {CONTRACT_VERSION}")
        return cls(documents)

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
        # Samples share few combinations of labels, and texts few of concepts: each is worked out once.
        self._rows: dict[tuple[str, ...], Flags] = {}
        self._closures: dict[tuple[tuple[str, ...], ...], Flags] = {}
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

    def _row(self, concepts: Iterable[str], where: str) -> Flags:
        """(C,) bool: the concepts named; `where` says for errors where they stand. Not to be changed."""
        key = tuple(concepts)
        if key not in self._rows:
            row = np.zeros(len(self.concepts), dtype=np.bool_)
            try:
                row[[self.index[concept] for concept in key]] = True
            except KeyError as error:
                raise DataError(f"{where} names concept {error}, which vocabulary.json does not hold") from None
            _remember(self._rows, key, row)
        return self._rows[key]

    def _flags(self, rows: Sequence[tuple[Iterable[str], str]]) -> Tensor:
        """(len(rows), C) bool: the concepts named; the second entry says where they stand, for errors."""
        if not rows:
            return torch.zeros(0, len(self.concepts), dtype=torch.bool)
        return torch.from_numpy(np.stack([self._row(concepts, where) for concepts, where in rows]))

    def _closed(self, sample: Mapping[str, Any]) -> Flags:
        """(3, C) bool: present, absent and uncertain concepts of a sample. Not to be changed."""
        said = sample["concepts"]
        key = (tuple(said["present"]), tuple(said["absent"]), tuple(said["uncertain"]))
        if key not in self._closures:
            where = f"sample {sample['uid']}"
            stored = [torch.from_numpy(self._row(concepts, where)) for concepts in key]
            present = stored[0].float() @ self._up > 0
            uncertain = stored[2] & ~present
            absent = stored[1].float() @ self._down + present.float() @ self._rules_out > 0
            closed = torch.stack([present, absent & ~present & ~uncertain, uncertain])
            _remember(self._closures, key, closed.numpy())
        return self._closures[key]

    def image_states(self, samples: Sequence[Mapping[str, Any]]) -> tuple[Tensor, Tensor, Tensor]:
        """Present, absent and uncertain flags, each (n, C) bool, of decoded sample JSONs (contract version 1).

        Present is closed upward. Absent holds everything below the stored concepts and what a present concept rules out
        (other members of its exclusive groups, its negation), less what is present or uncertain.
        Raises DataError for a concept or a modality that the vocabulary does not know.
        """
        for sample in samples:
            if sample["modality"] not in self._foreign:
                known = ", ".join(self._foreign)
                raise DataError(f"sample {sample['uid']} is {sample['modality']}; the vocabulary covers {known}")
        if not samples:
            return (torch.zeros(0, len(self.concepts), dtype=torch.bool),) * 3
        present, absent, uncertain = torch.from_numpy(np.stack([self._closed(sample) for sample in samples], 1))
        return present, absent, uncertain

    def other_modalities(self, samples: Sequence[Mapping[str, Any]]) -> Tensor:
        """(n, C) bool: the concepts of other modalities than the sample's."""
        if not samples:
            return torch.zeros(0, len(self.concepts), dtype=torch.bool)
        return torch.stack([self._foreign[sample["modality"]] for sample in samples])

    def text_concepts(self, texts: Sequence[Mapping[str, Any]]) -> Tensor:
        """(K, C) bool: the concepts that every text (`{"id", "text", "concepts"}`) asserts."""
        return self._flags([(text["concepts"], f"text {text['id']}") for text in texts])

    def text_about(self, texts: Sequence[Mapping[str, Any]]) -> Tensor:
        """(K, C) bool: the concepts of which every text says more or less than presence (its optional `about`)."""
        return self._flags([(text.get("about", ()), f"text {text['id']}") for text in texts])


def _remember(memory: dict[Key, Flags], key: Key, flags: Flags) -> None:
    if len(memory) >= _MOST_REMEMBERED:
        memory.clear()
    memory[key] = flags


def _read(path: Path) -> Mapping[str, Any]:
    file = path / "vocabulary.json" if path.is_dir() else path
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file}: there is no such file; is this a dataset that mgll-data built?") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{file}:{error.lineno}: not JSON ({error.msg})") from None
    if not isinstance(document, dict):
        raise UserError(f"{file}: expected an object, found {type(document).__name__}")
    return document
