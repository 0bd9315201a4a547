"""What the columns of a table mean whose rows come in pieces, as `columns.infer` finds it in a whole one.

typing = Typing(first)
while True:
    for piece in pieces():
        typing.typed(piece)    # a frame of typing.schema, as long as the guesses hold
    if typing.holds():
        break

The first piece gives a guess of each column's dtype. A later value may break it: it is then read anew, from the
first row on, with what is known by now. So a type that holds for a million rows and breaks later comes out right.
"""

import math
from collections.abc import Iterator, Sequence
from typing import cast

import polars as pl

from engine.encoding.columns import EXACT, LARGEST, cleaned, infer_column, read, read_as_meant
from engine.encoding.description import ColumnType, DatasetWarning

_KINDS: tuple[ColumnType, ...] = ("numeric", "boolean", "datetime")
"""What a column of text may be, in the order in which that is tried."""
_TYPED = frozenset(
    {pl.Boolean, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.Date, pl.Datetime}
)


class TextColumn:
    """The reading of one column of text, or of floats."""

    dtype: pl.DataType  # of the typed pieces
    present: int  # values that are there in the pieces so far
    characters: int  # of words
    infinite: int  # numbers that count as infinite

    def __init__(self, name: str, *, whole_text: bool = True) -> None:
        """`whole_text`: whether whole numbers have been written as such so far; floats never were."""
        self.name = name
        self._kinds = list(_KINDS)
        # What holds of all numbers so far, and so of all in the end as soon as it does not.
        self._whole_text = whole_text  # each was written as a whole number
        self._exact = True  # each is a whole number that a float64 holds exactly
        self.begin()

    def begin(self) -> None:
        """Come to the first row again, with the guess that fits all that is known."""
        self.dtype = self._found() if hasattr(self, "present") else pl.Int64()
        self.present = self.characters = self.infinite = self._finite = 0

    @property
    def holds(self) -> bool:
        """Whether the pieces since `begin` are typed as all of them together ask for."""
        return self.dtype == self._found()

    @property
    def kind(self) -> ColumnType | None:
        """What the values are; None: words."""
        return self._kinds[0] if self._kinds else None

    def _found(self) -> pl.DataType:
        match self.kind:
            case "numeric":
                whole = self._finite and (self._whole_text or self._exact)
                return pl.Int64() if whole else pl.Float64()
            case "boolean":
                return pl.Boolean()
            case "datetime":
                return pl.Datetime("us")
        return pl.String()

    @property
    def reads_numbers(self) -> bool:
        """Whether fields may be read as numbers of `dtype` at once: nothing of their text will be asked for."""
        known = self._whole_text if self.dtype == pl.Int64 else not (self._whole_text or self._exact)
        return self.kind == "numeric" and known

    def typed(self, series: pl.Series) -> pl.Series:
        """The piece, text or already numbers, of `dtype`; of another one where the guess is broken."""
        series = series.alias("value")  # polars takes some names of columns for patterns
        if series.dtype == pl.String:
            values = self._of_text(series)
        else:
            values = self._seen(series.cast(pl.Float64) if series.dtype.is_float() else series)
        self.present += len(values) - values.null_count()
        return values.alias(self.name)

    def _of_text(self, text: pl.Series) -> pl.Series:
        while self._kinds:
            values = self._numbers(text) if self._kinds[0] == "numeric" else self._read(text, self._kinds[0])
            if values is not None:
                break
            self._kinds.pop(0)
        else:
            values = cleaned(text)
            self.characters += int(values.str.len_chars().sum())
        return values

    def _read(self, text: pl.Series, kind: ColumnType) -> pl.Series | None:
        values, bad = read_as_meant(cleaned(text), kind)
        return values if bad is None else None

    def _numbers(self, text: pl.Series) -> pl.Series | None:
        values = text.cast(pl.Int64() if self._whole_text else pl.Float64(), strict=False)
        if values.null_count() > text.null_count():
            others = self._others(text, values)
            if others is None:
                return None
            values = others
        return self._seen(values)

    def _seen(self, values: pl.Series) -> pl.Series:
        """The numbers of a piece as they are kept, once it is known what they say of the column."""
        if values.dtype == pl.Float64:
            values = self._without_infinities(values)
        self._finite += len(values) - values.null_count()
        if self._exact:
            self._exact = _all_exact(values)
        return values.cast(self.dtype, strict=False)

    def _others(self, text: pl.Series, values: pl.Series) -> pl.Series | None:
        """The numbers with those that need cleaning, or are no whole ones; None where some are no numbers."""
        unread = values.is_null() & text.is_not_null()
        rest = cleaned(text.filter(unread))
        if rest.null_count() == len(rest):
            return values
        numbers, bad = read(rest, "numeric")
        if bad is not None:
            return None
        if values.dtype != numbers.dtype:
            self._whole_text &= numbers.dtype == pl.Int64
            values = values.cast(pl.Float64)
            numbers = numbers.cast(pl.Float64)
        return values.scatter(unread.arg_true(), numbers)

    def _without_infinities(self, values: pl.Series) -> pl.Series:
        """Null in place of what counts as infinite, which is counted, and of NaN."""
        low, high = _range(values)
        if low >= -LARGEST and high <= LARGEST and math.isfinite(values.sum()):  # NaN makes the sum one
            return values
        size = values.abs()
        finite = (size <= LARGEST) & size.is_not_nan()
        self.infinite += int(((size > LARGEST) & size.is_not_nan()).sum())
        return values.zip_with(finite.fill_null(value=False), pl.Series([None], dtype=pl.Float64))


def _all_exact(values: pl.Series) -> bool:
    low, high = _range(values)
    small = low > -EXACT and high < EXACT
    return small and (values.dtype == pl.Int64 or bool((values == values.floor()).all()))


def _range(values: pl.Series) -> tuple[float, float]:
    """The smallest and the largest number that is there; 0 where there is none."""
    low, high = values.min(), values.max()
    return cast("float", low or 0), cast("float", high or 0)


class TypedColumn:
    """The reading of a column whose dtype says what it means."""

    holds, reads_numbers, characters, infinite = True, False, 0, 0

    def __init__(self, name: str, dtype: pl.DataType) -> None:
        self.name = name
        typed, self.kind = infer_column(pl.Series(name, [], dtype))
        self.dtype = typed.dtype
        self.begin()

    def begin(self) -> None:
        """Come to the first row again."""
        self._rows = self.present = 0

    def typed(self, series: pl.Series) -> pl.Series:
        """The piece of `dtype`; raises `UnreadableTable`."""
        typed, _ = infer_column(series, self._rows)
        self._rows += len(series)
        self.present += len(series) - series.null_count()
        return typed


def can_be_typed(dtype: pl.DataType) -> bool:
    """Whether a column of this dtype is typed in pieces."""
    return dtype == pl.String or dtype.is_float() or dtype in _TYPED


def _column(series: pl.Series) -> TextColumn | TypedColumn:
    if series.dtype == pl.String:
        return TextColumn(series.name)
    if series.dtype.is_float():
        return TextColumn(series.name, whole_text=False)
    return TypedColumn(series.name, series.dtype)


class Typing:
    """The reading of all columns of a table, of text above all; each of a dtype that `can_be_typed`."""

    def __init__(self, first: pl.DataFrame) -> None:
        """Guess from the first rows."""
        self.columns = [_column(series) for series in first]
        self.typed(first)
        self._begin()

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """The dtypes of the typed pieces."""
        return {column.name: column.dtype for column in self.columns}

    @property
    def numbers(self) -> dict[str, pl.DataType]:
        """The dtypes of the columns that may come as such numbers, not as text, where all their fields are some."""
        return {column.name: column.dtype for column in self.columns if column.reads_numbers}

    def typed(self, piece: pl.DataFrame) -> pl.DataFrame | None:
        """The piece in `schema`; None where a guess is broken and it cannot be."""
        typed = [column.typed(series) for column, series in zip(self.columns, piece, strict=True)]
        if any(series.dtype != column.dtype for column, series in zip(self.columns, typed, strict=True)):
            return None
        return pl.DataFrame(typed)

    def holds(self) -> bool:
        """Whether all pieces were typed right; otherwise begins anew with guesses that fit them."""
        if all(column.holds for column in self.columns):
            return True
        self._begin()
        return False

    def _begin(self) -> None:
        for column in self.columns:
            column.begin()

    def warnings(self) -> Iterator[DatasetWarning]:
        """One for each column with infinite numbers."""
        return infinity_warnings([(column.name, column.infinite) for column in self.columns])


def infinity_warnings(counts: Sequence[tuple[str, int]]) -> Iterator[DatasetWarning]:
    """What is to be said of columns with so many infinite numbers."""
    for name, infinite in counts:
        if infinite:
            detail = f"{infinite} infinite values of {name} count as missing"
            yield DatasetWarning(code="infinite_values", column=name, detail=detail)
