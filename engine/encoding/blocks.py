"""What the columns of an encoded row are to a network, so that one can be made for them. Without polars."""

from typing import Literal, NamedTuple

Form = Literal["number", "flag", "code", "ngrams"]
"""What an encoded column is: a measure, one of a few fixed values, the whole number of a category or of an n-gram."""


class Block(NamedTuple):
    """Neighbouring encoded columns of one form."""

    form: Form
    columns: int
    codes: int = (
        0  # of codes and n-grams: how many numbers there are, 0 for what is missing or unknown included
    )
