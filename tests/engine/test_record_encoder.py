"""Few records without a frame: the same bits and warnings as over a frame, of any value that is not left to it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.encoding.columns import FALSE, MISSING, TRUE
from engine.encoding.record_encoder import SPACE, NotPlain, RecordEncoder
from engine.encoding.records import frame_from_records
from engine.encoding.table import TableEncoder

ROWS = 300
WORDS = ("Biscoe", "2007", "true", "ß", "a b", "-3")


def table(missing: int) -> pl.DataFrame:
    """A column of every type; every `missing`th value is not there (0: all are)."""
    rng = np.random.default_rng(0)
    start = datetime(2023, 12, 30)  # noqa: DTZ001 - typed times have no zone
    columns = {
        "number": rng.normal(3, 2, ROWS),
        "amount": np.exp(rng.normal(0, 3, ROWS)),
        "whole": rng.integers(-5, 50, ROWS),
        "word": rng.choice(WORDS, ROWS),
        "pair": rng.choice(["left", "right"], ROWS),
        "many": [f"word{i % 40}" for i in range(ROWS)],
        "truth": rng.random(ROWS) < 0.3,
        "time": [start + timedelta(hours=7 * i) for i in range(ROWS)],
        "picture": rng.integers(0, 256, (ROWS, 3, 2, 1)).astype(np.uint8),
    }
    frame = pl.DataFrame(columns)
    there = pl.Series([not missing or i % missing != 1 for i in range(ROWS)])
    return frame.select(pl.when(there).then(pl.nth(i)) for i in range(frame.width))


TYPES = {
    "number": "numeric",
    "amount": "numeric",
    "whole": "numeric",
    "word": "categorical",
    "pair": "categorical",
    "many": "categorical",
    "truth": "boolean",
    "time": "datetime",
    "picture": "image",
}
ENCODERS = [
    TableEncoder.fit(table(missing), TYPES, list(TYPES), scaling=scaling, categories=categories)[0]
    for missing in (0, 5)
    for scaling, categories in (
        ("standard", "one_hot"),
        ("robust", "by_size"),
        ("quantile", "by_size"),
        ("unit", "one_hot"),
    )
]
READY = [RecordEncoder(encoder) for encoder in ENCODERS]

padded = st.text(SPACE, max_size=2)
missing = st.none() | st.sampled_from(MISSING)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70) | st.floats(-10, 60)
words = st.sampled_from([*WORDS, "left", "right", "word3", "word39", *TRUE, *FALSE, "\x1cword3"]) | st.text(
    max_size=5
)
times = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(datetime.isoformat)  # noqa: DTZ001
moments = st.tuples(
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)),  # noqa: DTZ001
    st.sampled_from(["", ":59", ":60", ":07.5", ":07,123456789", ":61"]),
    st.sampled_from(["", "Z", "+00:00", "-23:59", "+0530", "+14:00", "+99:99", "+25:00"]),
).map(lambda parts: f"{parts[0]:%Y-%m-%dT%H:%M}{parts[1]}{parts[2]}".replace("T", " ", parts[0].second % 2))
spelled = st.tuples(padded, numbers.map(str) | words | times | moments, padded).map("".join)
odd = st.lists(st.integers()) | st.sampled_from(
    ["1_000", "+.5", "1e", "0x1f", "inf", "-nan", "1e400", "+5", "007", "TRUE", "İ"]
)
values = missing | numbers | st.booleans() | spelled | odd
pictures = (
    st.none() | st.lists(st.lists(st.integers(0, 255), min_size=2, max_size=2), min_size=3, max_size=3) | odd
)
records = st.fixed_dictionaries(
    {}, optional={name: pictures if name == "picture" else values for name in TYPES} | {"more": st.none()}
)


@given(record=records, which=st.integers(0, len(ENCODERS) - 1))
@settings(max_examples=200, deadline=None)
def test_the_bits_and_warnings_are_those_of_the_frame(record, which):
    _compare(record, which)


@pytest.mark.slow
@given(
    name=st.sampled_from([name for name in TYPES if name != "picture"]),
    value=values,
    which=st.integers(0, len(ENCODERS) - 1),
)
@settings(max_examples=800, deadline=None)
def test_so_are_those_of_a_single_value(name, value, which):
    _compare({name: value}, which)


def _compare(record, which):
    try:
        x, warnings = READY[which].encode([record])
    except NotPlain:
        return
    frame, expected = frame_from_records([record], ENCODERS[which].features)
    assert warnings == expected
    assert x.tobytes() == ENCODERS[which].encode(frame).tobytes()


PLAIN = {
    "number": 3.5,
    "amount": 7,
    "whole": " 12 ",
    "word": 2007.0,
    "pair": "middle",
    "many": "word7",
    "truth": "Yes",
    "time": datetime(2024, 2, 29, 23, tzinfo=UTC).isoformat(),
    "picture": [[1, 2], [3, 4], [5, 255]],
}


@pytest.mark.parametrize("which", range(len(ENCODERS)))
def test_what_is_plain_is_not_left_to_the_frame(which):
    """Without this a way that takes nothing would pass."""
    some = [PLAIN, {}, PLAIN | {"number": None, "colour": 1}]
    x, warnings = READY[which].encode(some)
    frame, expected = frame_from_records(some, ENCODERS[which].features)
    assert warnings == expected
    assert x.tobytes() == ENCODERS[which].encode(frame).tobytes()
    assert READY[which].named(list(PLAIN.values())) == PLAIN


@pytest.mark.parametrize("value", [[1], {}, True, "abc", "1_000", 2**64])
def test_what_is_not_plain_is(value):
    with pytest.raises(NotPlain):
        READY[0].encode([{"number": value}])
