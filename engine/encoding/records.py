"""Raw input of a prediction -> a typed frame, and for each row what was odd about it.

A JSON value is taken as the text that a CSV would hold in its place, and read by the same code as the
training table was.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from engine.encoding.array_columns import column_of_records
from engine.encoding.columns import EXPECTED, as_text, clean, finite, first_unread, parse
from engine.encoding.description import NESTED, Feature
from engine.encoding.errors import InvalidValue, shown

Record = Mapping[str, object]


def frame_from_records(
    records: Sequence[Record], features: Sequence[Feature]
) -> tuple[pl.DataFrame, list[list[str]]]:
    """A typed frame of `features` from rows by column name, and each row's warnings.

    Missing keys, null, NaN, infinities and what stands for missing in a CSV are missing values. They,
    unseen categories and unknown columns are warned about. Raises `InvalidValue` for anything else that is
    not of the column's type.
    """
    nested = [feature for feature in features if feature.type in NESTED]
    frame = _parsed(records, [feature for feature in features if feature.type not in NESTED])
    if nested:
        columns = [
            column_of_records([record.get(feature.name) for record in records], feature) for feature in nested
        ]
        frame = pl.DataFrame([*frame, *columns])[[feature.name for feature in features]]
    return frame, _warnings(records, features, frame)


def frame_from_rows(
    rows: Sequence[Sequence[object]], features: Sequence[Feature]
) -> tuple[pl.DataFrame, list[list[str]]]:
    """The same from rows of raw values in the order of `features`.

    Raises `InvalidValue` for a row of another length as well.
    """
    names = [feature.name for feature in features]
    for row, values in enumerate(rows):
        if len(values) != len(names):
            detail = f"{len(names)} values expected ({', '.join(names)}), got {len(values)}"
            raise InvalidValue(row, None, detail)
    return frame_from_records([dict(zip(names, values, strict=True)) for values in rows], features)


def _parsed(records: Sequence[Record], features: Sequence[Feature]) -> pl.DataFrame:
    """The columns of one value a row; raises `InvalidValue`."""
    # All columns in one query, since a query costs more than a row; and by their numbers, since polars takes
    # a name such as "*" or "^a.*$" for a pattern.
    raw = pl.DataFrame({feature.name: _text_column(records, feature) for feature in features})
    text = raw.select(clean(pl.all()))
    parsed = text.select(
        parse(pl.nth(i), feature.type).alias(feature.name) for i, feature in enumerate(features)
    )
    for feature, before, after in zip(features, text, parsed, strict=True):
        bad = first_unread(before, after)
        if bad is not None:
            raise _invalid(bad, feature, records[bad][feature.name])
    return parsed.with_columns(finite(pl.col(pl.Float64)))


def oddities(frame: pl.DataFrame, features: Sequence[Feature]) -> list[list[str]]:
    """What is odd about each row of a typed frame of `features`: missing values and unseen categories."""
    warnings: list[list[str]] = [[] for _ in range(frame.height)]
    for feature, column in zip(features, frame, strict=True):
        if column.has_nulls():
            for row in column.is_null().arg_true():
                warnings[row].append(f"{feature.name} is missing")
        if feature.categories is not None:
            known = {None, *feature.categories}
            for row, value in enumerate(column):
                if value not in known:
                    warnings[row].append(f"unseen category {shown(value)} in {feature.name}")
    return warnings


def _warnings(records: Sequence[Record], features: Sequence[Feature], frame: pl.DataFrame) -> list[list[str]]:
    warnings = oddities(frame, features)
    names = {feature.name for feature in features}
    for row, record in enumerate(records):
        warnings[row] += [f"unknown column {shown(name)} is ignored" for name in record if name not in names]
    return warnings


def _text_column(records: Sequence[Record], feature: Feature) -> pl.Series:
    texts = [_text(record.get(feature.name), row, feature) for row, record in enumerate(records)]
    return pl.Series(texts, dtype=pl.String)


def _text(value: object, row: int, feature: Feature) -> str | None:
    """A JSON value as the text that means it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number_text(value, feature)
    raise _invalid(row, feature, value)


def _number_text(value: float, feature: Feature) -> str | None:
    """Where it is to be a number, any text that parses back to it; else as a table has it."""
    if isinstance(value, int) and abs(value) < 2**63:
        return str(value)
    try:
        number = float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return None
    if feature.type == "numeric":
        return repr(number)
    text: str | None = as_text(pl.Series([number]).fill_nan(None))[0]
    return text


def _invalid(row: int, feature: Feature, value: object) -> InvalidValue:
    detail = f"{EXPECTED[feature.type]} expected in {feature.name}, got {shown(value)}"
    return InvalidValue(row, feature.name, detail)
