"""Reading reports with scispacy (extra `nlp`): abbreviations that a report explains, and words spelt wrongly.

The phrase tables know the field's words as they should be written. scispacy's detector (Schwartz and Hearst, PSB 2003)
finds "right pleural effusion (RPE)", and an entity linker trained on the concepts of our own hierarchy finds the
concept nearest to a word that no table holds ("cardiomegly"). Both need no model to download: a blank English pipeline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mgll_data.errors import UsageError
from mgll_data.hierarchy import Hierarchy
from mgll_data.reports import mentions, sections
from mgll_data.reports.labeller import VOCAB, Labeller, ReportFindings
from mgll_data.reports.tokens import GAP, tokenise, variants

try:
    import nmslib
    import spacy
    from scispacy.abbreviation import AbbreviationDetector
    from scispacy.candidate_generation import CandidateGenerator
    from scispacy.linking import EntityLinker
    from scispacy.linking_utils import Entity, KnowledgeBase
    from sklearn.feature_extraction.text import TfidfVectorizer
    from spacy.matcher import PhraseMatcher
    from spacy.tokens import Span
    from spacy.util import filter_spans
except ImportError as error:
    raise UsageError(f"reading reports with scispacy needs the extra: pip install 'mgll[nlp]' ({error})") from error

if TYPE_CHECKING:
    from spacy.tokens import Doc

SHORTEST = 7  # letters: shorter words have neighbours by chance
THRESHOLD = 0.4  # cosine of the character 3-grams' tf-idf, from which a concept is a neighbour of a word
UNKNOWN = "UNKNOWN"  # label of a word that no table holds
_INDEX = {"M": 16, "efConstruction": 60, "post": 0, "indexThreadQty": 1}


class LinkingLabeller(Labeller):
    """A labeller that also reads abbreviations a report explains, and misspelt words."""

    def __init__(self, folder: Path = VOCAB, hierarchy: Hierarchy | None = None) -> None:
        super().__init__(folder, hierarchy)
        names = plain_phrases(folder, self.hierarchy)
        self.base = knowledge_base(self.hierarchy, names)
        rows = mentions.phrases(folder, self.hierarchy)
        written = {word for _, phrase, _ in rows for words in variants(phrase) for word in words}
        self._known = written | self.cues.words()
        self._nlp = spacy.blank("en")
        self._nlp.add_pipe("sentencizer")
        self._abbreviations = AbbreviationDetector(self._nlp)
        self._matcher = PhraseMatcher(self._nlp.vocab, attr="LOWER")
        for concept, listed in names.items():
            self._matcher.add(concept, [self._nlp.make_doc(" ".join(words)) for words in listed])
        self._linker = train_linker(self.base)

    def doc(self, text: str) -> Doc:
        """The text as a spaCy document: `ents` are phrases of concepts (label: its id) and long words unknown here.

        Each entity has `_.kb_ents`, (concept, score) by falling score; abbreviations are in `_.abbreviations`.
        """
        doc = self._abbreviations(self._nlp(text))
        found = self._matcher(doc, as_spans=True)
        strange = [Span(doc, t.i, t.i + 1, label=UNKNOWN) for t in doc if self._strange(t.lower_)]
        doc.ents = filter_spans([*found, *strange])
        return self._linker(doc)

    def spelling(self, text: str) -> dict[str, tuple[str, ...]]:
        """Word of the text -> the words to read in its place: an abbreviation's long form, a misspelt word's."""
        doc = self.doc(text)
        spelt: dict[str, tuple[str, ...]] = {}
        for ent in doc.ents:
            if ent.label_ == UNKNOWN and (word := self._meant(tokenise(ent.text)[0], ent._.kb_ents)):
                spelt[tokenise(ent.text)[0]] = (word,)
        for short in doc._.abbreviations:
            words = tokenise(short.text)
            if len(words) == 1 and self.sentence(short._.long_form.text):
                spelt[words[0]] = tuple(tokenise(short._.long_form.text))
        return spelt

    def read(self, parts: Mapping[str, str], spelt: Mapping[str, Sequence[str]] | None = None) -> ReportFindings:
        """As `Labeller.read`, the report's own abbreviations and misspelt words read as what they stand for."""
        text = " ".join(text for _, text in sections.from_mapping(parts).stating())
        return super().read(parts, {**self.spelling(text), **(spelt or {})})

    def _meant(self, word: str, links: Sequence[tuple[str, float]]) -> str | None:
        """The one-word name of a linked concept that this word misses by one letter; None if there is none, or two.

        One letter, because two make hyperaeration of hypoaeration.
        """
        names = {alias for concept, _ in links for alias in self.base.cui_to_entity[concept].aliases}
        meant = [name for name in names if " " not in name and one_edit(word, name)]
        return meant[0] if len(meant) == 1 else None

    def _strange(self, word: str) -> bool:
        return len(word) >= SHORTEST and word.isalpha() and tokenise(word)[0] not in self._known


def one_edit(word: str, other: str) -> bool:
    """Whether one letter added, left out, changed or swapped with its neighbour makes one word of the other."""
    if word == other or abs(len(word) - len(other)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(word, other, strict=False)) if a != b), min(len(word), len(other)))
    first, second = word[start:], other[start:]
    swapped = first[:2] == second[1::-1] and first[2:] == second[2:]
    return first[1:] == second[1:] or first[1:] == second or first == second[1:] or swapped


def plain_phrases(folder: Path, hierarchy: Hierarchy) -> dict[str, list[tuple[str, ...]]]:
    """Concept -> the phrases without a gap that name it, as word forms."""
    found: dict[str, dict[tuple[str, ...], None]] = {}
    for concept, phrase, kind in mentions.phrases(folder, hierarchy):
        if kind == "finding" and GAP not in phrase:
            found.setdefault(concept, {}).update(dict.fromkeys(variants(phrase)))
    return {concept: list(listed) for concept, listed in found.items()}


def knowledge_base(hierarchy: Hierarchy, names: Mapping[str, Sequence[tuple[str, ...]]]) -> KnowledgeBase:
    """scispacy's view of the hierarchy: an entity a concept, its phrases as aliases, its level as type."""
    return KnowledgeBase(
        Entity(
            concept_id=concept.id,
            canonical_name=concept.name,
            aliases=[" ".join(words) for words in names[concept.id]],
            types=[concept.level],
            definition=None,
        )
        for concept in hierarchy.concepts.values()
        if concept.id in names
    )


def train_linker(base: KnowledgeBase, threshold: float = THRESHOLD) -> EntityLinker:
    """An entity linker for this knowledge base: tf-idf of character 3-grams and an HNSW index over all aliases.

    scispacy's own function for this leaves out 3-grams of fewer than ten aliases and needs an old scipy.
    """
    aliases = list(base.alias_to_cuis)
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3))
    vectors = vectorizer.fit_transform(aliases)
    index = nmslib.init(method="hnsw", space="cosinesimil_sparse", data_type=nmslib.DataType.SPARSE_VECTOR)
    index.addDataPointBatch(vectors)
    index.createIndex(_INDEX)
    index.setQueryTimeParams({"efSearch": 200})
    generator = CandidateGenerator(index, vectorizer, aliases, base)
    return EntityLinker(
        candidate_generator=generator,
        threshold=threshold,
        no_definition_threshold=threshold,
        filter_for_definitions=False,
        k=30,
    )
