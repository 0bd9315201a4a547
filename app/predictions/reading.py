"""The body of a prediction -> raw rows that know where they stand in it."""

import csv
import json
from collections import Counter
from dataclasses import dataclass
from io import StringIO
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from app.datasets.formats import media_type
from app.predictions.schemas import MAX_ROWS, PredictRequest
from app.problems import Invalid, UnsupportedMediaType, to_pointer
from app.strict_json import parse
from engine.encoding import Feature, InvalidValue


@dataclass(frozen=True)
class Records:
    """Rows by column name."""

    rows: list[dict[str, Any]]

    def located(self, error: InvalidValue, features: tuple[Feature, ...]) -> Invalid:
        """The error, with a pointer to the value."""
        return Invalid.at(to_pointer(("records", error.row, error.column or "")), error.detail)


@dataclass(frozen=True)
class CsvRecords(Records):
    """Rows by column name, as text."""

    lines: list[int]  # where each row begins, counted from 1

    def located(self, error: InvalidValue, features: tuple[Feature, ...]) -> Invalid:
        """The error, with line and column."""
        return Invalid(f"line {self.lines[error.row]}, column {error.column}: {error.detail}")


@dataclass(frozen=True)
class Inputs:
    """Rows of raw values in the order of the model's features."""

    rows: list[list[Any]]

    def located(self, error: InvalidValue, features: tuple[Feature, ...]) -> Invalid:
        """The error, with a pointer to the value, or to the row if it has the wrong length."""
        names = [feature.name for feature in features]
        value = () if error.column is None else (names.index(error.column),)
        return Invalid.at(to_pointer(("inputs", error.row, *value)), error.detail)


def read(content_type: str, body: bytes) -> Records | Inputs:
    """Read a body by its type; raises `Invalid` or `RequestValidationError`, saying what is wrong where."""
    match media_type(content_type):
        case "application/json":
            return _read_json(body)
        case "text/csv":
            return _read_csv(body)
        case other:
            raise UnsupportedMediaType(
                f"{other[:100] or 'a body without Content-Type'} is not read here; "
                "send application/json, text/csv, application/vnd.apache.arrow.stream or application/x-npy"
            )


def _read_json(body: bytes) -> Records | Inputs:
    """As FastAPI reads a declared body, but off the event loop, where a large one would hold up others."""
    try:
        sent = parse(_text(body))
    except json.JSONDecodeError as error:
        place = {"type": "json_invalid", "loc": ("body", error.pos), "ctx": {"error": error.msg}}
        raise RequestValidationError([place]) from None
    try:
        request = PredictRequest.model_validate(sent)
    except ValidationError as error:
        errors = [item | {"loc": ("body", *item["loc"])} for item in error.errors()]
        raise RequestValidationError(errors, body=sent) from None
    if request.records is not None and request.inputs is None:
        return Records(request.records)
    if request.inputs is not None and request.records is None:
        return Inputs(request.inputs)
    raise Invalid.at("" if request.records is None else "/inputs", "give records or inputs, one of both")


def _read_csv(body: bytes) -> CsvRecords:
    """A header and at least one row; what divides the header divides the rows, as in an upload."""
    text = _text(body)
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    line = 1
    try:
        reader = csv.reader(StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
        header = [name.strip() for name in next(filter(None, reader), [])]
        _check_header(header)
        line = reader.line_num + 1
        for values in reader:
            if values:  # not an empty line
                if len(values) != len(header):
                    raise Invalid(f"line {line} has {len(values)} values, but the header has {len(header)}")
                if len(rows) == MAX_ROWS:
                    raise Invalid(f"line {line}: at most {MAX_ROWS:,} rows at a time")
                rows.append(dict(zip(header, values, strict=True)))
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise Invalid(f"line {line} is not CSV: {error}") from None
    if not rows:
        raise Invalid("the CSV has no rows below its header")
    return CsvRecords(rows, lines)


def _delimiter(text: str) -> str:
    """The only one of comma, semicolon and tab that divides the header; a comma if there is no such."""
    header = StringIO(text, newline="").readline()
    dividing = [mark for mark in ",;\t" if len(next(csv.reader([header], delimiter=mark), [])) > 1]
    return dividing[0] if len(dividing) == 1 else ","


def _check_header(header: list[str]) -> None:
    if not header:
        raise Invalid("line 1: a header with the names of the columns is expected")
    if "" in header:
        raise Invalid(f"line 1: column {header.index('') + 1} has no name")
    if twice := [name for name, count in Counter(header).items() if count > 1]:
        raise Invalid(f"line 1: several columns are called {twice[0][:100]!r}")


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise Invalid(f"line {line}: the body is not UTF-8 (byte {error.start})") from None
