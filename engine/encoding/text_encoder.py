"""A column of texts -> the numbers of the n-grams in them, for an embedding bag.

A text's words are the runs of letters, digits and underscores in it, in lower case and in Unicode's form NFKC. Its
n-grams are those words, then pairs of neighbours, and where texts are short also three letters in a row of each word
with a mark at both of its ends, so that words that are spelt alike have something in common. Each is known by a hash
of its UTF-8 bytes alone, so that the model holds no text, and any process and version finds the same numbers.

Source: Weinberger et al. 2009, Feature hashing for large scale multitask learning; the n-grams are those of Joulin et
al. 2017, Bag of tricks for efficient text classification, and Bojanowski et al. 2017, Enriching word vectors with
subword information.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from itertools import islice, pairwise
from typing import Annotated, Literal
from unicodedata import normalize
from zlib import crc32

import numpy as np
import polars as pl
from pydantic import Field

from engine.arrays import Array
from engine.encoding.blocks import Block
from engine.encoding.column_encoders import ColumnEncoder

KNOWN_AT_MOST = 20_000
"""N-grams that have a number: the most frequent ones; all others are like unknown ones."""
FEWEST_TEXTS = 2
"""Texts that an n-gram has to occur in: one alone says more of the text than of anything else."""
PLACES_AT_MOST = 256
"""Numbers that a text has at most: of longer ones the first n-grams, words before pairs before letters."""
SHORT = 5
"""Words that half of the texts have at most where letters are looked at as well."""
FIT_ROWS = 50_000
"""Texts that are looked at to choose the n-grams, evenly spread over all."""
CHARACTERS_AT_MOST = 20_000
"""Characters of a text that are looked at."""

_WORD = re.compile(r"\w+")
Hash = Annotated[int, Field(ge=0, lt=2**32)]


class TextEncoder(ColumnEncoder):
    """The numbers of a text's n-grams, each once, then zeros. Unknown n-grams and missing texts have none."""

    kind: Literal["text"] = "text"
    letters: bool = Field(description="Whether three letters in a row count as well.")
    places: int = Field(ge=1, le=PLACES_AT_MOST, description="Numbers of a text.")
    hashing: Literal["crc32"] = Field("crc32", description="Of an n-gram's UTF-8 bytes.")
    known: tuple[Hash, ...] = Field(
        max_length=KNOWN_AT_MOST, description="The hashes of the n-grams, whose numbers count from 1."
    )

    @classmethod
    def fit_known(cls, series: pl.Series) -> "TextEncoder":
        """Fit to the training rows of a typed column: the n-grams that occur in some of them, but at least in two.

        None where no word does: then the texts are identifiers, or all the same.
        """
        texts = series.drop_nulls()
        some = texts.gather_every(max(1, -(-len(texts) // FIT_ROWS))).to_list()
        letters = bool(some and np.median([len(words_of(text)) for text in some]) <= SHORT)
        counts = Counter(code for text in some for code in set(hashes_of(text, letters=letters)))
        often = {code: count for code, count in counts.items() if FEWEST_TEXTS <= count < len(some)}
        if not any(_hash(word) in often for text in some for word in words_of(text)):
            often = {}
        known = set(sorted(often, key=lambda code: (-often[code], code))[:KNOWN_AT_MOST])
        most = max((len(known & set(hashes_of(text, letters=letters))) for text in some), default=0)
        return cls(
            name=series.name,
            marks_missing=False,
            letters=letters,
            places=max(1, min(most, PLACES_AT_MOST)),
            known=tuple(sorted(known)),
        )

    @cached_property
    def value_names(self) -> tuple[str, ...]:
        """One a place."""
        return tuple(f"{self.name} n-gram {place}" for place in range(1, self.places + 1))

    @property
    def value_block(self) -> Block:
        """The numbers of n-grams."""
        return Block("ngrams", self.places, len(self.known) + 1)

    def encode_values(self, series: pl.Series, out: Array) -> None:
        """The first numbers of each text."""
        for text, row in zip(series, out, strict=True):
            if text is not None:
                self.write(text, row)

    def write(self, text: str, row: Array) -> None:
        """Write the first numbers of a text into row (places,), all zeros so far."""
        numbers = list(islice(self._numbers(text), self.places))
        row[: len(numbers)] = numbers

    def _numbers(self, text: str) -> Iterator[int]:
        for code in dict.fromkeys(hashes_of(text, letters=self.letters)):
            if (number := self._number_of.get(code)) is not None:
                yield number

    @cached_property
    def _number_of(self) -> dict[int, int]:
        return {code: number for number, code in enumerate(self.known, 1)}


def hashes_of(text: str, *, letters: bool) -> Iterator[int]:
    """The hashes of a text's n-grams, words first, in order; some may repeat."""
    words = words_of(text)
    yield from map(_hash, words)
    yield from map(_hash, map(" ".join, pairwise(words)))
    if letters:
        for word in words:
            marked = f"<{word}>"
            yield from (_hash(f"#{marked[i : i + 3]}") for i in range(len(marked) - 2))


def words_of(text: str) -> list[str]:
    """The words of a text, in order."""
    return _WORD.findall(normalize("NFKC", text[:CHARACTERS_AT_MOST]).lower())


def _hash(gram: str) -> int:
    return crc32(gram.encode())
