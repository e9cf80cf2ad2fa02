"""The linter of a vocabulary's wording: every rule that a text must keep before it may teach a model.

`problems` finds what is wrong inside one text, one concept or one frame; `repeated` what two texts have in common.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from mgll_data.hierarchy import Concept, Hierarchy
from mgll_data.texts.templates import Templates

PHRASES, EXPLANATIONS = 4, 3  # wordings that every concept needs
LONGEST_PHRASE, LONGEST = 75, 225  # characters: CLIP reads 77 tokens of about three letters each
NEGATION = re.compile(r"\b(no|not|without|absence|free|normal|unremarkable)\b", re.I)
DENIES = re.compile(r"(no|absence of|absent|there (is|are) no)\b", re.I)
DENIES_IT = re.compile(rf"{DENIES.pattern}|(not|without|free of|lack of)\b", re.I)
SIDED = re.compile(
    r"\b(left|right)[- ](sided|eye|lung|side|chest|hemithorax|hemidiaphragm)\b|\b(on|of|in) the (left|right)\b", re.I
)
HEDGES = re.compile(r"\b(possibl[ey]|probabl[ey]|likely|questionable|consistent with|may)\b|suspect|suspici", re.I)
SEVERITY = ("mild", "moderate", "severe", "early", "intermediate", "advanced", "late")
BRITISH = re.compile(
    r"\b\w*(oedema|haem|colour|fibre|centre\b|tumour|oesoph|anaem|grey|ischaem|leuc|paed|aetiol|catheteris|isation\b)\w*",
    re.I,
)
VOWEL = r"(?:[aeio](?!ne\b|ne-)|u(?!ni|se|sa|su|ti|ro))"  # as spoken: "a unilateral", "a one-sided"
CONSONANT = r"(?:[bcdfgjklmnpqrstvwxyzBCDGJKPQTUVWYZ]|h(?!onest|our|eir))"
WRONG_ARTICLE = re.compile(rf"\ba (?={VOWEL})|\ban (?={CONSONANT})|\b(an?|the) (an?|the)\b")
FILLING = frozenset(("a", "an", "the", "of", "in", "with", "to", "at", "by", "on", "and", "or"))
DENYING_LEVELS = ("negation", "status", "quality", "context")  # where a wording may begin with what is not there
Words = tuple[str, ...]


def problems(hierarchy: Hierarchy, templates: Templates, concepts: Collection[str] | None = None) -> list[str]:
    """Everything wrong with the wording, one line each: who, what was found.

    concepts: those that must have `PHRASES` phrases and `EXPLANATIONS` explanations; None: all but roots.
    """
    if concepts is None:
        concepts = [c for c in hierarchy.concepts if not hierarchy.ontology.is_root(c)]
    found = list(_frames(templates))
    for wanted in concepts:
        for kind, texts, least in (
            ("phrases", templates.phrases, PHRASES),
            ("explanations", templates.explanations, EXPLANATIONS),
        ):
            count = len(texts.get(wanted, ()))
            if count < least:
                found.append(f"{wanted}: {count} {kind}, at least {least} are needed")
    proper = _proper_nouns(hierarchy)
    for concept in hierarchy.concepts.values():
        rivals = _rivals(concept, hierarchy, templates)
        for phrase in templates.phrases.get(concept.id, ()):
            wrong = [*_form(phrase), *_phrase_form(phrase, proper), *_contradictions(phrase, concept, rivals)]
            found += [f"{concept.id}: phrase {phrase!r} {problem}" for problem in wrong]
        references = templates.references.get(concept.id, ())
        for text, reference in zip(templates.explanations.get(concept.id, ()), references, strict=True):
            wrong = [*_form(text), *_sentence_form(text, LONGEST)]
            wrong += _wrong_subject(text, concept, rivals)
            if not reference.strip() or reference.strip().lower() == concept.name.lower():
                wrong.append("has no reference beyond the concept's own name")
            found += [f"{concept.id}: explanation {text!r} {problem}" for problem in wrong]
    return found + repeated(templates)


def repeated(templates: Templates) -> list[str]:
    """Wordings that stand twice, say the same words in another order, or spell one word in two ways."""
    found = []
    first: dict[Words, tuple[str, str]] = {}
    for table in (templates.phrases, templates.explanations):
        for concept, texts in table.items():
            for text in texts:
                key = tuple(sorted(w for w in _words(text.replace("-", "")) if w not in FILLING))
                if key in first:
                    other, said = first[key]
                    found.append(f"{concept}: {text!r} repeats {said!r} of {other}")
                else:
                    first[key] = (concept, text)
    return found + _spellings([*_all(templates.phrases), *_all(templates.explanations)])


def _spellings(texts: list[str]) -> list[str]:
    """Compounds that are hyphenated in one text and closed in another."""
    words = {word.lower() for text in texts for word in re.findall(r"[A-Za-z]+(?:-[A-Za-z]+)*", text)}
    return [
        f"spelling: {word!r} and {word.replace('-', '')!r} are both used"
        for word in sorted(words)
        if "-" in word and word.replace("-", "") in words
    ]


def _frames(templates: Templates) -> Iterator[str]:
    for kind, frames, place in (
        ("diagnostic", templates.diagnostic, "{finding}"),
        ("category", templates.category, "{name}"),
    ):
        for frame in frames:
            if frame.count(place) != 1 or frame.count("{") != 1:
                yield f"{kind} frame {frame!r} needs {place} once and nothing else in braces"
            if re.search(r"\b(an?|the|with) \{", frame):
                yield f"{kind} frame {frame!r}: a phrase brings its own article, and a list its own 'with'"
            sentence = frame.replace(place, "findings")
            yield from (f"{kind} frame {frame!r} {p}" for p in (*_form(sentence), *_sentence_form(sentence, LONGEST)))
    for table in (templates.modality, templates.views):
        for text in _all(table):
            yield from (f"{text!r} {problem}" for problem in (*_form(text), *_sentence_form(text, LONGEST)))
    for text in _all(templates.study):  # names of studies, not sentences
        yield from (f"{text!r} {problem}" for problem in _form(text))


def _form(text: str) -> Iterator[str]:
    """What no text may have, whatever its kind."""
    if text != " ".join(text.split()):
        yield "has blanks at its ends or more than one in a row"
    if re.search(r"[{}\[\]<>|\"]|\.\.|,,| [,.;:]|\(\s*\)", text) or text.count("(") != text.count(")"):
        yield "has stray punctuation or brackets"
    if british := BRITISH.search(text):
        yield f"spells {british.group(0)!r} the British way"
    if article := WRONG_ARTICLE.search(text):
        yield f"has the wrong article at {text[article.start() : article.start() + 14]!r}"


def _phrase_form(phrase: str, proper: Collection[str]) -> Iterator[str]:
    """A phrase stands inside a sentence and inside lists."""
    if re.search(r"[.;:!?()]|,$", phrase):
        yield "is not a bare noun phrase"
    if len(phrase) > LONGEST_PHRASE:
        yield f"has {len(phrase)} characters, at most {LONGEST_PHRASE} fit into a list"
    head = re.match(r"[\w']+", phrase)
    if head and head.group(0) != head.group(0).lower() and not _is_name(head.group(0), proper):
        yield "starts with a capital letter"
    if re.match(r"(the|this|these|there|it|is|are|has|shows?|showing)\b", phrase, re.I) and not phrase.startswith(
        "the "
    ):
        yield "is not a noun phrase"


def _sentence_form(text: str, longest: int) -> Iterator[str]:
    if not text[:1].isupper() or not text.endswith("."):
        yield "is no sentence with a capital letter and a full stop"
    if len(text) > longest:
        yield f"has {len(text)} characters, at most {longest} fit CLIP's 77 tokens"
    if re.search(r"\.[A-Za-z]|\. [a-z]", text):
        yield "has a full stop in the wrong place"


def _contradictions(phrase: str, concept: Concept, rivals: Collection[str]) -> Iterator[str]:
    """Negation, side, severity or stage other than the concept's own."""
    if concept.level == "negation" and not NEGATION.search(phrase):
        yield "does not deny what the concept denies"
    if concept.level not in DENYING_LEVELS and DENIES_IT.match(phrase):
        yield "denies what the concept asserts"
    own = " ".join((concept.name, *concept.synonyms)).lower()
    if (sided := SIDED.search(phrase)) and not re.search(r"\b(left|right)", own):
        yield f"names a side ({sided.group(0)!r}) that the concept does not have"
    if (hedge := HEDGES.search(phrase)) and not HEDGES.search(own):
        yield f"doubts ({hedge.group(0)!r}) what the concept asserts"
    if set(SEVERITY) & set(_words(concept.name)):
        yield from (
            f"speaks of {word!r}, another step than the concept's"
            for word in SEVERITY
            if word in _words(phrase) and word not in _words(own)
        )
    yield from (f"names {rival!r}, which excludes the concept" for rival in rivals if _contains(phrase, rival))


def _wrong_subject(text: str, concept: Concept, rivals: Collection[str]) -> Iterator[str]:
    """An explanation may compare with other stages, but it must not begin with them, nor with a denial."""
    if concept.level not in DENYING_LEVELS and DENIES.match(text):
        yield "begins with a denial"
    own = " ".join((concept.name, *concept.synonyms)).lower()
    if (sided := SIDED.search(text)) and not re.search(r"\b(left|right)", own):
        yield f"names a side ({sided.group(0)!r}) that the concept does not have"
    opening = re.sub(r"^(In|On|The|A|An) ", "", text)
    yield from (f"is about {rival!r}" for rival in rivals if opening.lower().startswith(f"{rival.lower()} "))


def _rivals(concept: Concept, hierarchy: Hierarchy, templates: Templates) -> set[str]:
    """Names, synonyms and phrases of the concepts that cannot be present together with this one."""
    kin = hierarchy.ontology.ancestors(concept.id) | hierarchy.ontology.descendants(concept.id) | {concept.id}
    others = {m for members in hierarchy.groups.values() if concept.id in members for m in members} - kin
    others |= {c.id for c in hierarchy.concepts.values() if c.negates == concept.id}
    said: set[str] = set()
    for other in others:
        entry = hierarchy.concepts[other]
        said |= {entry.name, *entry.synonyms, *templates.phrases.get(other, ())}
    return said - {concept.name, *concept.synonyms}


def _contains(phrase: str, rival: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(rival.lower())}(?![\w-])", phrase.lower()) is not None


def _proper_nouns(hierarchy: Hierarchy) -> set[str]:
    """Words that hierarchy.csv writes with a capital letter: its names are lower-case but for names of people."""
    return {
        word
        for concept in hierarchy.concepts.values()
        for name in (concept.name, *concept.synonyms)
        for word in re.findall(r"[\w']+", name)
        if word[0].isupper()
    }


def _is_name(word: str, proper: Collection[str]) -> bool:
    return word in proper or word.isupper()


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+(?:-[\w']+)*", text.lower())


def _all(table: Mapping[str, Words]) -> Iterator[str]:
    for texts in table.values():
        yield from texts
