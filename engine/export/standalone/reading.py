"""Raw records -> encoded rows, as the service encodes them. JSON values are read as the text that means them."""

import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from unicodedata import normalize
from zlib import crc32

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Column = Mapping[str, Any]

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")
TRUE, FALSE = ("true", "yes", "t", "1"), ("false", "no", "f", "0")
LARGEST, FARTHEST = 1e150, 1e6
PERIODS = {"month": 12, "weekday": 7, "hour": 24}
NUMBER = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE
)
WORD = re.compile(r"\w+")
LONGEST_TEXT = 20_000
TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,6})[0-9]*)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)


def encode(columns: Sequence[Column], records: Sequence[Mapping[str, Any]], normal: Sequence[Array]) -> Array:
    """Rows (records, width), float32. Raises `ValueError` for a value that its column cannot hold.

    `normal`: shares and quantiles of the normal distribution, for scales that need them.
    """
    parts = [
        _column(column, [record.get(column["name"]) for record in records], normal) for column in columns
    ]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _column(column: Column, values: Sequence[Any], normal: Sequence[Array]) -> Array:
    if column["kind"] in {"image", "array"}:
        return _nested(column, values)
    texts = [_text(value, column) for value in values]
    if column["kind"] == "categorical":
        encoded = _categories(column, texts, normal)
    elif column["kind"] == "text":
        encoded = _ngrams(column, texts)
    elif column["kind"] == "datetime":
        encoded = _dates(column, texts, normal)
    elif column["kind"] == "boolean":
        signs = np.array([0.0 if text is None else 2.0 * _truth(text, column) - 1 for text in texts])
        encoded = (_scaled(column["scale"], signs, normal) if column.get("scale") else signs)[:, None]
    else:
        numbers = np.array([np.nan if text is None else _number(text, column) for text in texts])
        numbers = np.where(np.abs(numbers) <= LARGEST, numbers, np.nan)
        missing = np.isnan(numbers)
        filled = np.where(missing, column["median"], numbers)
        encoded = _scaled(column["scale"], filled, normal)[:, None]
        return np.column_stack([encoded, missing]) if column["marks_missing"] else encoded
    if column["marks_missing"]:
        encoded = np.column_stack([encoded, [text is None for text in texts]])
    return encoded


def _text(value: object, column: Column) -> str | None:
    """A JSON value as cleaned text; None is missing."""
    if value is None or (isinstance(value, float) and not np.isfinite(value)):
        return None
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float):
        if abs(value) > sys.float_info.max:  # a whole number of more than 308 digits
            return None
        whole = float(value).is_integer() and abs(value) < 2**53
        value = str(int(value)) if whole else repr(value)
    text = value.strip() if isinstance(value, str) else None
    if text is None:
        raise ValueError(f"{column['kind']} expected in {column['name']!r}, got {value!r}")
    return None if text in MISSING else text


def _number(text: str, column: Column) -> float:
    if NUMBER.fullmatch(text) is None:
        raise ValueError(f"a number expected in {column['name']!r}, got {text!r}")
    return float(text)


def _truth(text: str, column: Column) -> bool:
    if text.lower() not in TRUE + FALSE:
        raise ValueError(f"a boolean expected in {column['name']!r}, got {text!r}")
    return text.lower() in TRUE


def _time(text: str, column: Column) -> datetime:
    """In UTC."""
    parts = TIME.fullmatch(text)
    try:
        assert parts is not None
        day = [int(part) for part in parts.groups()[:3]]
        hour, minute, second = (int(part or 0) for part in parts.groups()[3:6])
        micro = int((parts[7] or "0").ljust(6, "0"))
        time = datetime(day[0], day[1], day[2], hour, minute, 0, micro, UTC) + timedelta(seconds=second)
        if (zone := parts[8]) and zone != "Z":
            shift = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
            time = time - shift if zone[0] == "+" else time + shift
    except (AssertionError, ValueError, OverflowError):
        raise ValueError(f"a time in ISO 8601 expected in {column['name']!r}, got {text!r}") from None
    return time


def _categories(column: Column, texts: Sequence[str | None], normal: Sequence[Array]) -> Array:
    known = {category: place for place, category in enumerate(column["categories"])}
    codes = np.array([-1 if text is None else known.get(text, -1) for text in texts])
    encoded: Array
    match column.get("form", "one_hot"):
        case "one_hot":
            encoded = (codes[:, None] == np.arange(len(known))).astype(np.float64)
        case "sign":
            encoded = np.where(codes < 0, 0, 2 * codes - 1).astype(np.float64)[:, None]
        case _:
            encoded = (codes + 1).astype(np.float64)[:, None]
    for place, scale in enumerate(column.get("scales") or ()):
        encoded[:, place] = _scaled(scale, encoded[:, place], normal)
    return encoded


def _dates(column: Column, texts: Sequence[str | None], normal: Sequence[Array]) -> Array:
    """The parts that the model knows; of those that come around also sine and cosine."""
    times = [None if text is None else _time(text, column) for text in texts]
    encoded = []
    for part in column["parts"]:
        name = part["part"]
        take = datetime.isoweekday if name == "weekday" else lambda time, name=name: getattr(time, name)
        values = np.array([part["median"] if time is None else take(time) for time in times], float)
        encoded.append(_scaled(part["scale"], values, normal))
        if (period := PERIODS.get(name)) is not None:
            angles = 2 * np.pi * (values.astype(int) % period) / period
            encoded += [np.sin(angles), np.cos(angles)]
    return np.stack(encoded, axis=1)


def _ngrams(column: Column, texts: Sequence[str | None]) -> Array:
    """The numbers of a text's n-grams: its words, pairs of them and, if `letters`, three letters of each in a row."""
    numbers = {code: number for number, code in enumerate(column["known"], 1)}
    out = np.zeros((len(texts), column["places"]))
    for row, text in zip(out, texts, strict=True):
        words = WORD.findall(normalize("NFKC", (text or "")[:LONGEST_TEXT]).lower())
        grams = [*words, *map(" ".join, pairwise(words))]
        if column["letters"]:
            grams += [f"#{f'<{word}>'[i : i + 3]}" for word in words for i in range(len(word))]
        codes = dict.fromkeys(crc32(gram.encode()) for gram in grams)
        found = [numbers[code] for code in codes if code in numbers][: len(row)]
        row[: len(found)] = found
    return out


def _nested(column: Column, values: Sequence[Any]) -> Array:
    """Nested lists of numbers."""
    out = np.zeros((len(values), int(np.prod(column["shape"]))))
    for row, value in enumerate(values):
        if value is not None:
            numbers = np.array(value, np.float64).astype(np.float32).reshape(column["shape"])
            numbers = numbers.reshape(-1, len(column["centers"]))
            with np.errstate(over="ignore"):
                u = (numbers - np.array(column["centers"])) * np.array(column["factors"])
            out[row] = u.clip(-FARTHEST, FARTHEST).ravel()
    return out


def _scaled(scale: Mapping[str, Any], values: Array, normal: Sequence[Array]) -> Array:
    if "quantiles" in scale:
        if len(scale["quantiles"]) == 1:
            return np.zeros(len(values))
        quantiles = np.repeat(np.array(scale["quantiles"]), scale["repeats"])
        shares = np.linspace(0, 1, len(quantiles))
        above = np.interp(values, quantiles, shares)
        below = np.interp(-values, -quantiles[::-1], -shares[::-1])
        made: Array = np.interp((above - below) / 2, normal[0], normal[1])
        return made
    with np.errstate(over="ignore"):  # what is beyond float64 is clipped like anything far away
        u: Array = np.clip(scale["factor"] * (values - scale["center"]), -FARTHEST, FARTHEST)
    bounded: Array = u / np.sqrt(1 + (u / 3) ** 2) if scale["bounded"] else u
    return bounded
