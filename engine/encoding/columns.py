"""What a column of a table means: its type, found in the data or given by the user.

Every value has one reading, wherever it comes from (a CSV field, a JSON value, a later prediction): as
text it is cleaned and parsed here. A typed column is one of these dtypes:

    numeric      Int64 where every value is a whole number, else Float64
    boolean      Boolean
    datetime     Datetime("us") in UTC, without a zone
    categorical  String
    text         String, with too many different values to be categories
    image        Array of UInt8, (height, width, channels); see array_columns.py
    array        Array of Float32 of any shape
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import polars as pl

from engine.encoding.array_columns import cast_nested, infer_nested, is_nested
from engine.encoding.description import NESTED, ColumnType, DatasetWarning
from engine.encoding.errors import UnreadableTable, shown

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")
"""What a missing value looks like as text, white space stripped."""
TRUE = ("true", "yes", "t", "1")
FALSE = ("false", "no", "f", "0")
"""What truth looks like as text, in any case, where a column is to be boolean. By itself one of true and false is."""

CATEGORIES_AT_MOST = 100
CHARACTERS_AT_MOST = 100
"""A column of words is text, not categorical, where it has more than 100 distinct values and more than
half of its values are distinct, or where its values have more than 100 characters on average."""

LARGEST = 1e150
"""Numbers of a larger magnitude, whose squares overflow, count as infinite, and infinite ones as missing."""

CALENDAR = (datetime.min, datetime.max)  # noqa: DTZ901 - typed times are in UTC, without a zone
"""The times that there are in ISO 8601 and in Python: the years 1 to 9999. UTC has others near their ends."""

EXACT = 2.0**53
"""Below it every whole number has its own float64."""

_PROBE = 100  # values that are parsed first, so that a column of words is not parsed three times in full
ISO = (
    r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,6})[0-9]*)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
)


def infer(frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, ColumnType], list[DatasetWarning]]:
    """Type every column: the typed frame, the types by name, and a warning for each column with infinities.

    Text is read the same way in every format: a String column in which every value that is there parses
    as a number, a truth value or an ISO 8601 time becomes that. Infinite numbers and NaN become missing. A
    column without values is numeric. Raises `UnreadableTable` for nested and binary columns.
    """
    columns: dict[str, pl.Series] = {}
    types: dict[str, ColumnType] = {}
    warnings: list[DatasetWarning] = []
    for series in frame:
        column, types[series.name] = infer_column(series)
        if column.dtype == pl.Float64:
            column = column.alias("value")  # polars takes some names for patterns
            if infinite := int(((column.abs() > LARGEST) & column.is_not_nan()).sum()):
                detail = f"{infinite} infinite values of {series.name} count as missing"
                warnings.append(DatasetWarning(code="infinite_values", column=series.name, detail=detail))
            column = _narrowed(column)
        columns[series.name] = column
    return pl.DataFrame(columns), types, warnings


def infer_column(series: pl.Series, first_row: int = 0) -> tuple[pl.Series, ColumnType]:
    """Type a column by its dtype and values; infinite numbers are still there, and floats stay floats.

    `first_row`: the number of its first row, where it is a piece of a table. Raises `UnreadableTable`.
    """
    dtype = series.dtype
    if dtype == pl.String:
        return _infer_text(cleaned(series))
    if is_nested(series):
        return infer_nested(series)
    if dtype == pl.Boolean:
        return series, "boolean"
    if dtype.is_numeric() or dtype == pl.Null:
        return _infer_numbers(series), "numeric"
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        return _infer_times(series, first_row), "datetime"
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return cleaned(series.cast(pl.String)), "categorical"
    raise UnreadableTable(
        f"column {series.name!r} holds {dtype} values; "
        "a column must hold numbers, text, booleans, dates or date-times",
        series.name,
    )


def _infer_numbers(series: pl.Series) -> pl.Series:
    if series.dtype.is_integer():
        whole = series.cast(pl.Int64, strict=False)
        if whole.null_count() == series.null_count():
            return whole
    return series.cast(pl.Float64)


def _infer_times(series: pl.Series, first_row: int) -> pl.Series:
    if getattr(series.dtype, "time_zone", None) is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    times = series.cast(pl.Datetime("us"))
    if not times.is_between(*CALENDAR).all():
        row = first_row + int(times.is_between(*CALENDAR).not_().arg_max() or 0)
        raise UnreadableTable(
            f"column {series.name!r} holds a time outside the years 1 to 9999 in row {row + 1}",
            series.name,
            row,
        )
    return times


def _infer_text(text: pl.Series) -> tuple[pl.Series, ColumnType]:
    # Without its name, which polars would take for a pattern where it begins with ^ and ends with $
    present = text.alias("text").drop_nulls()
    if present.is_empty():
        return text.cast(pl.Float64), "numeric"
    kinds: tuple[ColumnType, ...] = ("numeric", "boolean", "datetime")
    for kind in kinds:
        if read_as_meant(present.head(_PROBE), kind)[1] is None:
            parsed, bad = read_as_meant(text, kind)
            if bad is None:
                return parsed, kind
    return text, kind_of_words(present.n_unique(), len(present), int(present.str.len_chars().sum()))


def read_as_meant(text: pl.Series, kind: ColumnType) -> tuple[pl.Series, int | None]:
    """As `read`, where nobody has said what the cleaned text is: of truth values true and false alone are read.

    Yes and no stay the words that they are, since they are what a user's program compares answers with.
    """
    parsed, bad = read(text, kind)
    if bad is None and kind == "boolean":
        words = text.alias("words").to_frame()
        meant = words.select(pl.when(pl.first().str.to_lowercase().is_in(("true", "false"))).then(pl.first()))
        bad = first_unread(text, meant.to_series())
    return parsed, bad


def kind_of_words(distinct: int, present: int, characters: int) -> ColumnType:
    """Whether `present` words with so many distinct ones, and characters in all, are categories or text."""
    many = distinct > CATEGORIES_AT_MOST and 2 * distinct > present
    long = characters > CHARACTERS_AT_MOST * present
    return "text" if many or long else "categorical"


def cast(frame: pl.DataFrame, types: Mapping[str, ColumnType]) -> pl.DataFrame:
    """The typed `frame` with the columns of `types` read as those types; columns that are so already stay.

    Raises `UnreadableTable` for a name that is no column and for a value that cannot be read so, with its
    row. Infinite numbers become missing.
    """
    for name in types:
        if name not in frame.columns:
            raise UnreadableTable(f"there is no column {name!r}", name)
    return frame.with_columns([_cast_column(frame[name], kind) for name, kind in types.items()])


def _cast_column(series: pl.Series, kind: ColumnType) -> pl.Series:
    if kind in NESTED or is_nested(series):
        return cast_nested(series, kind)
    if series.dtype in _DTYPES[kind]:
        return series
    if kind == "numeric" and series.dtype == pl.Boolean:
        return series.cast(pl.Int64)
    text = as_text(series)
    parsed, bad = read(text, kind)
    if bad is not None:
        raise UnreadableTable(
            f"column {series.name!r} cannot be {kind}: "
            f"{shown(text[bad])} in row {bad + 1} is not {EXPECTED[kind]}",
            series.name,
            bad,
        )
    return _narrowed(parsed) if parsed.dtype == pl.Float64 else parsed


def as_text(series: pl.Series) -> pl.Series:
    """The typed values as text that parses back to them; whole floats without a point, as in "2007"."""
    name, series = series.name, series.alias("value")  # polars takes some names for patterns
    if series.dtype == pl.Float64:
        whole = (series == series.floor()) & (series.abs() < EXACT)
        text = series.cast(pl.Int64, strict=False).cast(pl.String).zip_with(whole, series.cast(pl.String))
        return text.alias(name)
    if series.dtype == pl.Datetime:
        return series.dt.to_string("%Y-%m-%dT%H:%M:%S%.f").alias(name)
    return series.cast(pl.String).alias(name)


def cleaned(text: pl.Series) -> pl.Series:
    """Without white space around values, and null for what stands for a missing one."""
    return text.to_frame().select(clean(pl.first())).to_series()


def read(text: pl.Series, kind: ColumnType) -> tuple[pl.Series, int | None]:
    """Parse a cleaned column: the values, infinite ones among them, and the first row that does not parse."""
    if kind == "numeric":
        whole = text.cast(pl.Int64, strict=False)  # keeps digits that a float has no room for
        if whole.null_count() == text.null_count():
            return whole, None
    parsed = text.to_frame().select(parse(pl.first(), kind)).to_series().alias(text.name)
    return parsed, first_unread(text, parsed)


def _narrowed(values: pl.Series) -> pl.Series:
    """Without NaN and infinities; where all that is left are whole numbers, Int64."""
    name, values = values.name, values.alias("value").to_frame().select(finite(pl.first())).to_series()
    exact = ((values == values.floor()) & (values.abs() < EXACT)).all()
    return (values.cast(pl.Int64) if exact and values.null_count() < len(values) else values).alias(name)


def clean(text: pl.Expr) -> pl.Expr:
    """Strip white space and turn what stands for a missing value into null."""
    text = text.str.strip_chars()
    return pl.when(~text.is_in(MISSING)).then(text)


def parse(text: pl.Expr, kind: ColumnType) -> pl.Expr:
    """Read cleaned text as `kind`, null where that cannot be done; numbers as Float64, infinite ones too.

    The result has no name of its own.
    """
    return _PARSERS[kind](text)


def first_unread(text: pl.Series, parsed: pl.Series) -> int | None:
    """The first row whose text could not be read."""
    if parsed.null_count() == text.null_count():
        return None
    return (parsed.alias("value").is_null() & text.alias("value").is_not_null()).arg_max()


def finite(numbers: pl.Expr) -> pl.Expr:
    """Turn NaN and what counts as infinite into null."""
    return pl.when(numbers.abs() <= LARGEST).then(numbers)


def _parse_numbers(text: pl.Expr) -> pl.Expr:
    return text.cast(pl.Float64, strict=False)


def _parse_booleans(text: pl.Expr) -> pl.Expr:
    words = text.str.to_lowercase()
    return pl.when(words.is_in(TRUE + FALSE)).then(words.is_in(TRUE))


def _parse_times(text: pl.Expr) -> pl.Expr:
    """ISO 8601 dates and date-times, brought to one form first: all parts, a point, an offset."""
    parts = text.str.extract_groups(ISO).struct
    day, minute, second, fraction, offset = (parts.field(str(i)) for i in range(1, 6))
    full = pl.concat_str(
        day,
        pl.lit("T"),
        minute.fill_null("00:00"),
        pl.lit(":"),
        second.fill_null("00"),
        pl.lit("."),
        fraction.fill_null("0"),
        offset.replace("Z", "+00:00").fill_null("+00:00"),
    )
    times = full.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False)
    times = times.dt.replace_time_zone(None)
    return pl.when(times.is_between(*CALENDAR)).then(times)


def _as_it_is(text: pl.Expr) -> pl.Expr:
    return text


_PARSERS: dict[ColumnType, Callable[[pl.Expr], pl.Expr]] = {
    "numeric": _parse_numbers,
    "boolean": _parse_booleans,
    "datetime": _parse_times,
    "categorical": _as_it_is,
    "text": _as_it_is,
}

_DTYPES: dict[ColumnType, tuple[pl.DataType, ...]] = {
    "numeric": (pl.Int64(), pl.Float64()),
    "boolean": (pl.Boolean(),),
    "datetime": (pl.Datetime("us"),),
    "categorical": (pl.String(),),
    "text": (pl.String(),),
}

EXPECTED: dict[ColumnType, str] = {
    "numeric": "a number",
    "boolean": "a boolean (true or false)",
    "datetime": "a date or date-time in ISO 8601",
    "categorical": "text",
    "text": "text",
    "image": "an image",
    "array": "nested lists of numbers",
}
"""How an error names what a column of a type may hold."""
