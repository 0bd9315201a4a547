"""Raw input of a prediction -> a typed frame, and for each row what was odd about it.

A JSON value is taken as the text that a CSV would hold in its place, and read by the same code as the
training table was.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from engine.encoding.columns import EXPECTED, as_text, clean, parse
from engine.encoding.description import Feature
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
    warnings: list[list[str]] = [[] for _ in records]
    columns = [_column(records, feature, warnings) for feature in features]
    names = {feature.name for feature in features}
    for row, record in enumerate(records):
        warnings[row] += [f"unknown column {shown(name)} is ignored" for name in record if name not in names]
    return pl.DataFrame(columns), warnings


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


def _column(records: Sequence[Record], feature: Feature, warnings: list[list[str]]) -> pl.Series:
    """One typed column; adds to the rows' warnings."""
    name = feature.name
    texts = [_text(record.get(name), row, feature) for row, record in enumerate(records)]
    text = clean(pl.Series(name, texts, dtype=pl.String))
    parsed, bad = parse(text, feature.type)
    if bad is not None:
        raise _invalid(bad, feature, records[bad][name])
    for row in parsed.is_null().arg_true():
        warnings[row].append(f"{name} is missing")
    if feature.categories is not None:
        unseen = parsed.is_not_null() & ~parsed.is_in(feature.categories)
        for row in unseen.arg_true():
            warnings[row].append(f"unseen category {shown(parsed[row])} in {name}")
    return parsed


def _text(value: object, row: int, feature: Feature) -> str | None:
    """A JSON value as the text that means it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < 2**63 else _float_text(value)
    if isinstance(value, float):
        return _float_text(value)
    raise _invalid(row, feature, value)


def _float_text(value: float) -> str | None:
    """None where there is no such float."""
    try:
        number = pl.Series([float(value)]).fill_nan(None)
    except OverflowError:  # a whole number of more than 308 digits
        return None
    text: str | None = as_text(number)[0]
    return text


def _invalid(row: int, feature: Feature, value: object) -> InvalidValue:
    detail = f"{EXPECTED[feature.type]} expected in {feature.name}, got {shown(value)}"
    return InvalidValue(row, feature.name, detail)
