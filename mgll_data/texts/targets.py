"""The texts of one image at every level of the recipe, each with the concepts it asserts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from mgll_data.errors import UsageError
from mgll_data.hierarchy import Hierarchy
from mgll_data.reports.texts import ReportText
from mgll_data.schema import text_id
from mgll_data.texts.diagnostic import Composer, Sentence
from mgll_data.texts.templates import CATEGORY_LEVELS, Templates, pick

VERSION = 6
STUDY_FRAMES = ("{}", "Study: {}", "Examination: {}.", "Radiographic study of the type {}.")
DEFAULT_CODE = {"cxr": "XR", "fundus": "CFP"}


@dataclass(frozen=True)
class Text:
    """One text of an image.

    concepts: all that it asserts; none for a text about acquisition. about: concepts of which it says more or less than
    that they are present, such as a side, a severity or a doubt; with one of those it holds only for images that carry
    it, whatever else is present there, and it fails where one of them is absent.
    """

    level: str
    text: str
    concepts: tuple[str, ...]
    about: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Id, equal for equal texts of a level."""
        return text_id(self.level, self.text)

    def said(self) -> dict[str, Any]:
        """The columns of TEXTS that hold what it says."""
        return {"text": self.text, "concepts": self.concepts, "about": self.about}


@dataclass(frozen=True)
class Subject:
    """What the texts speak of: the image's closed present concepts and how it was taken.

    study_name: see `images.study_names`. uncertain: concepts raised and not settled. qualifiers: concept -> what
    its source states, of schema.QUALIFIERS. report: texts of the image's report that agree with its labels.
    """

    uid: str
    present: frozenset[str]
    view: str | None
    laterality: str | None
    modality_code: str | None
    study_name: str | None = None
    uncertain: frozenset[str] = frozenset()
    qualifiers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    report: tuple[ReportText, ...] = ()


class Writer:
    """Writes the texts of one recipe: levels in order, at most `per_level` texts of each for an image."""

    def __init__(
        self, hierarchy: Hierarchy, templates: Templates, modality: str, levels: Sequence[str], per_level: int
    ) -> None:
        self._hierarchy = hierarchy
        self._templates = templates
        self._modality = modality
        self._levels = levels
        self._per_level = per_level
        self._composer = Composer(hierarchy, templates, modality)
        self._order = {concept: i for i, concept in enumerate(hierarchy.concepts)}

    def texts(self, subject: Subject) -> list[Text]:
        """All texts of the image, coarse to fine. Equal texts of a level appear once."""
        written: dict[tuple[str, str], Text] = {}
        for level in self._levels:
            for text in self._level(level, subject)[: self._per_level]:
                written.setdefault((text.level, text.text), text)
        return list(written.values())

    def _level(self, level: str, subject: Subject) -> list[Text]:
        templates, uid = self._templates, subject.uid
        if level == "modality":
            general = DEFAULT_CODE[self._modality]
            code = subject.modality_code if subject.modality_code in templates.modality else general
            half = max(1, self._per_level // 2) if len(templates.modality) > 1 else self._per_level
            own = () if code == general else templates.modality[code or general][: max(1, self._per_level - half)]
            return self._acquisition(level, [*own, *templates.modality[general][:half]], uid)
        if level in ("study", "series"):
            if level == "study" and subject.study_name:
                return self._acquisition(level, [frame.format(subject.study_name) for frame in STUDY_FRAMES], uid)
            options = templates.study if level == "study" else templates.views
            view = subject.view if subject.view in options else ""
            return self._acquisition(level, options[view or ""], uid)
        if level == "category":
            broad = [c for c in self._sorted(subject.present) if self._concept_level(c) in CATEGORY_LEVELS]
            return [Text(level, templates.category_of(c, uid), (c,)) for c in broad]
        named = self._named(subject)
        if level == "diagnostic":
            return [Text(level, *sentence) for sentence in self._diagnostic(named, subject)]
        if level == "explanatory":
            words = [Text(level, templates.explanation(c, uid), (c,)) for c in named]
            return self._mixed(words, self._reported(level, subject))
        if level == "report":
            return self._reported(level, subject)
        raise UsageError(f"level {level!r} cannot be written by this version")

    def _reported(self, level: str, subject: Subject) -> list[Text]:
        """Texts of the report. They tell more than presence, so each holds only for the images that carry it."""
        return [Text(level, t.text, t.concepts, t.concepts) for t in subject.report if t.level == level]

    def _mixed(self, own: list[Text], reported: list[Text]) -> list[Text]:
        """Own words and those of the report by turns, so that both are among the first `per_level`."""
        return [text for pair in zip_longest(own, reported) for text in pair if text is not None]

    def _acquisition(self, level: str, sentences: Sequence[str], uid: str) -> list[Text]:
        """Sentences about how the image was taken, in an order that follows the uid.

        A text without concepts is a negative for every image that does not carry it, so all images taken alike carry
        the same sentences; and those of the general modality, true of every image, are carried by all.
        """
        listed = list(sentences[: self._per_level])
        first = pick(range(len(listed)), uid, level)
        return [Text(level, text, ()) for text in (*listed[first:], *listed[:first])]

    def _diagnostic(self, named: list[str], subject: Subject) -> list[Sentence]:
        """Everything in one sentence, then each concept and each doubt alone, so that models see both."""
        lowest = [c for c in named if c in self._hierarchy.ontology.lowest(named)]
        findings = [c for c in lowest if self._concept_level(c) != "negation"] or lowest
        doubts = self._composer.doubts(self._sorted(subject.uncertain))
        whole = self._composer.composed(subject.uid, findings, doubts, subject.qualifiers, subject.laterality)
        return [
            *([whole] if whole else []),
            *(self._composer.plain(subject.uid, concept) for concept in named),
            *(self._composer.doubt(subject.uid, concept) for concept in doubts),
        ]

    def _named(self, subject: Subject) -> list[str]:
        """The most specific present concepts, findings before negations, then the diseases above them.

        The broader diseases get texts of their own so that a model learns the word "diabetic retinopathy" and not only
        its stages; broad groups belong to the level `category`, and a bare "abnormal" says too little.
        """
        ontology = self._hierarchy.ontology
        lowest = ontology.lowest(subject.present) - {self._hierarchy.abnormal}
        first = sorted(self._sorted(lowest), key=lambda c: self._concept_level(c) == "negation")
        above = {a for c in lowest for a in ontology.ancestors(c) if self._concept_level(a) in ("disease", "finding")}
        return [*first, *self._sorted(above - lowest)]

    def _sorted(self, concepts: Iterable[str]) -> list[str]:
        return sorted((c for c in concepts if c in self._templates.phrases), key=self._order.__getitem__)

    def _concept_level(self, concept: str) -> str:
        return self._hierarchy.concepts[concept].level
