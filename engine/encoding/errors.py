"""What can be wrong with a table, its target or a row, and where. Without polars, so cheap to import."""

from collections.abc import Collection
from difflib import get_close_matches
from itertools import islice

NAMES_LOOKED_AT = 1000
LONGEST_NAME = 100
NAMES_SHOWN = 8


class UnreadableTable(ValueError):
    """A table that cannot be used as it is, with the column and the row where it is known.

    `row` counts from 0; the sentence in `detail` counts from 1.
    """

    def __init__(self, detail: str, column: str | None = None, row: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.column = column
        self.row = row


class InvalidTarget(UnreadableTable):
    """A target column that the task cannot learn, or that holds what the model does not know."""


class NoUsableFeature(ValueError):
    """No feature is left to learn from; the sentence says why each was left out."""


class InvalidValue(ValueError):
    """A value in a prediction's input that its column cannot hold.

    `row` counts from 0; `column` is None where the row itself is wrong.
    """

    def __init__(self, row: int, column: str | None, detail: str) -> None:
        super().__init__(detail)
        self.row = row
        self.column = column
        self.detail = detail


def shown(value: object) -> str:
    """A value as an error or a warning quotes it: cut, so that a sentence stays one."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def no_column(name: str, columns: Collection[str]) -> str:
    """The sentence that says so, with the column that may have been meant and the first ones that there are."""
    sentence = f"there is no column {shown(name)}"
    looked_at = [column for column in islice(columns, NAMES_LOOKED_AT) if len(column) <= LONGEST_NAME]
    if close := get_close_matches(name[:LONGEST_NAME], looked_at, n=1):
        return f"{sentence}; did you mean {close[0]!r}?"
    there = ", ".join(map(shown, islice(columns, NAMES_SHOWN)))
    return f"{sentence}; there are {there}" + (", ..." if len(columns) > NAMES_SHOWN else "")
