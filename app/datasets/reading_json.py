"""Records in JSON: a list of objects, or one object a line. The keys are the columns."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from app.datasets.unreadable import MAX_COLUMNS, check_columns, check_text, unreadable
from app.strict_json import parse

BATCH = 50_000  # records turned into columns at a time: as Python objects they take ten times the memory
INT64 = range(-(2**63), 2**63)

Cell = bool | int | float | str | None


def read_json(path: Path) -> pl.DataFrame:
    """The table in a JSON list of objects; raises `Invalid` with the place or the row that is wrong."""
    check_text(path)
    try:
        records = parse(path.read_text("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise unreadable(f"line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}") from None
    if not isinstance(records, list):
        raise unreadable('the JSON must be a list of objects, as in [{"a": 1}, {"a": 2}]')
    return _table(((f"row {i + 1}", (i,), record) for i, record in enumerate(records)))


def read_ndjson(path: Path) -> pl.DataFrame:
    """The table in lines of JSON objects; blank lines are left out. Raises `Invalid` with the line."""
    check_text(path)
    return _table(_parsed_lines(path))


Record = tuple[str, tuple[int, ...], object]
"""How a sentence names it, its path in a JSON body, and what it is."""


def _parsed_lines(path: Path) -> Iterator[Record]:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield f"line {number}", (), parse(line.rstrip("\r\n"))
            except json.JSONDecodeError as error:
                raise unreadable(
                    f"line {number}, column {error.colno}: not valid JSON: {error.msg}"
                ) from None


def _table(records: Iterable[Record]) -> pl.DataFrame:
    kinds: dict[str, set[type]] = {}  # what each column holds, in the order in which the keys came
    batches: list[pl.DataFrame] = []
    batch: list[dict[str, Cell]] = []
    for place, where, record in records:
        batch.append(_checked(record, place, where, kinds))
        if len(batch) == BATCH:
            batches.append(_columns(batch, kinds))
            batch = []
    batches.append(_columns(batch, kinds))
    check_columns(list(kinds))
    return pl.concat([_unified(batch, kinds) for batch in batches])


def _checked(
    record: object, place: str, where: tuple[int, ...], kinds: dict[str, set[type]]
) -> dict[str, Cell]:
    if not isinstance(record, dict):
        raise unreadable(f'{place} must be an object, as in {{"a": 1}}', *where)
    if not record:
        raise unreadable(f"{place} is an object without a key", *where)
    for key, value in record.items():
        if isinstance(value, list | dict):
            raise unreadable(
                f"{place}, key {key[:40]!r}: nested values are not read; flatten them", *where, key
            )
        held = kinds.setdefault(key, set())
        if type(value) is int and value not in INT64:
            record[key] = _as_float(value, place, where, key)
            held.add(float)
        elif value is not None:
            held.add(type(value))
    if len(kinds) > MAX_COLUMNS:
        check_columns(list(kinds))
    return record


def _as_float(value: int, place: str, where: tuple[int, ...], key: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise unreadable(f"{place}, key {key[:40]!r}: the number is too large", *where, key) from None


def _columns(batch: list[dict[str, Cell]], kinds: dict[str, set[type]]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            pl.Series(name, [record.get(name) for record in batch], _dtype(held), strict=False)
            for name, held in kinds.items()
        ]
    )


def _unified(batch: pl.DataFrame, kinds: dict[str, set[type]]) -> pl.DataFrame:
    """The batch with the columns and the types of the whole table."""
    missing = [pl.lit(None).alias(name) for name in kinds if name not in batch.columns]
    batch = batch.with_columns(missing)
    return pl.DataFrame([batch[name].cast(_dtype(held)) for name, held in kinds.items()])


def _dtype(kinds: set[type]) -> pl.DataType:
    """The narrowest type that holds values of these kinds; a mixture is text."""
    if not kinds:
        return pl.Null()
    if kinds == {bool}:
        return pl.Boolean()
    if kinds == {int}:
        return pl.Int64()
    if kinds <= {int, float}:
        return pl.Float64()
    return pl.String()
