"""Open-world targets: what is positive, negative and unknown, against a plain loop over pairs."""

from __future__ import annotations

import json
import random
from typing import NamedTuple

import pytest

torch = pytest.importorskip("torch")

from mgll_data.schema import text_id  # noqa: E402
from mgll_train.batch import NO_TEXT, text_key  # noqa: E402
from mgll_train.errors import DataError, UserError  # noqa: E402
from mgll_train.targets import carried, match  # noqa: E402
from mgll_train.vocabulary import Vocabulary  # noqa: E402


def concept(key, parents, exclusive=(), negates=None, prompts=None):
    return {
        "id": key,
        "name": key.split(".")[-1],
        "level": "finding",
        "parents": list(parents),
        "exclusive": list(exclusive),
        "negates": negates,
        "prompts": prompts or {},
    }


FUNDUS = {
    "v": 1,
    "modality": "fundus",
    "recipe": "eyes",
    "levels": ["modality", "category", "diagnostic"],
    "concepts": [
        concept("fundus.root", []),
        concept("fundus.normal", ["fundus.root"]),
        concept("fundus.abnormal", ["fundus.root"]),
        concept("fundus.dr", ["fundus.abnormal"], prompts={"diagnostic": ["Diabetic retinopathy."]}),
        concept("fundus.no_dr", ["fundus.root"], negates="fundus.dr"),
        concept("fundus.dr_mild", ["fundus.dr"], exclusive=["icdr"]),
        concept("fundus.dr_severe", ["fundus.dr"], exclusive=["icdr"]),
        concept("fundus.venous_beading", ["fundus.dr_severe"]),
        concept("fundus.glaucoma", ["fundus.abnormal"]),
    ],
}
CHEST = {
    "v": 1,
    "modality": "cxr",
    "recipe": "chests",
    "levels": ["modality", "study", "diagnostic"],
    "concepts": [
        concept("cxr.root", []),
        concept("cxr.effusion", ["cxr.root"]),
        concept("cxr.effusion.loculated", ["cxr.effusion"]),
    ],
}


def text(words, *concepts, level="diagnostic", about=()):
    entry = {"id": text_id(level, words), "text": words, "concepts": list(concepts)}
    return entry | ({"about": list(about)} if about else {})


def sample(present=(), absent=(), uncertain=(), texts=None, modality="fundus", uid="idrid-0000000000000000"):
    states = {"present": list(present), "absent": list(absent), "uncertain": list(uncertain)}
    return {"uid": uid, "modality": modality, "concepts": states, "texts": texts or {}}


class States(NamedTuple):
    present: frozenset
    absent: frozenset
    uncertain: frozenset


def states_of(vocabulary, one):
    """Concept ids of one sample by state."""
    rows = vocabulary.image_states([one])
    return States(*(frozenset(vocabulary.concepts[column] for column in row[0].nonzero()[:, 0]) for row in rows))


def positives(vocabulary, samples, level, texts, unknown="mask"):
    """Targets (n, K) and valid (n, K) of samples and texts, as `batch.collate` works them out."""
    present, absent, _ = vocabulary.image_states(samples)
    absent = absent | vocabulary.other_modalities(samples)
    ids = torch.tensor([text_key(text["id"]) for text in texts])
    keys = [[text_key(text["id"]) for text in one["texts"].get(level, ())] for one in samples]
    held = torch.tensor([[*row, *[NO_TEXT] * (9 - len(row))] for row in keys])
    order = ids.argsort()
    own = torch.zeros(len(samples), len(texts), dtype=torch.bool)
    own[:, order] = carried(held, ids[order])
    return match(present, absent, vocabulary.text_concepts(texts), vocabulary.text_about(texts), own, unknown)


def answer(vocabulary, one, *texts, level="diagnostic", unknown="mask"):
    """'+', '-' or '?' for each text."""
    targets, valid = positives(vocabulary, [one], level, list(texts), unknown)
    return "".join("+" if y else "-" if v else "?" for y, v in zip(targets[0], valid[0], strict=True))


@pytest.fixture
def eyes():
    return Vocabulary.load(FUNDUS)


def test_positive_needs_every_concept_of_the_text(eyes):
    one = sample(["fundus.dr_mild", "fundus.dr", "fundus.abnormal"])
    mild, dr = text("Mild.", "fundus.dr_mild"), text("DR.", "fundus.dr")
    both = text("Mild with glaucoma.", "fundus.dr_mild", "fundus.glaucoma")
    assert answer(eyes, one, mild, dr, both) == "++?"
    assert answer(eyes, one, mild, dr, both, unknown="negative") == "++-"


def test_absence_goes_down_and_silence_is_unknown(eyes):
    texts = [text(f"{key}.", f"fundus.{key}") for key in ("dr", "dr_mild", "venous_beading", "glaucoma", "normal")]
    assert answer(eyes, sample(absent=["fundus.dr"]), *texts) == "---??"
    assert answer(eyes, sample(), *texts) == "?????"


def test_a_stage_rules_out_its_siblings_and_what_is_below_them(eyes):
    texts = [text(f"{key}.", f"fundus.{key}") for key in ("dr_severe", "venous_beading", "no_dr", "glaucoma")]
    one = sample(["fundus.dr_mild", "fundus.dr", "fundus.abnormal"])
    assert answer(eyes, one, *texts) == "---?"
    assert answer(eyes, sample(["fundus.no_dr"]), text("DR.", "fundus.dr"), *texts) == "---+?"


def test_uncertain_is_never_a_negative(eyes):
    one = sample(["fundus.dr_mild", "fundus.dr"], uncertain=["fundus.venous_beading"])
    assert answer(eyes, one, text("Beading.", "fundus.venous_beading")) == "?"
    assert states_of(eyes, one).uncertain == {"fundus.venous_beading"}
    assert answer(eyes, sample(absent=["fundus.dr"], uncertain=["fundus.dr_mild"]), text("M.", "fundus.dr_mild")) == "?"


def test_presence_is_closed_upward_without_the_root(eyes):
    states = states_of(eyes, sample(["fundus.venous_beading"]))
    assert states.present == {"fundus.venous_beading", "fundus.dr_severe", "fundus.dr", "fundus.abnormal"}
    assert {"fundus.dr_mild", "fundus.no_dr"} <= states.absent
    assert not states.present & states.absent


def test_own_text_holds_and_texts_without_concepts_hold_for_their_carriers_only(eyes):
    carried, other = text("A colour photograph.", level="modality"), text("Another phrasing.", level="modality")
    one = sample(texts={"modality": [carried]})
    assert answer(eyes, one, carried, other, level="modality") == "+-"
    own = text("Soft signs of glaucoma.", "fundus.glaucoma")
    assert answer(eyes, sample(texts={"diagnostic": [own]}), own) == "+"
    assert answer(eyes, sample(), own) == "?"


def test_a_text_of_a_side_or_a_doubt_holds_only_for_images_that_carry_it(eyes):
    """Else "possible glaucoma" would be a negative where glaucoma is unknown, or "left" a positive for the right."""
    doubt = text("Possible glaucoma.", about=["fundus.glaucoma"])
    side = text("Glaucoma, left eye.", "fundus.glaucoma", about=["fundus.glaucoma"])
    carries = {"diagnostic": [doubt, side]}
    assert answer(eyes, sample(uncertain=["fundus.glaucoma"], texts=carries), doubt, side) == "++"
    assert answer(eyes, sample(["fundus.glaucoma"]), doubt, side) == "??"
    assert answer(eyes, sample(uncertain=["fundus.glaucoma"]), doubt, side) == "??"
    assert answer(eyes, sample(), doubt, side) == "??"
    assert answer(eyes, sample(absent=["fundus.abnormal"]), doubt, side) == "--"
    assert answer(eyes, sample(), doubt, side, unknown="negative") == "--"


def test_concepts_of_another_modality_are_negative():
    vocabulary = Vocabulary.load([FUNDUS, CHEST])
    effusion, glaucoma = text("Effusion.", "cxr.effusion"), text("Glaucoma.", "fundus.glaucoma")
    eye = sample(["fundus.dr"])
    chest = sample(["cxr.effusion"], modality="cxr", uid="nih_cxr14-0000000000000000")
    assert answer(vocabulary, eye, effusion, glaucoma) == "-?"
    assert answer(vocabulary, chest, effusion, glaucoma) == "+-"
    assert vocabulary.levels == ("modality", "category", "diagnostic", "study")


def plain(vocabulary, samples, level, texts):
    """The rule of the design, pair by pair, with sets."""
    answers = []
    for one in samples:
        states = states_of(vocabulary, one)
        own = {t["id"] for t in one["texts"].get(level, ())}
        row = ""
        for t in texts:
            asserted, about = set(t["concepts"]), set(t.get("about", ()))
            named = asserted | about
            if t["id"] in own or (asserted and asserted <= states.present and not about):
                row += "+"
            elif not named or named & states.absent or any(vocabulary.modalities[c] != one["modality"] for c in named):
                row += "-"
            else:
                row += "?"
        answers.append(row)
    return answers


def test_equals_a_plain_loop_on_random_vocabularies():
    for seed in range(20):
        rng = random.Random(seed)
        keys = [f"fundus.c{i}" for i in range(30)]
        concepts = [concept("fundus.root", [])]
        for i, key in enumerate(keys):
            parents = rng.sample(keys[:i], min(i, rng.choice([1, 1, 2]))) or ["fundus.root"]
            concepts.append(concept(key, parents, exclusive=rng.choice([[], [], ["scale"]])))
        vocabulary = Vocabulary.load([{**FUNDUS, "concepts": concepts}, CHEST])
        pool = [*keys, "cxr.effusion"]
        texts = [text(f"text {k}", *rng.sample(pool, rng.choice([0, 1, 1, 2, 3]))) for k in range(25)]
        texts += [text(f"more {k}", *rng.sample(pool, k % 2), about=rng.sample(pool, 1 + k % 3)) for k in range(8)]
        samples = []
        for i in range(40):
            present = vocabulary.ontology.up(rng.sample(keys, rng.randint(0, 4)))
            rest = [key for key in keys if key not in present]
            absent, uncertain = rng.sample(rest, min(3, len(rest))), rng.sample(rest, min(2, len(rest)))
            carried = {"diagnostic": rng.sample(texts, rng.randint(0, 2))}
            samples.append(sample(present, absent, uncertain, carried, uid=f"idrid-{i:016x}"))
        targets, valid = positives(vocabulary, samples, "diagnostic", texts)
        got = [
            "".join("+" if y else "-" if v else "?" for y, v in zip(*pair, strict=True))
            for pair in zip(targets, valid, strict=True)
        ]
        assert got == plain(vocabulary, samples, "diagnostic", texts)
        assert set("".join(got)) == set("+-?")


def test_loading_several_keeps_the_prompts_of_all(tmp_path):
    more = json.loads(json.dumps(FUNDUS))
    more["concepts"][3]["prompts"] = {"diagnostic": ["Diabetic retinopathy.", "Retinopathy of diabetes."]}
    merged = Vocabulary.load([FUNDUS, more, CHEST])
    (tmp_path / "vocabulary.json").write_text(json.dumps(more))
    loaded = Vocabulary.load([FUNDUS, tmp_path, CHEST])
    assert merged.concepts == loaded.concepts
    prompts = ("Diabetic retinopathy.", "Retinopathy of diabetes.")
    assert merged.prompts("fundus.dr", "diagnostic") == loaded.prompts("fundus.dr", "diagnostic") == prompts
    assert merged.prompts("fundus.dr", "category") == ()


def test_a_root_that_is_only_named_as_a_parent_is_accepted():
    short = {**FUNDUS, "concepts": FUNDUS["concepts"][1:]}
    assert Vocabulary.load(short).concepts == Vocabulary.load(FUNDUS).concepts


def test_bad_input_is_named(tmp_path, eyes):
    with pytest.raises(UserError, match=r"vocabulary\.json"):
        Vocabulary.load(tmp_path)
    (tmp_path / "vocabulary.json").write_text('{"v": 1,\n oops}')
    with pytest.raises(UserError, match=r"vocabulary\.json:2"):
        Vocabulary.load(tmp_path / "vocabulary.json")
    with pytest.raises(UserError, match="version 2"):
        Vocabulary.load({**FUNDUS, "v": 2})
    other = json.loads(json.dumps(FUNDUS))
    other["concepts"][5]["parents"] = ["fundus.abnormal"]
    with pytest.raises(UserError, match=r"fundus\.dr_mild: parents"):
        Vocabulary.load([FUNDUS, other])
    with pytest.raises(DataError, match=r"idrid-0000000000000000.*fundus\.unheard"):
        states_of(eyes, sample(["fundus.unheard"]))
    with pytest.raises(DataError, match="is cxr; the vocabulary covers fundus"):
        states_of(eyes, sample(modality="cxr"))
    with pytest.raises(DataError, match=r"fundus\.unheard"):
        eyes.text_concepts([text("x", "fundus.unheard")])
