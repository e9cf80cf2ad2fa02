"""The linter of the wording: clean on both vocabularies, and each of its rules can fail."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from mgll_data import hierarchy, recipe, setup
from mgll_data.errors import UsageError
from mgll_data.hierarchy import Hierarchy
from mgll_data.schema import LEVELS
from mgll_data.texts import lint, templates
from mgll_data.texts.templates import Templates

VOCAB = recipe.VOCAB
GOOD = "A sentence of its own that nothing else in this table says."


@cache
def wording(modality: str) -> tuple[Hierarchy, Templates]:
    concepts = hierarchy.load(VOCAB / modality)
    return concepts, templates.load(VOCAB / modality, concepts)


def found(changed: Templates, modality: str = "fundus") -> list[str]:
    return lint.problems(wording(modality)[0], changed)


def with_phrase(concept: str, phrase: str, modality: str = "fundus") -> Templates:
    """The vocabulary with the concept's last phrase exchanged."""
    good = wording(modality)[1]
    return replace(good, phrases={**good.phrases, concept: (*good.phrases[concept][:-1], phrase)})


def with_explanation(concept: str, text: str, reference: str = "a scale", modality: str = "fundus") -> Templates:
    good = wording(modality)[1]
    return replace(
        good,
        explanations={**good.explanations, concept: (*good.explanations[concept][:-1], text)},
        references={**good.references, concept: (*good.references[concept][:-1], reference)},
    )


@pytest.mark.parametrize("modality", ["fundus", "cxr"])
def test_every_concept_is_worded_and_clean(modality: str) -> None:
    assert lint.problems(*wording(modality)) == []


@pytest.mark.parametrize(
    ("concept", "phrase", "problem"),
    [
        ("fundus.dr_mild", "moderate NPDR", "fundus.dr_mod: 'moderate NPDR' repeats 'moderate NPDR'"),
        ("fundus.dr_mild", "NPDR, moderate", "fundus.dr_mod: 'moderate NPDR' repeats 'NPDR, moderate'"),
        ("fundus.dr_mild", "microaneurysms of ICDR grade 2", "names 'ICDR grade 2', which excludes the concept"),
        ("fundus.dr_mild", "retinopathy of diabetes, moderate in degree", "speaks of 'moderate'"),
        ("fundus.amd_early", "advanced wear of the macula", "speaks of 'advanced'"),
        ("fundus.dr", "no apparent diabetic retinopathy", "names 'no apparent diabetic retinopathy'"),
        ("fundus.glau", "absence of glaucomatous cupping", "denies what the concept asserts"),
        ("fundus.rd", "without an attached retina", "denies what the concept asserts"),
        ("fundus.glau", "a disc suspicious of glaucoma", "doubts ('suspici') what the concept asserts"),
        ("fundus.glau", "probable glaucoma", "doubts ('probable') what the concept asserts"),
        ("fundus.no_cat", "a clear lens", "does not deny what the concept denies"),
        ("fundus.glau", "glaucoma of the left eye", "names a side"),
        ("fundus.ode", "optic disc oedema", "British"),
        (
            "fundus.npdr",
            "nonproliferative disease of the diabetic retina",
            "'non-proliferative' and 'nonproliferative'",
        ),
        ("fundus.mh", "a a foveal gap", "wrong article"),
        ("fundus.mh", "an gap of the fovea", "wrong article"),
        ("fundus.mh", "a opening of the fovea", "wrong article"),
        ("fundus.mh", "Foveal gap", "starts with a capital letter"),
        ("fundus.mh", "foveal gap ", "has blanks"),
        ("fundus.mh", "foveal  gap", "has blanks"),
        ("fundus.mh", "foveal gap (round)", "is not a bare noun phrase"),
        ("fundus.mh", "foveal gap.", "is not a bare noun phrase"),
        ("fundus.mh", "foveal gap {finding}", "stray punctuation or brackets"),
        ("fundus.mh", "shows a foveal gap", "is not a noun phrase"),
        ("fundus.mh", "a round gap " * 7 + "of the fovea", "at most"),
    ],
)
def test_bad_phrases_are_found(concept: str, phrase: str, problem: str) -> None:
    assert any(problem in line for line in found(with_phrase(concept, phrase)))


@pytest.mark.parametrize(
    ("text", "reference", "problem"),
    [
        ("Moderate NPDR is disease of more than microaneurysms.", "ICDR", "is about 'moderate NPDR'"),
        ("No apparent diabetic retinopathy was recorded.", "ICDR", "begins with a denial"),
        ("Microaneurysms lie on the left of the disc in this grade.", "ICDR", "names a side"),
        ("Small haemorrhages are not part of this grade.", "ICDR", "British"),
        ("small dots of red are all that this grade holds.", "ICDR", "is no sentence"),
        ("Small dots of red are all that this grade holds", "ICDR", "is no sentence"),
        ("Small dots of red.are all that this grade holds.", "ICDR", "full stop in the wrong place"),
        ("Small red dots " * 16 + "are all.", "ICDR", "77 tokens"),
        ("Small dots of red (are all.", "ICDR", "stray punctuation"),
        (GOOD, "", "has no reference"),
        (GOOD, "Mild non-proliferative diabetic retinopathy", "has no reference beyond the concept's own name"),
        ("Microaneurysms", "ICDR", "repeats 'microaneurysms' of fundus.ma"),
    ],
)
def test_bad_explanations_are_found(text: str, reference: str, problem: str) -> None:
    assert any(problem in line for line in found(with_explanation("fundus.dr_mild", text, reference)))


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        ("A fundus photograph.", "needs {finding} once"),
        ("A photograph of {finding} and {finding}.", "needs {finding} once"),
        ("A fundus photograph of the {finding}.", "brings its own article"),
        ("A fundus photograph with {finding}.", "its own 'with'"),
        ("A fundus photograph of {finding}", "is no sentence"),
        ("A  fundus photograph of {finding}.", "has blanks"),
    ],
)
def test_bad_frames_are_found(frame: str, problem: str) -> None:
    good = wording("fundus")[1]
    assert any(problem in line for line in found(replace(good, diagnostic=(*good.diagnostic, frame))))


def test_too_few_wordings_are_counted() -> None:
    good = wording("cxr")[1]
    few = replace(
        good,
        phrases={**good.phrases, "cxr.ggo": good.phrases["cxr.ggo"][:3]},
        explanations={c: texts[:2] if c == "cxr.kerley" else texts for c, texts in good.explanations.items()},
        references={c: texts[:2] if c == "cxr.kerley" else texts for c, texts in good.references.items()},
    )
    assert found(few, "cxr") == [
        "cxr.ggo: 3 phrases, at least 4 are needed",
        "cxr.kerley: 2 explanations, at least 3 are needed",
    ]


def test_concepts_that_have_a_side_may_say_it() -> None:
    assert "aortic arch on the right" in " ".join(wording("cxr")[1].phrases["cxr.aortic.right_arch"])
    assert found(wording("cxr")[1], "cxr") == []


def test_a_build_refuses_a_vocabulary_with_all_its_problems(tmp_path: Path) -> None:
    """A user's own vocabulary is held to the same rules, and is told everything at once."""
    folder = tmp_path / "vocab"
    (folder / "labels").mkdir(parents=True)
    for file in (*setup.FILES, "labels/aptos2019.csv"):
        (folder / file).write_text((VOCAB / "fundus" / file).read_text())
    path = folder / "templates.yaml"
    bad = path.read_text().replace("    - mild NPDR\n", "    - moderate NPDR\n").replace("    - PDR\n", "")
    path.write_text(bad)
    used = (recipe.SourceUse("aptos2019", tmp_path),)
    made = recipe.Recipe("x", "0.1.0", used, recipe.Labels(str(folder)), recipe.Texts(LEVELS["fundus"]))
    with pytest.raises(UsageError) as refused:
        setup.set_up(made)
    said = str(refused.value)
    assert "fundus.pdr: 3 phrases, at least 4 are needed" in said
    assert "fundus.dr_mild: phrase 'moderate NPDR'" in said
    assert str(folder) in said
