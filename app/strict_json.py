"""JSON, read strictly: no NaN, no infinities, no number that overflows, no deep nesting, no key twice."""

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

MAX_DEPTH = 32
MAX_DIGITS = 399

# A string may lack its closing quote, so that the pattern never has to go back: it stays linear.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_ESCAPED_NUL = re.compile(r'"(?:[^"\\]|\\(?!u0000).)*?\\u0000', re.DOTALL)
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(text: str) -> Any:  # noqa: ANN401 - JSON is anything
    """Parse JSON text; raises `json.JSONDecodeError` that says what is not allowed."""
    _check_depth(text)
    try:
        value = _DECODER.decode(text)
    except _Refused as refused:
        raise json.JSONDecodeError(str(refused), text, max(text.find(refused.token), 0)) from None
    _check_surrogates(text, value)
    _check_nul(text)
    return value


class _Refused(ValueError):
    def __init__(self, detail: str, token: str) -> None:
        super().__init__(detail)
        self.token = token


def _refuse_constant(token: str) -> NoReturn:
    raise _Refused(f"{token} is not JSON; use null for a missing value", token)


def _finite(token: str) -> float:
    value = float(token)
    if math.isinf(value):
        raise _Refused(f"the number {token[:40]} is too large", token)
    return value


def _bounded(token: str) -> int:
    if len(token.removeprefix("-")) > MAX_DIGITS:
        raise _Refused(f"a number of {len(token)} digits is too long", token)
    return int(token)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; the parser would keep the last of two equal keys without a word."""
    value = dict(pairs)
    if len(value) < len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise _Refused(f"the key {twice[:40]!r} occurs twice in one object", json.dumps(twice))
    return value


_DECODER = json.JSONDecoder(
    parse_constant=_refuse_constant, parse_float=_finite, parse_int=_bounded, object_pairs_hook=_unique
)  # made once, which takes as long as a small text


def _check_depth(text: str) -> None:
    """Count brackets outside strings: linear, and before the parser recurses."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        bracket = match[0]
        if bracket in {"[", "{"}:
            depth += 1
        elif bracket in {"]", "}"}:
            depth -= 1
        if depth > MAX_DEPTH:
            raise json.JSONDecodeError(f"nested deeper than {MAX_DEPTH}", text, match.start())


def _check_nul(text: str) -> None:
    """PostgreSQL holds no NUL in a text, and none belongs into one."""
    if r"\u0000" not in text:
        return
    for string in _STRING_OR_BRACKET.finditer(text):
        if escape := _ESCAPED_NUL.match(string[0]):
            raise json.JSONDecodeError(
                "a NUL, which text never holds", text, string.start() + escape.end() - 6
            )


def _check_surrogates(text: str, value: object) -> None:
    """Half of a surrogate pair is no character: neither a database nor an answer can hold it."""
    escape = _ESCAPED_SURROGATE.search(text)
    if escape is None:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise json.JSONDecodeError("half of a surrogate pair", text, escape.start()) from None
