"""Texts as columns: hashed alike for ever, read word by word, learned from, and left out where nobody can read them."""

import json
from binascii import crc32

import numpy as np
import polars as pl
import pytest

from engine.encoding.columns import infer
from engine.encoding.records import frame_from_records
from engine.encoding.table import TableEncoder
from engine.encoding.text_encoder import TextEncoder, hashes_of
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.model import Model
from engine.network import NetworkSpec
from engine.recipes.layout import text_layer
from engine.training import TrainingSpec

TEXTS = pl.Series(
    "t", ["Red apples, red!", "a red house by the sea", None, "THE house sells apples", "green tea"]
)
WORDS = ["red", "apples", "the", "house"]  # what occurs in two of them


def test_hashes_never_change() -> None:
    assert list(hashes_of("Hello, \uff37orld", letters=False)) == [0x3610A686, 0x3A771143, 0x0D4A1185]
    letters = ["#<ab", "#ab>", "#<c>"]
    expected = [crc32(gram.encode()) for gram in ["ab", "c", "ab c", *letters]]
    assert list(hashes_of("AB c", letters=True)) == expected


def test_words_in_two_texts_have_numbers() -> None:
    encoder = TextEncoder.fit_known(TEXTS)
    assert encoder.letters  # they are short
    words = encoder.model_copy(update={"letters": False, "known": tuple(sorted(map(_hash, WORDS)))})
    number_of = {word: words.known.index(_hash(word)) + 1 for word in WORDS}
    assert {_hash(word) for word in WORDS} <= set(encoder.known)
    assert not {_hash(word) for word in ("sea", "red apples", "green")} & set(encoder.known)
    out = np.zeros((6, words.places), np.float32)
    words.encode_values(pl.Series([*TEXTS, "quite different"]), out)
    found = [[WORDS[list(number_of.values()).index(number)] for number in row if number] for row in out]
    assert found == [["red", "apples"], ["red", "house", "the"], [], ["the", "house", "apples"], [], []]


def _hash(gram: str) -> int:
    return crc32(gram.encode())


def test_longer_texts_are_cut_and_all_is_kept_as_json() -> None:
    texts = pl.Series("t", [*[" ".join(f"w{i}" for i in range(400))] * 2, "short"])
    encoder = TextEncoder.fit_known(texts)
    assert (encoder.letters, encoder.width, len(encoder.known)) == (False, 256, 799)
    made = TableEncoder(columns=(TextEncoder.model_validate_json(encoder.model_dump_json()),))
    x = made.encode(texts.to_frame())
    assert [encoder.known[int(number) - 1] for number in x[0]] == [_hash(f"w{i}") for i in range(256)]
    assert [tuple(block) for block in made.blocks] == [("ngrams", 256, 800)]


def reviews(rows: int, seed: int = 0) -> pl.DataFrame:
    """Sentences whose one telling word may be negated, among many that say nothing."""
    rng = np.random.default_rng(seed)
    telling = (["awful", "dreadful", "poor", "nasty"], ["lovely", "great", "superb", "pleasant"])
    texts, labels = [], rng.integers(2, size=rows)
    for label in labels:
        negated = rng.random() < 0.3
        words = [f"word{i}" for i in rng.integers(300, size=rng.integers(5, 12))]
        word = ("not " if negated else "") + str(rng.choice(telling[label ^ negated]))
        words.insert(int(rng.integers(len(words))), word)
        texts.append(" ".join(words).capitalize() + ".")
    return pl.DataFrame({"review": texts, "stars": labels, "length": [len(text) for text in texts]})


def fitting(frame: pl.DataFrame, network: NetworkSpec | None = None, **goal: object) -> Fitting:
    typed, types, _ = infer(frame)
    wanted = GoalSpec.model_validate({"target": "stars", **goal})
    return Fitting(Table(typed, types), wanted, network, TrainingSpec())


@pytest.mark.parametrize("quality", ["fast", "recommended", "high"])
def test_the_recipes_read_texts_beside_other_columns(quality: str) -> None:
    made = fitting(reviews(200), quality=quality)
    assert (made.goal.texts, made.plan.features, made.plan.warnings) == ("n_grams", ["review", "length"], [])
    _, bag = made.network_spec.layers[0].branches
    text = made.encoder.columns[0]
    assert bag == (text_layer(len(text.known) + 1),)
    assert made.network_spec.layers[0].columns[1] == ((0, text.width),)


def test_a_text_is_learned_from() -> None:
    made = fitting(reviews(1200), quality="fast", features=["review"])
    for _ in made.run():
        pass
    model = Model.from_bytes(made.model.to_bytes())
    fresh = reviews(400, seed=1)
    records, warnings = frame_from_records(json.loads(fresh[["review"]].write_json()), model.features)
    labels = [answer["label"] for answer in model.predict(records)]
    assert np.mean(np.array(labels) == fresh["stars"].to_numpy()) > 0.95
    assert not any(warnings)


def test_texts_are_left_out_where_nothing_can_read_them() -> None:
    mlp = NetworkSpec.model_validate({"layers": [{"kind": "dense"}]})
    own = fitting(reviews(200), mlp)
    assert (own.plan.features, own.goal.texts) == (["length"], "leave_out")
    asked = fitting(reviews(200), mlp, texts="n_grams")
    assert asked.plan.features == ["review", "length"]
    named = reviews(150).with_columns(pl.Series("id", [f"id_{i:x}" for i in range(150)]))
    [left_out] = fitting(named).plan.left_out
    assert (left_out.column, left_out.reason) == (
        "id",
        "id is left out: no word in it occurs in several rows, but not in all",
    )
