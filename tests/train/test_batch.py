"""Samples to batches: unique texts in the order of their ids, captions as a level, limits, devices."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from mgll_data.schema import text_id  # noqa: E402
from mgll_train.batch import Sample, collate, share_texts, text_key  # noqa: E402
from mgll_train.errors import DataError, UserError  # noqa: E402
from mgll_train.vocabulary import Vocabulary  # noqa: E402

VOCABULARY = Vocabulary.load(
    {
        "v": 1,
        "modality": "fundus",
        "recipe": "eyes",
        "levels": ["modality", "diagnostic"],
        "concepts": [
            {"id": "fundus.dr", "name": "dr", "level": "disease", "parents": ["fundus.root"], "exclusive": []},
            {"id": "fundus.amd", "name": "amd", "level": "disease", "parents": ["fundus.root"], "exclusive": []},
        ],
    }
)


def tokenizer(texts):
    """Length of each word, 8 places."""
    tokens = torch.zeros(len(texts), 8, dtype=torch.int64)
    for row, words in enumerate(texts):
        lengths = torch.tensor([len(word) for word in words.split()[:8]], dtype=torch.int64)
        tokens[row, : len(lengths)] = lengths
    return tokens


def make(number, present=(), diagnostic=()):
    texts = {
        "modality": [
            {"id": text_id("modality", "A fundus photograph."), "text": "A fundus photograph.", "concepts": []}
        ],
        "diagnostic": [{"id": text_id("diagnostic", t), "text": t, "concepts": list(c)} for t, c in diagnostic],
    }
    states = {"present": list(present), "absent": [], "uncertain": []}
    meta = {"uid": f"idrid-{number:016x}", "modality": "fundus", "concepts": states, "texts": texts}
    return Sample(torch.full((3, 4, 4), float(number)), meta, f"caption {number % 2}")


SAMPLES = [
    make(0, ["fundus.dr"], [("Retinopathy.", ["fundus.dr"]), ("Diabetic eye disease.", ["fundus.dr"])]),
    make(1, ["fundus.dr"], [("Retinopathy.", ["fundus.dr"])]),
    make(2, ["fundus.amd"], [("Macular degeneration.", ["fundus.amd"])]),
    make(3),
]


def test_texts_stand_once_in_the_order_of_their_ids():
    batch = collate(SAMPLES, ["modality", "diagnostic"], VOCABULARY, tokenizer)
    level = batch.levels["diagnostic"]
    assert level.Y.shape == level.valid.shape == level.own.shape == (4, 3)
    assert level.text_ids.tolist() == sorted(level.text_ids.tolist())
    words = ["Retinopathy.", "Diabetic eye disease.", "Macular degeneration."]
    words.sort(key=lambda t: text_key(text_id("diagnostic", t)))
    assert torch.equal(level.tokens, tokenizer(words))
    column = words.index("Diabetic eye disease.")
    assert level.Y[:, column].tolist() == [1, 1, 0, 0], "what a text says holds for images that do not carry it"
    assert level.own[:, column].tolist() == [True, False, False, False]
    assert level.valid[:, column].tolist() == [True, True, False, False]
    assert batch.levels["modality"].Y.tolist() == [[1]] * 4
    assert torch.equal(batch.images[:, 0, 0, 0], torch.arange(4.0))


def test_order_of_samples_permutes_rows_only():
    one = collate(SAMPLES, ["diagnostic"], VOCABULARY, tokenizer)
    other = collate(SAMPLES[::-1], ["diagnostic"], VOCABULARY, tokenizer)
    assert torch.equal(one.levels["diagnostic"].tokens, other.levels["diagnostic"].tokens)
    assert torch.equal(one.levels["diagnostic"].Y, other.levels["diagnostic"].Y.flip(0))


def test_caption_is_a_level():
    level = collate(SAMPLES, ["caption"], VOCABULARY, tokenizer).levels["caption"]
    assert level.Y.shape == (4, 2)
    assert torch.equal(level.Y.sum(1), torch.ones(4))
    assert torch.equal(level.Y[0], level.Y[2])
    assert level.valid.all()


def test_level_that_no_sample_has_is_empty():
    level = collate(SAMPLES, ["explanatory"], VOCABULARY, tokenizer).levels["explanatory"]
    assert level.tokens.shape == (0, 8)
    assert level.Y.shape == (4, 0)


def test_limit_draws_by_seed_and_uid():
    def drawn(seed):
        level = collate(SAMPLES[:1], ["diagnostic"], VOCABULARY, tokenizer, texts_per_level=1, seed=seed)
        return level.levels["diagnostic"].text_ids.tolist()

    assert all(len(drawn(seed)) == 1 for seed in range(8))
    assert drawn(3) == drawn(3)
    assert len({tuple(drawn(seed)) for seed in range(8)}) == 2
    limited = collate(SAMPLES, ["diagnostic"], VOCABULARY, tokenizer, texts_per_level=1).levels["diagnostic"]
    assert (limited.Y[0] == limited.Y[1]).all()


def test_unknown_as_negative():
    level = collate(SAMPLES, ["diagnostic"], VOCABULARY, tokenizer, "negative").levels["diagnostic"]
    assert level.valid.all()


def test_moves_to_a_device():
    batch = collate(SAMPLES, ["modality", "diagnostic"], VOCABULARY, tokenizer)
    assert batch.to("meta").levels["diagnostic"].own.device.type == "meta"
    assert share_texts(batch).shared


def test_bad_input_is_named():
    with pytest.raises(UserError, match="diagnosis"):
        collate(SAMPLES, ["diagnosis"], VOCABULARY, tokenizer)
    for wrong in ("t-xyz", "2c41", "t-" + "a" * 15):
        with pytest.raises(DataError, match="16 hex"):
            text_key(wrong)


def test_text_key_is_one_to_one_at_the_ends():
    keys = [text_key(f"t-{value:016x}") for value in (0, 1, 2**63 - 1, 2**63, 2**64 - 1)]
    assert keys == [0, 1, 2**63 - 1, -(2**63), -1]
